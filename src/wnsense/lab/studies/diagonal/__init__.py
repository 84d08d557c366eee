"""Diagonal linear networks (arXiv 2305.05448) as studies: recovery, trajectories, bounds, the ratio of rates, speed."""
