"""Figure 1 of arXiv 2510.01175, sequential learning: its settings, its runs and the table that they become."""
