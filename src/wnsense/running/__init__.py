"""The only loop: stopping, traces, checkpoints, tables on disk."""
