"""Study of burn-in and rate of Algorithm 1 over grids, beside Theorem 3.2 of arXiv 2510.01175."""
