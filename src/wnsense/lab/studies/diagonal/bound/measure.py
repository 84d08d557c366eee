"""l1 norms of limits and their bounds; weighted norms of unequal starts and their bounds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float

from wnsense.checks import InputError
from wnsense.lab.diagonal.limit import FlowLimit, flow_limits, mirror_limit
from wnsense.lab.diagonal.row_space import signed_map
from wnsense.lab.studies.diagonal.bound.specification import BoundPart
from wnsense.lab.studies.diagonal.problems import drawn, least_norm
from wnsense.theory.diagonal import exponent, l1_excess_bound, l1_excess_form, weighted_excess_bound, weighted_norm

# Seed of the starts with unequal entries.
_START_SEED = 9_000_000
# Size of the dense part of a positive truth, over that of its sparse entries.
_DENSE = 0.1


@dataclass(frozen=True)
class _PositiveProblem:
    """Positive problem of the theory; it has 2 N entries for a signed network."""

    A: Float[np.ndarray, "m n"]
    y: Float[np.ndarray, " m"]
    proportions: Float[np.ndarray, " n"]
    least: float
    depth: int


def bound_words(part: BoundPart) -> str:
    """Return a part in words, for reports of progress."""
    start = "unequal" if part.spread else "equal"
    return f"limits, L = {part.depth}, {start} start, problem {part.drawing.seed}"


def measure_bounds(part: BoundPart) -> Mapping[str, np.ndarray]:
    """Return the limits of a part with their norms and bounds.

    Limits are computed without a run of the flow (`mirror_limit`, `flow_limits`); the library's tests compare them with
    flows. If several magnifications reproduce themselves, each limit is a row, since the bounds hold for all.

    Returns:
        Columns, one entry a limit: `scale`; `ratio`, NaN for plain flow; `log_rho`; `residual`; `least`, `Q`; `excess`,
        `||z||_1 / Q - 1`; `bound`, `epsilon`, infinite if `Q` is not above the start's norm; `weighted_least`,
        `weighted_excess` and `weighted_bound`, the same for `sum z_i z_{0,i}^{-q}` (NaN for `L = 2`). For unequal
        starts and `L > 2` `bound` is the form for equal starts, which does not hold there. `missing`, one number: the
        cells whose limit was not found.
    """
    problem = _problem(part)
    rows, missing = [], 0
    for scale, ratio in product(part.scales, part.ratios):
        limits = _limits(problem, scale, ratio)
        rows += [_row(problem, scale, ratio, limit) for limit in limits]
        missing += not limits
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {**columns, "missing": np.array([missing])}


def _problem(part: BoundPart) -> _PositiveProblem:
    operator, truth = drawn(part.drawing)
    A = operator.dense().numpy()
    rng = torch.Generator().manual_seed(_START_SEED + part.drawing.seed)
    z = truth.numpy()
    if not part.signed:
        # The sparse vector alone is often the only z >= 0 with its measurements: then the flow has no choice.
        z = np.abs(z) + _DENSE * torch.rand(len(z), generator=rng, dtype=torch.float64).numpy()
    y = A @ z
    A = signed_map(A) if part.signed else A
    deviations = torch.randn(A.shape[1], generator=rng, dtype=torch.float64).numpy()
    least = least_norm(A, y, signed=False)
    return _PositiveProblem(A, y, np.exp(part.spread * deviations), least, part.depth)


def _limits(problem: _PositiveProblem, scale: float, ratio: float | None) -> tuple[FlowLimit, ...]:
    log_start = np.log(scale * problem.proportions)
    try:
        if ratio is None:
            return (mirror_limit(problem.A, problem.y, log_start, problem.depth),)
        return flow_limits(problem.A, problem.y, log_start, problem.depth, ratio=ratio)
    except InputError:
        # Newton's path ends before some very small starts; such cells are counted and reported.
        return ()


def _row(problem: _PositiveProblem, scale: float, ratio: float | None, limit: FlowLimit) -> dict[str, float]:
    L, log_rho = problem.depth, limit.log_magnification
    start = (scale * problem.proportions) ** L
    equal = float(np.ptp(problem.proportions)) == 0
    bound = (l1_excess_bound if L == 2 or equal else l1_excess_form)(start, problem.least, L, log_rho)
    row = {
        "scale": scale,
        "ratio": math.nan if ratio is None else ratio,
        "log_rho": log_rho,
        "residual": limit.residual,
        "least": problem.least,
        "excess": float(limit.z.sum()) / problem.least - 1,
        "bound": bound,
    }
    names = ("weighted_least", "weighted_excess", "weighted_bound")
    if L == 2:
        return row | dict.fromkeys(names, math.nan)
    # v = w z turns the weighted norm into the l1 norm of another map.
    weights = start ** -exponent(L)
    least = least_norm(problem.A / weights, problem.y, signed=False)
    excess = weighted_norm(limit.z, start, L) / least - 1
    return row | dict(zip(names, (least, excess, weighted_excess_bound(start, least, L, log_rho)), strict=True))
