"""Figure 4 of arXiv 2510.01175: photographs recovered from measurements by every method, side by side."""
