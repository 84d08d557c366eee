"""Study of figure 4 of arXiv 2510.01175: photographs recovered from measurements by every method."""
