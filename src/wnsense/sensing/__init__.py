"""Measurements of matrices: operators that act on factors, the matrices, and problems made of both.

The core has `Space`, `Kind`, `LowRank`, `Operator` and `Problem`. Ensembles are in `ensembles`, operators made of
operators in `combining`, and the check of an operator in `checking`. `adapters` makes operators of functions, and
`linear_map` and `map_sources` maps of vectors. The public names are in `wnsense.operators`.
"""
