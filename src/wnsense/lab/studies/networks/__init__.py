"""Studies of weight-normalized deep networks (arXiv 2409.08935) on real images."""
