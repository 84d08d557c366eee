"""Burn-in and rate of Algorithm 1 measured over grids, to be held against Theorem 3.2 of arXiv 2510.01175."""
