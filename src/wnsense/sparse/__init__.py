"""Sparse recovery: a sparse solution of `A z = y`, and the references beside it."""

from wnsense.sensing.drawn_maps import gaussian_map, partial_cosine_map, sparse_map
from wnsense.sensing.linear_map import LinearMap
from wnsense.sensing.map_sources import linear_map
from wnsense.sparse.optimality import OptimalityGap, optimality_gap
from wnsense.sparse.references import (
    Reference,
    basis_pursuit,
    lasso,
    oracle_least_squares,
    orthogonal_matching_pursuit,
)
from wnsense.sparse.sparse_recover import sparse_recover
from wnsense.sparse.sparse_recovery import SparseRecovery

__all__ = [
    "LinearMap",
    "OptimalityGap",
    "Reference",
    "SparseRecovery",
    "basis_pursuit",
    "gaussian_map",
    "lasso",
    "linear_map",
    "optimality_gap",
    "oracle_least_squares",
    "orthogonal_matching_pursuit",
    "partial_cosine_map",
    "sparse_map",
    "sparse_recover",
]
