"""Pages: a run or a study as one self-contained HTML file; they read tables only."""
