"""Diagonal linear networks (arXiv 2305.05448): models, discrete descent, flows and their limits.

- `PlainDescent`, `NormalizedDescent`, `ProjectedDescent` and `HeldOutBest` are solvers for `wnsense.running.solve`.
- `plain_flow` and `normalized_flow` integrate the flows; `FlowRun` has the run and its invariants.
- `mirror_limit`, `flow_limit`, `flow_limits` and `hypentropy_limit` compute limits without a run.
"""

from wnsense.lab.diagonal.descent import NormalizedDescent, PlainDescent, ProjectedDescent
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
from wnsense.lab.diagonal.held_out import HeldOutBest
from wnsense.lab.diagonal.hypentropy import hypentropy_limit
from wnsense.lab.diagonal.limit import FlowLimit, flow_limit, flow_limits, mirror_limit
from wnsense.lab.diagonal.row_space import signed_map
from wnsense.lab.diagonal.schedules import Geometric, Schedule, TwoPhase

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
