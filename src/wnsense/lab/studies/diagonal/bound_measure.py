"""The l1 norm of limits beside its bounds, and the weighted norm of unequal starts beside a bound of the same kind."""

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
from wnsense.lab.studies.diagonal.problems import drawn, least_norm
from wnsense.lab.studies.diagonal.specification import BoundPart
from wnsense.theory.diagonal import exponent, l1_excess_bound, l1_excess_form, weighted_excess_bound, weighted_norm

# Starts with entries of their own are drawn from a seed of their own.
_START_SEED = 9_000_000
# The dense part of a positive truth, over the size of its sparse entries.
_DENSE = 0.1


@dataclass(frozen=True)
class _Setting:
    """A problem as the theory has it: positive, of 2 N entries where it was signed."""

    A: Float[np.ndarray, "m n"]
    y: Float[np.ndarray, " m"]
    proportions: Float[np.ndarray, " n"]
    least: float
    depth: int


def measure_bounds(part: BoundPart) -> Mapping[str, np.ndarray]:
    """Find the limits of a part and hold them against the bounds.

    A limit is found without running its flow (`mirror_limit`, `flow_limits`), which the library's tests hold against
    flows. Where several magnifications reproduce themselves each limit is a row: the bounds are of all.

    Returns:
        Columns, one entry a limit: `scale`; `ratio`, NaN for plain flow; `log_rho`; `residual`; `least`, Q;
        `excess`, ||z||_1 / Q - 1; `bound`, epsilon, infinite where Q is not above the start's norm; `weighted_least`,
        `weighted_excess` and `weighted_bound`, the same of sum z_i z_{0,i}^{-q} (NaN for L = 2). For unequal starts and
        L > 2 `bound` is the form that holds for equal ones, which is known not to hold here. `missing`, one number: the
        cells whose limit the library did not find.
    """
    setting = _setting(part)
    rows, missing = [], 0
    for scale, ratio in product(part.scales, part.ratios):
        limits = _limits(setting, scale, ratio)
        rows += [_row(setting, scale, ratio, limit) for limit in limits]
        missing += not limits
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {**columns, "missing": np.array([missing])}


def _setting(part: BoundPart) -> _Setting:
    operator, truth = drawn(part.drawing)
    A = operator.dense().numpy()
    rng = torch.Generator().manual_seed(_START_SEED + part.drawing.seed)
    z = truth.numpy()
    if not part.signed:
        # The sparse vector alone is often the only z >= 0 with its measurements: then there is nothing to choose from.
        z = np.abs(z) + _DENSE * torch.rand(len(z), generator=rng, dtype=torch.float64).numpy()
    y = A @ z
    A = signed_map(A) if part.signed else A
    deviations = torch.randn(A.shape[1], generator=rng, dtype=torch.float64).numpy()
    least = least_norm(A, y, signed=False)
    return _Setting(A, y, np.exp(part.spread * deviations), least, part.depth)


def _limits(setting: _Setting, scale: float, ratio: float | None) -> tuple[FlowLimit, ...]:
    log_start = np.log(scale * setting.proportions)
    try:
        if ratio is None:
            return (mirror_limit(setting.A, setting.y, log_start, setting.depth),)
        return flow_limits(setting.A, setting.y, log_start, setting.depth, ratio=ratio)
    except InputError:
        # Newton's path ends on its way to some very small starts; such cells are counted, and told of.
        return ()


def _row(setting: _Setting, scale: float, ratio: float | None, limit: FlowLimit) -> dict[str, float]:
    L, log_rho = setting.depth, limit.log_magnification
    start = (scale * setting.proportions) ** L
    equal = float(np.ptp(setting.proportions)) == 0
    bound = (l1_excess_bound if L == 2 or equal else l1_excess_form)(start, setting.least, L, log_rho)
    row = {
        "scale": scale,
        "ratio": math.nan if ratio is None else ratio,
        "log_rho": log_rho,
        "residual": limit.residual,
        "least": setting.least,
        "excess": float(limit.z.sum()) / setting.least - 1,
        "bound": bound,
    }
    names = ("weighted_least", "weighted_excess", "weighted_bound")
    if L == 2:
        return row | dict.fromkeys(names, math.nan)
    # v = w z turns the weighted norm into the l1 norm of another map.
    weights = start ** -exponent(L)
    least = least_norm(setting.A / weights, setting.y, signed=False)
    excess = weighted_norm(limit.z, start, L) / least - 1
    return row | dict(zip(names, (least, excess, weighted_excess_bound(start, least, L, log_rho)), strict=True))
