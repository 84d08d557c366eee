"""Trajectories of flows with their invariants."""

import math
from collections.abc import Mapping

import numpy as np

from wnsense.lab.diagonal.flow import FlowStop
from wnsense.lab.diagonal.limit import flow_limits, mirror_limit
from wnsense.lab.diagonal.row_space import signed_map
from wnsense.lab.studies.diagonal.flow_runs import flow_of, problem_matrices, spread_rows
from wnsense.lab.studies.diagonal.problems import least_norm
from wnsense.lab.studies.diagonal.sparse_drawing import rate_name
from wnsense.lab.studies.diagonal.trajectories.specification import TrajectoryPart
from wnsense.theory.diagonal import kernel_component


def trajectory_words(part: TrajectoryPart) -> str:
    """Return a part in words, for reports of progress."""
    return f"flow, L = {part.depth}, {rate_name(part.ratio)}"


def measure_trajectory(part: TrajectoryPart) -> Mapping[str, np.ndarray]:
    """Integrate a flow to its time, and return its arrays.

    Returns:
        Rows, (rows,): `time`; `radius`; `log_rho` from the start; `residual`; `norm`, `||z||_1`; `drift`, the part of
        the invariants' change in the null space of the map, over the change; `change`, the size of the change;
        `norm_drift`, `| ||u|| - 1 |`. `z`, signed, (rows, N), in single precision. `truth`, (N,). Single numbers:
        `size`, the norm of the invariants at the start; `least`, `Q`. `predicted`, `log rho` of every possible limit.
        `predicted_error`, the distance of the end to the nearest limit, over its size.
    """
    A, truth = problem_matrices(part.drawing)
    B, y = signed_map(A), A @ truth
    run = flow_of(B, y, part, FlowStop(residual=0.0, time=part.time), part.tolerance)
    rows = spread_rows(run.times)
    x, radius = run.x[rows], np.exp(run.log_radius[rows])
    powers = x**part.depth
    invariants = run.invariants()[rows]
    change = invariants - invariants[0]
    log_start = np.full(B.shape[1], math.log(part.scale))
    if part.ratio is None:
        limits = [mirror_limit(B, y, log_start, part.depth)]
        log_rho = np.zeros(len(rows))
    else:
        limits = list(flow_limits(B, y, log_start, part.depth, ratio=part.ratio))
        log_rho = np.log(radius[0] / radius) + (radius**2 - radius[0] ** 2) / (2 * part.ratio)
    norms = np.exp(np.logaddexp.reduce(2 * run.log_direction[rows], axis=1) / 2)
    N = len(truth)
    return {
        "time": run.times[rows],
        "radius": radius,
        "log_rho": log_rho,
        "residual": run.residuals[rows],
        "norm": powers.sum(1),
        "drift": np.array([kernel_component(B, row) for row in change]),
        "change": np.linalg.norm(change, axis=1),
        "size": np.array([np.linalg.norm(invariants[0])]),
        "norm_drift": np.abs(norms - 1),
        "z": (powers[:, :N] - powers[:, N:]).astype(np.float32),
        "truth": truth,
        "least": np.array([least_norm(A, y, signed=True)]),
        "predicted": np.array([limit.log_magnification for limit in limits]),
        "predicted_error": np.array([min(np.linalg.norm(run.z - at.z) / np.linalg.norm(at.z) for at in limits)]),
    }
