"""The rank that a spectrum shows, and the ranks that measurements can decide on."""

import math

import torch
from jaxtyping import Inexact
from torch import Tensor

from wnsense.linalg import orthonormal_factor, random_normal, symmetric_part
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.solvers.objective import Evaluation, SensingObjective

_POWER_STEPS = 3


def echo_level(operator: Operator, fitted: int) -> float:
    """The spectral norm to which a residual of unit norm and random signs back-projects: about 2 sqrt(m / n).

    Real symmetric matrices have half the freedom of others of their size.

    Args:
        operator: What measures.
        fitted: n, the number of rows fitted.
    """
    sides = sum(operator.shape) / (1 if operator.is_complex or not operator.kind.is_symmetric else 2)
    return 2 * math.sqrt(sides / fitted)


def visible_rank(objective: SensingObjective, at: Evaluation, fitted: int) -> int:
    """How many singular values stand out of the echo of the residual; at least 1.

    Args:
        objective: What is fitted.
        at: The point and its residual.
        fitted: The number of rows fitted.
    """
    threshold = echo_level(objective.problem.operator, fitted) * float(at.misfit)
    return max(1, int((at.point.singular_values() > threshold).sum()))


def largest_rank(operator: Operator, limit: float) -> int:
    """The largest rank whose degrees of freedom are at most a limit; 0 when rank 1 has more."""
    rank = 0
    while rank < min(operator.shape) and operator.degrees_of_freedom(rank + 1) <= limit:
        rank += 1
    return rank


def significant_rank(matrix: LowRank, level: float) -> int:
    """How many singular values exceed a level relative to the Frobenius norm; at least 1."""
    return max(1, int((matrix.singular_values() > level * matrix.norm()).sum()))


def residual_directions(objective: SensingObjective, at: Evaluation, width: int, *, seed: int) -> tuple[LowRank, int]:
    """The dominant part of -R, the back-projected residual, of a given width, and its cost in applications.

    It is the direction in which the misfit falls fastest among matrices of that rank: what to add to a point whose rank
    is to grow. For kind psd only the positive part is kept. At the point 0 it is the spectral start.
    """
    operator = objective.problem.operator
    v = -objective.calibration.balance_transpose(at.balanced)
    generator = torch.Generator().manual_seed(seed)
    # A few more columns than asked for make the power method converge on those asked for.
    columns = min(width + 4, *operator.shape)
    shape = (operator.shape[1], columns)
    V = random_normal(shape, generator=generator, dtype=operator.dtype, device=operator.device)
    if operator.kind.is_symmetric:
        for _ in range(_POWER_STEPS):
            V = orthonormal_factor(V)
            image = operator.adjoint_times(v, V)
            previous, V = V, image
        found = LowRank(previous, symmetric_part(previous.mH @ image))
        if operator.kind is Kind.PSD:
            found = found.positive_part()
        return found.truncate(min(width, columns)), _POWER_STEPS
    U, V = _rectangular_power(operator, v, V)
    identity = torch.eye(columns, dtype=operator.dtype, device=operator.device)
    return LowRank(U, identity, V).truncate(min(width, columns)), 2 * _POWER_STEPS


def _rectangular_power(
    operator: Operator, v: Tensor, V: Inexact[Tensor, "m2 k"]
) -> tuple[Inexact[Tensor, "m1 k"], Inexact[Tensor, "m2 k"]]:
    """Orthonormal U and V = R^H U after a few steps of the power method on R = M*(v), so that R is close to U V^H."""
    U = V
    for _ in range(_POWER_STEPS):
        U = orthonormal_factor(operator.adjoint_times(v, orthonormal_factor(V)))
        V = operator.adjoint_transpose_times(v, U)
    return U, V
