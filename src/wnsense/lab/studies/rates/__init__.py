"""Study of Table 1 of arXiv 2510.01175: the rate of each analysis beside counted steps of its method."""
