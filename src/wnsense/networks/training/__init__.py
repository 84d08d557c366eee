"""Training of any torch model: plan, loop, batches, interrupt deferral and checkpoints."""
