"""Pages and pictures of a recovery, made from its table alone; the style of all pictures."""
