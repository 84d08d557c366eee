"""What is measured: unknowns held by factors, operators that act on them, problems and their files."""
