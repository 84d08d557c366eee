"""Table 1 of arXiv 2510.01175: each analysis' rate beside a count of steps of the method that it analyses."""
