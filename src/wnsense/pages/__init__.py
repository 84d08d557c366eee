"""Pages and pictures of a recovery, made from tables alone."""
