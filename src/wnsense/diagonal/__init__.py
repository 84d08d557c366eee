"""Diagonal linear networks (arXiv 2305.05448): weight normalization and sparse solutions of A z = y."""

from wnsense.diagonal.certificate import OptimalityGap, optimality_gap
from wnsense.diagonal.descent import (
    Geometric,
    HeldOutBest,
    NormalizedDescent,
    PlainDescent,
    ProjectedDescent,
    Schedule,
    TwoPhase,
    descend,
)
from wnsense.diagonal.flow import FlowRun, FlowStop, normalized_flow, plain_flow
from wnsense.diagonal.limit import FlowLimit, flow_limit, flow_limits, hypentropy_limit, mirror_limit, signed_map
from wnsense.diagonal.linear_map import LinearMap, gaussian_map, linear_map, partial_cosine_map, sparse_map
from wnsense.diagonal.network import (
    DiagonalObjective,
    DiagonalProblem,
    DiagonalSolver,
    DiagonalState,
    Weights,
    equal_start,
    vector_error,
)
from wnsense.diagonal.recovering import sparse_recover
from wnsense.diagonal.references import (
    Reference,
    basis_pursuit,
    lasso,
    oracle_least_squares,
    orthogonal_matching_pursuit,
)
from wnsense.diagonal.sparse_result import SparseRecovery

__all__ = [
    "DiagonalObjective",
    "DiagonalProblem",
    "DiagonalSolver",
    "DiagonalState",
    "FlowLimit",
    "FlowRun",
    "FlowStop",
    "Geometric",
    "HeldOutBest",
    "LinearMap",
    "NormalizedDescent",
    "OptimalityGap",
    "PlainDescent",
    "ProjectedDescent",
    "Reference",
    "Schedule",
    "SparseRecovery",
    "TwoPhase",
    "Weights",
    "basis_pursuit",
    "descend",
    "equal_start",
    "flow_limit",
    "flow_limits",
    "gaussian_map",
    "hypentropy_limit",
    "lasso",
    "linear_map",
    "mirror_limit",
    "normalized_flow",
    "optimality_gap",
    "oracle_least_squares",
    "orthogonal_matching_pursuit",
    "partial_cosine_map",
    "plain_flow",
    "signed_map",
    "sparse_map",
    "sparse_recover",
    "vector_error",
]
