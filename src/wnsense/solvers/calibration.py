"""What a solver must know before the first step: the operator's gain, its trace component, the size of the answer."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import haar_frame, orthonormal_factor
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem

_PROBE_COUNT = 2
_PROBE_RANK = 8
_SCALE_STEPS = 3
_SCALE_WIDTH = 4
# Below this excess of the trace direction over the others, taking it apart costs more than it gains.
_TRACE_EXCESS = 3.0


@dataclass(frozen=True)
class Calibration:
    """How measurements are weighted and rotated so that solvers meet M*M close to the identity, and ||A|| close to 1.

    With D = diag(row_scale) and T = I - (1 - trace_factor) u u^T, solvers see the operator T D M. T takes the one
    direction u in which rank-one measurements answer to the trace alone, and shrinks it to the size of the others:
    exact centring would drop what it says, this keeps it.

    Attributes:
        row_scale: sqrt(weight_i) / gain for rows that are fitted, 0 for rows held out; (n,).
        trace_direction: u, (n,), unit; None where the operator has no trace component worth removing.
        trace_factor: What remains of that direction.
        scale: The estimate of ||A||_2; points in the solver are the matrix over this.
        applications: What finding all this cost.
        traces: Tr M_i of each row, weighted or not, (n,); None where there is no trace component to speak of.
    """

    row_scale: Float[Tensor, " n"]
    trace_direction: Float[Tensor, " n"] | None
    trace_factor: float
    scale: float
    applications: int
    traces: Float[Tensor, " n"] | None = None

    def balance(self, values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """T D applied to measurements."""
        return self._shrink_trace(values * self.row_scale)

    def balance_transpose(self, values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """D T, the transpose of `balance`."""
        return self._shrink_trace(values) * self.row_scale

    def _shrink_trace(self, values: Tensor) -> Tensor:
        u = self.trace_direction
        if u is None:
            return values
        return values - ((1 - self.trace_factor) * (values @ u)).unsqueeze(-1) * u


def calibrate(
    problem: Problem, fitted: Float[Tensor, " n"] | None = None, *, seed: int = 0, scale: float | None = None
) -> Calibration:
    """Find gain, trace component and scale of a problem; probes are drawn from the seed.

    Args:
        problem: The problem.
        fitted: 1 for rows that are fitted, 0 for rows held out; None for all.
        seed: Of the random probes.
        scale: ||A||_2 where it is known.
    """
    operator = problem.operator
    weights = problem.weights if problem.weights is not None else torch.ones_like(problem.measurements)
    if fitted is not None:
        weights = weights * fitted
    fitting = weights > 0
    require(bool(fitting.any()), "at least one row of positive weight to fit", "none", "hold out fewer")
    require(
        bool((problem.measurements[fitting] != 0).any()),
        "measurements to fit that are not all zero",
        "zeros, wherever a row has positive weight and is not held out",
        "there is nothing to recover",
    )
    generator = torch.Generator().manual_seed(seed)
    root = weights.sqrt()
    applications = 0

    if operator.second_moment is not None:
        # Rows of a declared ensemble are alike: what is left of the law is the weight that is left.
        alpha = operator.second_moment[0] * float(weights.mean())
    else:
        alpha = _probe_gain(operator, root, generator)
        applications += _PROBE_COUNT

    require(
        math.isfinite(alpha) and alpha > 0,
        "an operator that measures random low-rank matrices",
        f"a mean squared gain of {alpha}",
        "check it with check_operator",
    )
    u, trace_factor, traces = None, 1.0, None
    if operator.kind.is_symmetric and (operator.second_moment is None or operator.second_moment[1] > 0):
        traces = operator.traces()
        applications += 1
        excess = float((root * traces).square().sum()) / (operator.shape[0] * alpha)
        if excess > _TRACE_EXCESS:
            u, trace_factor = root * traces / torch.linalg.vector_norm(root * traces), excess**-0.5
        else:
            traces = None

    found = Calibration(root / alpha**0.5, u, trace_factor, 1.0, applications, traces)
    if scale is not None:
        return replace(found, scale=scale)
    scale, cost = _estimate_scale(problem, found, generator)
    return replace(found, scale=scale, applications=applications + cost)


def _probe_gain(operator: Operator, root: Tensor, generator: torch.Generator) -> float:
    """E ||D M(Z)||^2 / ||Z||^2 over random low-rank Z, of zero trace where they are symmetric."""
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
    gains = (root * operator.measure(probes)).square().sum(-1) / probes.norm().square()
    return float(gains.mean())


def _estimate_scale(problem: Problem, found: Calibration, generator: torch.Generator) -> tuple[float, int]:
    """||A||_2 from the back-projection of y by a block power method, at most its Frobenius estimate."""
    operator = problem.operator
    balanced = found.balance(problem.measurements)
    v = found.balance_transpose(balanced)
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
    frobenius = float(torch.linalg.vector_norm(balanced))
    return min(spectral, frobenius), applications
