"""The rank that a spectrum shows, and the ranks that measurements can decide on."""

import math

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import orthonormal_factor, random_normal, symmetric_part
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.solvers.objective import Evaluation, SensingObjective

# Steps of the block power method: at least so many, then until the norm that it finds grows by no more than this part.
# A large random block sees little of one direction at first; stopping early would hand over noise.
_LEAST_POWER_STEPS, _MOST_POWER_STEPS = 3, 30
_POWER_GROWTH = 0.1
# Where a model has nearly as many degrees of freedom as there are rows, all directions are hardly felt.
_MOST_SPREAD = 0.9
# In root mean squares.
_OUTLYING = 3.0
_GAP = 8.0
# The echo of random signs comes close to its bound, and now and then exceeds it by a few hundredths.
_ECHO_MARGIN = 1.1


def back_projection_level(operator: Operator, fitted: int) -> float:
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
    threshold = back_projection_level(objective.problem.operator, fitted) * float(at.misfit)
    return max(1, int((at.point.singular_values() > threshold).sum()))


def plain_rank(objective: SensingObjective, at: Evaluation, fitted: int) -> int | None:
    """The rank that the spectrum shows by a gap which the residual cannot explain; None where there is no such gap.

    Measurements feel the tangent space of a matrix with d degrees of freedom by 1 - sqrt(d / n) at least
    (Marchenko-Pastur), so that a misfit leaves room for an error of its (1 - sqrt(d / n))^-1-fold. Singular values
    above it are the truth's (Weyl); those below may be nothing. The gap: none lies between that level and twice as
    much, and at least one lies below.

    Args:
        objective: What is fitted.
        at: The point and its residual.
        fitted: The number of rows fitted.
    """
    values = at.point.singular_values()
    freedom = objective.problem.operator.degrees_of_freedom(at.point.width)
    level = float(at.misfit) / (1 - min(math.sqrt(freedom / fitted), _MOST_SPREAD))
    rank = int((values > level).sum())
    clear = 0 < rank < len(values) and int((values > _GAP * level).sum()) == rank
    return rank if clear else None


def outstanding(objective: SensingObjective, at: Evaluation, fitted: int) -> int:
    """How many of the directions beyond a point stand out of the echo of its residual: it misses so many at least.

    What a fit of the right rank leaves lies in the tangent space, up to what is quadratic in the error; beyond the
    point's directions there is nothing but echo.

    Args:
        objective: What is fitted.
        at: The point and its residual; 0 where no probes were carried along.
        fitted: The number of rows fitted.
    """
    if at.beyond is None:
        return 0
    values = at.beyond.eigenvalues() if objective.kind is Kind.PSD else at.beyond.singular_values()
    threshold = _ECHO_MARGIN * back_projection_level(objective.problem.operator, fitted) * float(at.misfit)
    return int((values > threshold).sum())


def missing_negative_part(objective: SensingObjective, at: Evaluation, fitted: int, *, seed: int) -> tuple[float, int]:
    """How negative what a psd point leaves unexplained is, over the point's largest eigenvalue, and the cost of asking.

    0 where it does not stand out of the echo of the residual, with half as much again for safety: what noise makes
    comes close to its bound.

    Args:
        objective: What is fitted, of a symmetric kind.
        at: The point and its residual.
        fitted: The number of rows fitted.
        seed: Of the power method.
    """
    balanced = objective.calibration.balance(at.residual)
    left, cost = _dominant_part(objective, balanced, 1, seed)
    lowest = -float(left.eigenvalues().min())
    misfit = float(torch.linalg.vector_norm(balanced))
    threshold = 1.5 * back_projection_level(objective.problem.operator, fitted) * misfit
    largest = float(at.point.singular_values().max())
    return (lowest / largest if lowest > threshold and largest > 0 else 0.0), cost


def largest_rank(operator: Operator, limit: float) -> int:
    """The largest rank whose degrees of freedom are at most a limit; 0 when rank 1 has more."""
    rank = 0
    while rank < min(operator.shape) and operator.degrees_of_freedom(rank + 1) <= limit:
        rank += 1
    return rank


def significant_rank(matrix: LowRank, level: float) -> int:
    """How many singular values exceed a level relative to the Frobenius norm; at least 1."""
    return max(1, int((matrix.singular_values() > level * matrix.norm()).sum()))


def residual_directions(
    objective: SensingObjective, residual: Float[Tensor, " n"], width: int, *, seed: int
) -> tuple[LowRank, int]:
    """The dominant part of -R, the back-projected residual, of a given width, and its cost in applications.

    It is the direction in which the misfit falls fastest among matrices of that rank: what to add to a point whose rank
    is to grow. For kind psd only the positive part is kept. At the matrix 0 it is the spectral start.

    Args:
        objective: What is fitted.
        residual: M(Z) - y/s, (n,); -y/s at the matrix 0.
        width: How many directions.
        seed: Of the power method.
    """
    balanced = objective.calibration.balance(residual)
    # Where a few rows hold much, as quadratic measurements have it, they would point at themselves (truncated spectral
    # start: Chen and Candes, arXiv 1505.05114).
    limit = _OUTLYING * torch.linalg.vector_norm(balanced) / max(int((balanced != 0).sum()), 1) ** 0.5
    found, cost = _dominant_part(objective, balanced.clamp(-limit, limit), width, seed)
    if objective.kind is Kind.PSD:
        found = found.positive_part()
    return found.truncate(min(width, found.width)), cost


def _dominant_part(
    objective: SensingObjective, balanced: Float[Tensor, " n"], width: int, seed: int
) -> tuple[LowRank, int]:
    """The dominant part of -R for a balanced residual, a few columns wider than asked for, and its cost.

    Those columns make the power method converge on the ones asked for.
    """
    operator = objective.problem.operator
    v = -objective.calibration.balance_transpose(balanced)
    generator = torch.Generator().manual_seed(seed)
    columns = min(width + 4, *operator.shape)
    shape = (operator.shape[1], columns)
    V = random_normal(shape, generator=generator, dtype=operator.dtype, device=operator.device)
    if not operator.kind.is_symmetric:
        return _rectangular_dominant_part(operator, v, V)
    norm, steps = 0.0, 0
    while True:
        V = orthonormal_factor(V)
        image = operator.adjoint_times(v, V)
        quotient = symmetric_part(V.mH @ image)
        steps += 1
        before, norm = norm, float(torch.linalg.matrix_norm(quotient, 2))
        if _has_settled(steps, before, norm):
            return LowRank(V, quotient), steps
        V = image


def _rectangular_dominant_part(operator: Operator, v: Tensor, V: Inexact[Tensor, "m2 k"]) -> tuple[LowRank, int]:
    """The same for rectangular operators: orthonormal U and V = R^H U, so that R is close to U V^H."""
    norm, steps = 0.0, 0
    while True:
        U = orthonormal_factor(operator.adjoint_times(v, orthonormal_factor(V)))
        V = operator.adjoint_transpose_times(v, U)
        steps += 1
        before, norm = norm, float(torch.linalg.matrix_norm(V, 2))
        if _has_settled(steps, before, norm):
            identity = torch.eye(U.shape[-1], dtype=U.dtype, device=U.device)
            return LowRank(U, identity, V), 2 * steps


def _has_settled(steps: int, before: float, norm: float) -> bool:
    return steps >= _LEAST_POWER_STEPS and (norm <= (1 + _POWER_GROWTH) * before or steps >= _MOST_POWER_STEPS)
