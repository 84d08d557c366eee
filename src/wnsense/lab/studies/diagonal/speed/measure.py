"""Rates at the end of flows on diagonal networks and on multi-layer linear models."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from wnsense.lab.diagonal.flow import FlowStop
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
from wnsense.lab.studies.diagonal.flow_runs import flow_of, problem_matrices, spread_rows
from wnsense.lab.studies.diagonal.sparse_drawing import rate_name
from wnsense.lab.studies.diagonal.speed.specification import LayersPart, RatePart, SpeedPart
from wnsense.lab.studies.diagonal.step_grid import GridPart
from wnsense.lab.studies.diagonal.step_grid_measure import grid_words, measure_grid
from wnsense.theory.diagonal import decay_rate, normalized_loss_bound, plain_loss_bound

# Decades of the residual at the end over which the rate is measured, and the tolerance that resolves them.
_LAST_DECADES = 1.0
_RATE_TOLERANCE = 1e-11
_LONGEST = 1e10
# Time of the flows of multi-layer models, long enough for all that are drawn here.
_LAYERS_TIME = 1e4


def speed_words(part: SpeedPart) -> str:
    """Return a part in words, for reports of progress."""
    match part:
        case GridPart():
            return grid_words(part)
        case RatePart():
            return f"rate, L = {part.depth}, alpha = {part.scale:g}, {rate_name(part.ratio)}"
        case LayersPart():
            return f"{len(part.sizes) - 1} layers, seed {part.seed}"


def measure(part: SpeedPart) -> Mapping[str, np.ndarray]:
    """Return the arrays of a part.

    Raises:
        KeyboardInterrupt: If interrupted.
    """
    match part:
        case GridPart():
            return measure_grid(part)
        case RatePart():
            return measure_rate(part)
        case LayersPart():
            return measure_layers(part)


def measure_rate(part: RatePart) -> Mapping[str, np.ndarray]:
    """Integrate a flow to its residual, and return the rate at which the residual fell in the end.

    Returns:
        Single numbers: `measured`, the slope of `-log residual` over its last decade; `predicted`, `decay_rate` at the
        end; `reached`, 1 if the residual was reached. For `L = 2` also rows along the run: `time`, `loss` and
        `loss_bound`.
    """
    A, truth = problem_matrices(part.drawing)
    B, y = signed_map(A), A @ truth
    run = flow_of(B, y, part, FlowStop(residual=part.residual, time=_LONGEST), _RATE_TOLERANCE)
    logs = np.log(run.residuals)
    last = logs <= logs[-1] + _LAST_DECADES * math.log(10)
    rates = {
        "measured": np.array([-np.polyfit(run.times[last], logs[last], 1)[0]]),
        "predicted": np.array([decay_rate(B, run.x[-1], part.depth, part.ratio)]),
        "reached": np.array([float(run.reached)]),
    }
    rows = spread_rows(run.times)[1:]
    loss = 0.5 * (run.residuals[rows] * np.linalg.norm(y)) ** 2
    if part.depth != 2:
        return rates
    z0 = np.full(B.shape[1], part.scale**2)
    if part.ratio is None:
        bound = [plain_loss_bound(float(t), run.z, z0, 2) for t in run.times[rows]]
    else:
        squared = np.exp(2 * run.log_radius)
        # The integral of r^2 by trapezoids, on the integrator's own steps.
        areas = np.concatenate([[0.0], np.cumsum(np.diff(run.times) * (squared[1:] + squared[:-1]) / 2)])
        bound = [normalized_loss_bound(float(s), run.z, z0, part.ratio) for s in areas[rows]]
    return {**rates, "time": run.times[rows], "loss": loss, "loss_bound": np.array(bound)}


def measure_layers(part: LayersPart) -> Mapping[str, np.ndarray]:
    """Integrate the flow with every ratio, and return its rates.

    Returns:
        Columns, (ratios,): `measured`, the rate `-d log loss / dt` over the last 30% of its fall; `predicted`,
        `instant_rate` at the end; `bound`, the bound for two layers from the imbalance and the least singular value of
        the product at the end, NaN for other depths or with weight normalization; `bound_start`, the bound from the
        singular value that the start guarantees; `imbalance_drift`; `trace_drift`; `loss`, the last loss over
        `1/2 ||Y||^2`.
    """
    layers, target = layers_of(part)
    rows = [_layers_row(layers, target, ratio) for ratio in part.ratios]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def layers_of(part: LayersPart) -> tuple[list[Float[np.ndarray, "_ _"]], Float[np.ndarray, "_ _"]]:
    """Return layers near parts of an identity, and a target near it of singular values from 1 to 2; no flow stalls."""
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
