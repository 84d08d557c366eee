"""Weight-normalized deep networks (arXiv 2409.08935): building, measuring, training and diagnosing them."""
