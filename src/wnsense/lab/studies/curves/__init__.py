"""The experiments of arXiv 2510.01175, repeated: one frozen specification a figure, one table, one picture."""
