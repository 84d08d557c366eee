"""Diagonal linear networks (arXiv 2305.05448): weight normalization and sparse solutions of A z = y."""

from wnsense.diagonal.linear_map import LinearMap, gaussian_map, linear_map, partial_cosine_map, sparse_map

__all__ = [
    "LinearMap",
    "gaussian_map",
    "linear_map",
    "partial_cosine_map",
    "sparse_map",
]
