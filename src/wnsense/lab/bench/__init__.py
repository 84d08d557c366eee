"""The benchmark: a declared grid of problems, every method on each, and one table that all else is made from."""
