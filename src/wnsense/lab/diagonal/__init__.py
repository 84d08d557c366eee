"""Diagonal linear networks (arXiv 2305.05448): flows, descents and limits."""

from wnsense.lab.diagonal.descent import (
    Geometric,
    HeldOutBest,
    NormalizedDescent,
    PlainDescent,
    ProjectedDescent,
    Schedule,
    TwoPhase,
    descend,
)
from wnsense.lab.diagonal.diagonal_network import (
    DiagonalObjective,
    DiagonalProblem,
    DiagonalSolver,
    DiagonalState,
    Weights,
    equal_start,
    vector_error,
)
from wnsense.lab.diagonal.flow import FlowRun, FlowStop, normalized_flow, plain_flow
from wnsense.lab.diagonal.limit import FlowLimit, flow_limit, flow_limits, hypentropy_limit, mirror_limit, signed_map

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
    "NormalizedDescent",
    "PlainDescent",
    "ProjectedDescent",
    "Schedule",
    "TwoPhase",
    "Weights",
    "descend",
    "equal_start",
    "flow_limit",
    "flow_limits",
    "hypentropy_limit",
    "mirror_limit",
    "normalized_flow",
    "plain_flow",
    "signed_map",
    "vector_error",
]
