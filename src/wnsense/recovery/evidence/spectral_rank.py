"""Rank that a spectrum shows, and directions that the back-projected residual shows."""

import math

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import orthonormal_factor, random_normal, symmetric_part
from wnsense.sensing import row_reductions
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.solvers.objective import Evaluation, SensingObjective

# Steps of the block power method: at least this many, then until its norm grows by no more than this share. A large
# random block has a small part in one direction at first; an early stop would return noise.
_LEAST_POWER_STEPS, _MOST_POWER_STEPS = 3, 30
_POWER_GROWTH = 0.1
# Clipping level of residuals, in root mean squares.
_OUTLYING = 3.0


def back_projection_level(operator: Operator, fitted: int) -> float:
    """Return the noise level of the back-projected residual, per unit norm of the residual: about `2 sqrt(m / n)`.

    It is the spectral norm of the back-projection of a vector of unit norm with random signs. Real symmetric matrices
    have half the degrees of freedom of others of their size.

    Args:
        operator: Operator `M`.
        fitted: Number of fitted rows `n`.
    """
    sides = sum(operator.shape) / (1 if operator.is_complex or not operator.kind.is_symmetric else 2)
    return 2 * math.sqrt(sides / fitted)


def missing_negative_part(objective: SensingObjective, at: Evaluation, fitted: int, *, seed: int) -> tuple[float, int]:
    """Return the size of the most negative eigenvalue that a psd point leaves unexplained, and its cost.

    The size is relative to the point's largest eigenvalue. It is 0 if the eigenvalue is within 1.5 times the noise
    level of the back-projected residual, since noise comes close to that level.

    Args:
        objective: Objective of the fitted rows, of a symmetric kind.
        at: Evaluation of the point.
        fitted: Number of fitted rows.
        seed: Seed of the power method.
    """
    balanced = objective.calibration.balance(at.residual)
    unexplained, cost = _dominant_part(objective, balanced, 1, seed)
    lowest = -float(unexplained.eigenvalues().min())
    misfit = float(row_reductions.norm(balanced))
    threshold = 1.5 * back_projection_level(objective.problem.operator, fitted) * misfit
    largest = float(at.point.singular_values().max())
    return (lowest / largest if lowest > threshold and largest > 0 else 0.0), cost


def largest_rank(operator: Operator, limit: float) -> int:
    """Return the largest rank with degrees of freedom up to a limit, or 0 if rank 1 has more."""
    rank = 0
    while rank < min(operator.shape) and operator.degrees_of_freedom(rank + 1) <= limit:
        rank += 1
    return rank


def significant_rank(matrix: LowRank, level: float) -> int:
    """Return the number of singular values above a level relative to the Frobenius norm; at least 1."""
    return max(1, int((matrix.singular_values() > level * matrix.norm()).sum()))


def least_share(matrix: LowRank) -> float:
    """Return the least singular value over the Frobenius norm, 0 for the zero matrix."""
    norm = float(matrix.norm())
    return float(matrix.singular_values().min()) / norm if norm > 0 else 0.0


def residual_directions(
    objective: SensingObjective, residual: Float[Tensor, " n"], width: int, *, seed: int
) -> tuple[LowRank, int]:
    """Return the dominant part of `-R`, the back-projected residual, of a given width, and its cost in applications.

    Among matrices of that rank it is the direction of steepest descent: what to add to a point whose rank shall grow.
    For kind psd only the positive part is returned. At the matrix 0 it is the spectral start.

    Args:
        objective: Objective of the fitted rows.
        residual: Residual `M(Z) - y/s`, (n,); `-y/s` at the matrix 0.
        width: Number of directions.
        seed: Seed of the power method.
    """
    balanced = objective.calibration.balance(residual)
    # A few large rows, as in quadratic measurements, would dominate the result (truncated spectral start: Chen and
    # Candes, arXiv 1505.05114).
    limit = _OUTLYING * row_reductions.norm(balanced) / max(row_reductions.count(balanced != 0), 1) ** 0.5
    dominant, cost = _dominant_part(objective, balanced.clamp(-limit, limit), width, seed)
    if objective.kind is Kind.PSD:
        dominant = dominant.positive_part()
    return dominant.truncate(min(width, dominant.width)), cost


def _dominant_part(
    objective: SensingObjective, balanced: Float[Tensor, " n"], width: int, seed: int
) -> tuple[LowRank, int]:
    """Return the dominant part of `-R` for a balanced residual, with a few surplus columns, and its cost.

    The surplus columns make the power method converge on the requested ones.
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
    """Return the dominant part of a rectangular `R`, near `U V^H` for orthonormal `U` and `V = R^H U`."""
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
