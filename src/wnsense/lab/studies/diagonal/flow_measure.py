"""Flows as they were integrated: trajectories with their invariants, rates at the end, multi-layer linear models."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from wnsense.lab.diagonal.flow import FlowRun, FlowStop, normalized_flow, plain_flow
from wnsense.lab.diagonal.limit import flow_limits, mirror_limit
from wnsense.lab.diagonal.linear_networks import (
    LayersRun,
    guaranteed_singular_value,
    imbalances,
    instant_rate,
    layers_flow,
    product,
    two_layer_rate,
)
from wnsense.lab.diagonal.row_space import signed_map
from wnsense.lab.studies.diagonal.problems import drawn, least_norm
from wnsense.lab.studies.diagonal.specification import Drawing, LayersPart, RatePart, TrajectoryPart
from wnsense.theory.diagonal import decay_rate, kernel_component, normalized_loss_bound, plain_loss_bound

# Rows kept of a trajectory: in equal ratios of time, and evenly among the integrator's steps.
_IN_RATIOS, _EVENLY = 70, 70
# The last decades of the residual, of which the rate at the end is taken, and the tolerance that resolves them.
_LAST_DECADES = 1.0
_RATE_TOLERANCE = 1e-11
_LONGEST = 1e10
# Of multi-layer models: long enough for all that are drawn here.
_LAYERS_TIME = 1e4


def measure_trajectory(part: TrajectoryPart) -> Mapping[str, np.ndarray]:
    """Integrate a flow to its time.

    Returns:
        Rows, (rows,): `time`, `radius`, `log_rho` from the start to there, `residual`, `norm` ||z||_1, `drift`, the
        kernel's part of the invariants' change over that change, `change`, the size of the change, `norm_drift`,
        | ||u|| - 1 |. `z`, signed, (rows, N), in single precision. `truth`, (N,); `size`, the norm of the invariants
        at the start; `least`, Q; `predicted`, log rho of every limit that can be reached; `predicted_error`, the
        distance of the end to the nearest, over its size.
    """
    A, truth = _arrays(part.drawing)
    B, y = signed_map(A), A @ truth
    run = _flow(B, y, part, FlowStop(residual=0.0, time=part.time), part.tolerance)
    rows = _spread(run.times)
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


def measure_rate(part: RatePart) -> Mapping[str, np.ndarray]:
    """Integrate a flow to its residual and take the rate at which that fell in the end.

    Returns:
        Single numbers: `measured`, the slope of -log residual over its last decade, `predicted`, `decay_rate` at
        the end, `reached`, 1 where the residual was. For L = 2 rows along the run, `time`, `loss` and `loss_bound`.
    """
    A, truth = _arrays(part.drawing)
    B, y = signed_map(A), A @ truth
    run = _flow(B, y, part, FlowStop(residual=part.residual, time=_LONGEST), _RATE_TOLERANCE)
    logs = np.log(run.residuals)
    last = logs <= logs[-1] + _LAST_DECADES * math.log(10)
    found = {
        "measured": np.array([-np.polyfit(run.times[last], logs[last], 1)[0]]),
        "predicted": np.array([decay_rate(B, run.x[-1], part.depth, part.ratio)]),
        "reached": np.array([float(run.reached)]),
    }
    rows = _spread(run.times)[1:]
    loss = 0.5 * (run.residuals[rows] * np.linalg.norm(y)) ** 2
    if part.depth != 2:
        return found
    z0 = np.full(B.shape[1], part.scale**2)
    if part.ratio is None:
        bound = [plain_loss_bound(float(t), run.z, z0, 2) for t in run.times[rows]]
    else:
        squared = np.exp(2 * run.log_radius)
        # The integral of r^2 by trapezoids, on the integrator's own steps.
        areas = np.concatenate([[0.0], np.cumsum(np.diff(run.times) * (squared[1:] + squared[:-1]) / 2)])
        bound = [normalized_loss_bound(float(s), run.z, z0, part.ratio) for s in areas[rows]]
    return {**found, "time": run.times[rows], "loss": loss, "loss_bound": np.array(bound)}


def measure_layers(part: LayersPart) -> Mapping[str, np.ndarray]:
    """Run the flow with every ratio.

    Returns:
        (ratios,): `measured`, the rate -d log loss / dt over the last 30% of its fall; `predicted`, `instant_rate` at
        the end; `bound`, of two layers, from the imbalance and the least singular value of the product at the end, NaN
        otherwise or with weight normalization; `bound_start`, the same with what the start guarantees of that singular
        value; `imbalance_drift` and `trace_drift`; `loss`, the last over 1/2 ||Y||^2.
    """
    layers, target = layers_of(part)
    rows = [_layers_row(layers, target, ratio) for ratio in part.ratios]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def layers_of(part: LayersPart) -> tuple[list[Float[np.ndarray, "_ _"]], Float[np.ndarray, "_ _"]]:
    """Layers near parts of an identity, and a target of singular values from 1 to 2 near it: so that no flow stalls."""
    rng = np.random.default_rng(part.seed)
    shapes = list(zip(part.sizes, part.sizes[1:], strict=False))
    layers = [np.eye(*shape) + part.spread * rng.standard_normal(shape) for shape in shapes]
    rows, columns = part.sizes[0], part.sizes[-1]
    narrow = min(rows, columns)
    target = np.eye(rows, columns) + 0.3 * rng.standard_normal((rows, columns)) / math.sqrt(narrow)
    U, _, Vh = np.linalg.svd(target, full_matrices=False)
    return layers, (U * np.linspace(2, 1, narrow)) @ Vh


def _layers_row(layers: Sequence[np.ndarray], target: np.ndarray, ratio: float | None) -> dict[str, float]:
    run: LayersRun = layers_flow(layers, target, ratio=ratio, time=_LAYERS_TIME)
    bound = bound_start = math.nan
    if ratio is None and len(layers) == 2:
        D, (rows, columns) = imbalances(layers)[0], target.shape
        least = float(np.linalg.svd(product(run.layers[-1]), compute_uv=False)[-1])
        bound = two_layer_rate(D, rows, columns, least)
        bound_start = two_layer_rate(D, rows, columns, guaranteed_singular_value(layers, target))
    return {
        "measured": run.measured_rate(),
        "predicted": instant_rate(run.layers[-1], ratio),
        "bound": bound,
        "bound_start": bound_start,
        "imbalance_drift": run.imbalance_drift(),
        "trace_drift": run.trace_drift(),
        "loss": float(run.losses[-1]) / (0.5 * float(np.linalg.norm(target)) ** 2),
    }


def _flow(
    A: Float[np.ndarray, "m n"],
    y: Float[np.ndarray, " m"],
    part: TrajectoryPart | RatePart,
    stop: FlowStop,
    tolerance: float,
) -> FlowRun:
    start = np.full(A.shape[1], part.scale)
    if part.ratio is None:
        return plain_flow(A, y, start, part.depth, stop=stop, tolerance=tolerance)
    return normalized_flow(A, y, start, part.depth, ratio=part.ratio, stop=stop, tolerance=tolerance)


def _arrays(drawing: Drawing) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, " n"]]:
    operator, truth = drawn(drawing)
    dense: torch.Tensor = operator.dense()
    return dense.numpy(), truth.numpy()


def _spread(times: Float[np.ndarray, " t"]) -> Int[np.ndarray, " rows"]:
    """Rows that a picture needs, the first and the last among them."""
    last = len(times) - 1
    in_ratios = np.searchsorted(times, np.geomspace(times[1], times[-1], _IN_RATIOS)).clip(0, last)
    return np.unique(np.concatenate([np.linspace(0, last, _EVENLY).round().astype(int), in_ratios]))
