"""Study of figure 1 of arXiv 2510.01175: sequential learning, one eigenvalue after another."""
