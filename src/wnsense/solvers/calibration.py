"""Calibration of a problem: the operator's gain, its trace component, and the size of the answer."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import haar_frame, orthonormal_factor
from wnsense.sensing import row_reductions
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.values import by_value

_PROBE_COUNT = 2
_PROBE_RANK = 8
_SCALE_STEPS = 3
_SCALE_WIDTH = 4
# The trace direction is shrunk if its squared gain exceeds the mean one by this factor.
_TRACE_EXCESS = 3.0


@dataclass(frozen=True)
@by_value
class Calibration:
    """Change of variables that brings `M*M` close to the identity and `||A||` close to 1.

    With `D = diag(row_scale)` and `T = I - (1 - trace_factor) u u^T`, solvers use the operator `T D M`. In the
    direction `u`, rank-one measurements depend on the trace alone, and are far larger than in others. `T` shrinks this
    direction to the size of the others; exact centring would lose its information.

    Attributes:
        row_scale: Factor `sqrt(weight_i) / gain` of the fitted rows, 0 for held-out rows; (n,).
        trace_direction: Unit vector `u`, (n,); None without a large trace component.
        trace_factor: Factor of that direction.
        scale: Estimate of `||A||_2`; points of a solver are the matrix over this.
        applications: Applications that the calibration took.
        traces: Traces `Tr M_i` of all rows, (n,); None without a large trace component.
    """

    row_scale: Float[Tensor, " n"]
    trace_direction: Float[Tensor, " n"] | None
    trace_factor: float
    scale: float
    applications: int
    traces: Float[Tensor, " n"] | None = None

    def balance(self, values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return `T D` applied to measurements."""
        return self._shrink_trace(values * self.row_scale)

    def balance_transpose(self, values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return `D T` applied to measurements, the transpose of `balance`."""
        return self._shrink_trace(values) * self.row_scale

    def _shrink_trace(self, values: Tensor) -> Tensor:
        u = self.trace_direction
        if u is None:
            return values
        return values - ((1 - self.trace_factor) * row_reductions.component(values, u)).unsqueeze(-1) * u


def calibrate(
    problem: Problem, fitted: Float[Tensor, " n"] | None = None, *, seed: int = 0, scale: float | None = None
) -> Calibration:
    """Return the calibration of a problem: gain, trace component and scale.

    Args:
        problem: Measurements with their weights.
        fitted: 1 for rows to fit, 0 for held-out rows, (n,); None for all.
        seed: Seed of the random probes.
        scale: `||A||_2` if it is known.

    Raises:
        InputError: If no row of positive weight is fitted, all fitted measurements are zero, or the operator has no
        gain.
    """
    operator = problem.operator
    weights = problem.weights if problem.weights is not None else torch.ones_like(problem.measurements)
    if fitted is not None:
        weights = weights * fitted
    fitting = weights > 0
    require(row_reductions.has_any(fitting), "at least one row of positive weight to fit", "none", "hold out fewer")
    require(
        row_reductions.has_any(problem.measurements[fitting] != 0),
        "measurements to fit that are not all zero",
        "zeros, wherever a row has positive weight and is not held out",
        "there is nothing to recover",
    )
    generator = torch.Generator().manual_seed(seed)
    root = weights.sqrt()
    applications = 0

    if operator.second_moment is not None:
        # Rows of a declared ensemble have the same distribution; only their mean weight matters.
        alpha = operator.second_moment[0] * row_reductions.mean(weights)
    else:
        alpha = _probe_gain(operator, root, generator)
        applications += _PROBE_COUNT

    require(
        math.isfinite(alpha) and alpha > 0,
        "an operator that measures random low-rank matrices",
        f"a mean squared gain of {alpha}",
        "check it with check_operator",
    )
    calibration = _with_traces(operator, root, alpha, applications)
    if scale is not None:
        return replace(calibration, scale=scale)
    scale, cost = _estimate_scale(problem, calibration, generator)
    return replace(calibration, scale=scale, applications=calibration.applications + cost)


def _with_traces(operator: Operator, root: Tensor, alpha: float, applications: int) -> Calibration:
    """Return the calibration of scale 1, with the trace component if it is large.

    Args:
        operator: Operator `M`.
        root: Square roots of the weights, (n,).
        alpha: Mean squared gain.
        applications: Applications so far.
    """
    scale = root / alpha**0.5
    if not operator.kind.is_symmetric or not (operator.second_moment is None or operator.second_moment[1] > 0):
        return Calibration(scale, None, 1.0, 1.0, applications)
    traces = operator.traces()
    excess = float(row_reductions.squared_norm(root * traces)) / (operator.shape[0] * alpha)
    if excess <= _TRACE_EXCESS:
        return Calibration(scale, None, 1.0, 1.0, applications + 1)
    u = root * traces / row_reductions.norm(root * traces)
    return Calibration(scale, u, excess**-0.5, 1.0, applications + 1, traces)


def _probe_gain(operator: Operator, root: Tensor, generator: torch.Generator) -> float:
    """Return the mean of `||D M(Z)||^2 / ||Z||^2` over random low-rank `Z`, of zero trace for symmetric kinds."""
    m1, m2 = operator.shape
    rank = min(_PROBE_RANK, m1, m2)
    signs = torch.ones(rank, dtype=operator.dtype, device=operator.device)
    signs[1::2] = -1
    signs[rank - rank % 2 :] = 0 if rank > 1 else 1
    Theta = torch.diag(signs).expand(_PROBE_COUNT, rank, rank)

    def frame(rows: int) -> Tensor:
        return haar_frame(
            rows, rank, batch=(_PROBE_COUNT,), generator=generator, dtype=operator.dtype, device=operator.device
        )

    X = frame(m1)
    probes = LowRank(X, Theta, None if operator.kind.is_symmetric else frame(m2))
    gains = row_reductions.squared_norm(root * operator.measure(probes)) / probes.norm().square()
    return float(gains.mean())


def _estimate_scale(problem: Problem, calibration: Calibration, generator: torch.Generator) -> tuple[float, int]:
    """Return an estimate of `||A||_2` and its cost, by a block power method on the back-projection of `y`.

    It is at most the estimate of the Frobenius norm.
    """
    operator = problem.operator
    balanced = calibration.balance(problem.measurements)
    v = calibration.balance_transpose(balanced)
    width = min(_SCALE_WIDTH, *operator.shape)
    V = haar_frame(operator.shape[1], width, generator=generator, dtype=operator.dtype, device=operator.device)
    applications = 0
    for _ in range(_SCALE_STEPS):
        V = orthonormal_factor(V)
        V = operator.adjoint_times(v, V)
        applications += 1
        if not operator.kind.is_symmetric:
            V = operator.adjoint_transpose_times(v, orthonormal_factor(V))
            applications += 1
    spectral = float(torch.linalg.matrix_norm(V, 2))
    frobenius = float(row_reductions.norm(balanced))
    return min(spectral, frobenius), applications
