"""Pictures: one function each, from a table to a matplotlib figure; they read tables only."""
