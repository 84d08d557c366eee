"""Sparse solutions of `A z = y`, bounds on their l1 norm, and reference methods.

| to do | names |
|---|---|
| recover a sparse vector | `sparse_recover`, `SparseRecovery` |
| bound the l1 norm of a vector from below | `optimality_gap`, `OptimalityGap` |
| compare with public methods | `basis_pursuit`, `lasso`, `orthogonal_matching_pursuit`, `Reference` |
| compare with the true support | `oracle_least_squares` |
| make a map | `linear_map`, `LinearMap`, `gaussian_map`, `partial_cosine_map`, `sparse_map` |
"""

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
