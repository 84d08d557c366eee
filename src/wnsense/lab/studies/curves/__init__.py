"""Studies of curves: figures 2 and 3 of arXiv 2510.01175, and studies of the same form beyond the paper."""
