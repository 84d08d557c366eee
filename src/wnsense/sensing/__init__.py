"""Measurements of matrices: operators that act on factors, the matrices, and problems made of both."""
