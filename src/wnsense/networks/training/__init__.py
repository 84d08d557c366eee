"""Training of networks: plan, loop, batches, interrupts and checkpoints."""
