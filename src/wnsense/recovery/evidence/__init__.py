"""Evidence for a recovery: rank, hold-out, identifiability and verdict."""
