"""Lower bound on the restricted isometry constant of an operator.

The constant `delta_r` is a supremum over all matrices of rank `r`; only some of them are tried here. A small bound does
not show that the operator has a restricted isometry property. A large one shows that it does not have it with a smaller
`delta`. Random matrices alone give weak bounds. Example: 2,000 Gaussian measurements of 30 x 30 symmetric matrices. 20
random matrices of rank 3 give 0.08, ten steps of the search 0.43, and a hundred steps 0.53.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_finite, require_rank, require_size
from wnsense.linalg import Rng, haar_frame, random_normal, symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator, RowDual


@dataclass(frozen=True)
class IsometryBound:
    """Smallest and largest ratio `||M(Z)||^2 / (gain ||Z||_F^2)` of the tried matrices, and the bound that they give.

    Attributes:
        delta: LOWER bound `max(1 - least, greatest - 1)` on the restricted isometry constant of this rank, of
            `M / sqrt(gain)`.
        least: Smallest ratio.
        greatest: Largest ratio.
        sampled: Bound before the search.
        lowest: Matrix of unit norm with the smallest ratio.
        highest: Matrix of unit norm with the largest ratio.
        rank: Largest rank of the tried matrices.
        gain: Divisor of `||M(Z)||^2 / ||Z||_F^2`.
        applications: Number of applications of `M` and `M*`.
    """

    delta: float
    least: float
    greatest: float
    sampled: float
    lowest: LowRank
    highest: LowRank
    rank: int
    gain: float
    applications: int


def isometry_bound(
    operator: Operator,
    rank: int,
    *,
    samples: int = 20,
    given: Sequence[LowRank] = (),
    steps: int = 10,
    starts: int = 4,
    gain: float | None = None,
    generator: Rng = None,
) -> IsometryBound:
    """Return a lower bound on `delta_r`, the largest `| ||M(Z)||^2 / (gain ||Z||^2) - 1 |` over matrices of rank `r`.

    Random matrices of the rank (Haar frames, normal core) and given ones are measured, one application each. Projected
    gradient steps on the ratio then start from the `starts` lowest and the `starts` highest of all. A step goes along
    the tangent space of the matrices of rank `r` and is truncated to rank `r`; a step without progress is undone and
    halved. Each start costs two applications a step and two more. No full matrix is formed.

    Args:
        operator: Operator `M`.
        rank: Rank `r`; Theorem 3.2 of arXiv 2510.01175 needs `r + r_A + 1` of the model's and the true rank.
        samples: Number of random matrices.
        given: Matrices of at most this width, such as errors of iterates, of any size but zero; a batch is many.
        steps: Number of steps of the search; 0 for none.
        starts: Number of matrices at either end from which the search starts.
        gain: Value of `||M(Z)||^2 / ||Z||^2` for an isometry. By default `alpha` if the operator's second moment is
            `alpha` times the identity, otherwise the mean over the random matrices.
        generator: Source of randomness.

    Raises:
        InputError: If a number is out of range, a given matrix is zero, too wide or not of the operator's kind, or
            there is no matrix at all.
    """
    require_rank("the rank", rank, min(operator.shape))
    require(samples >= 0 and steps >= 0, "samples and steps of at least 0", f"{samples} and {steps}")
    require(starts >= 1, "at least 1 start", starts)
    tried = [_drawn(operator, rank, samples, generator)] if samples else []
    tried += [_prepared(matrix, rank, operator) for matrix in given]
    require(tried, "random matrices or given ones", "none of either", "ask for samples=20")
    points = _joined(tried)
    ratios = operator.measure(points).square().sum(-1)
    applications = len(ratios)
    gain = _gain(operator, ratios[:samples], gain)
    order = ratios.argsort(stable=True)
    low, high = order[:starts], order.flip(0)[:starts]
    lowest, least = _extreme(operator, _picked(points, low), ratios[low], -1.0, steps)
    highest, greatest = _extreme(operator, _picked(points, high), ratios[high], 1.0, steps)
    applications += 2 * (steps + 1) * (len(low) + len(high)) if steps else 0
    least, greatest = least / gain, greatest / gain
    sampled = max(1 - float(ratios.min()) / gain, float(ratios.max()) / gain - 1)
    delta = max(1 - least, greatest - 1)
    return IsometryBound(delta, least, greatest, sampled, lowest, highest, rank, gain, applications)


def _extreme(
    operator: Operator, best: LowRank, values: Float[Tensor, " b"], sign: float, steps: int
) -> tuple[LowRank, float]:
    """Return the matrix of the largest (sign 1) or smallest (-1) `||M(Z)||^2` after a search from several starts."""
    if steps:
        best, values = _search(operator, best, sign, steps)
    at = (sign * values).argmax()
    return _picked(best, at), float(values[at])


def _gain(operator: Operator, ratios: Tensor, gain: float | None) -> float:
    if gain is None and operator.second_moment is not None and operator.second_moment[1] == 0:
        gain = operator.second_moment[0]
    if gain is None:
        require(len(ratios), "a gain, or random matrices to find it by", "neither", "ask for samples=20")
        gain = float(ratios.mean())
    require(gain > 0, "a positive gain", gain)
    return gain


def _drawn(operator: Operator, rank: int, samples: int, generator: Rng) -> LowRank:
    dtype, device = operator.dtype, operator.device
    core = random_normal((samples, rank, rank), generator=generator, dtype=dtype, device=device)

    def frame(rows: int) -> Tensor:
        return haar_frame(rows, rank, batch=(samples,), generator=generator, dtype=dtype, device=device)

    if operator.kind.is_symmetric:
        return _unit(LowRank(frame(operator.shape[0]), symmetric_part(core)).truncate(rank))
    return _unit(LowRank(frame(operator.shape[0]), core, frame(operator.shape[1])).truncate(rank))


def _prepared(matrix: LowRank, rank: int, operator: Operator) -> LowRank:
    """Return a given matrix with one batch dimension, exactly `rank` orthonormal columns and unit norm."""
    require_size("a given matrix", matrix.shape, operator.shape)
    require(
        max(matrix.width, matrix.right.shape[-1]) <= rank,
        f"given matrices of a width of at most {rank}",
        matrix.width,
        "ask for a larger rank",
    )
    size = matrix.norm()
    require_finite("a given matrix", size)
    require((size > 0).all(), "given matrices that are not zero", "one that is")
    Theta = torch.nn.functional.pad(matrix.Theta, (0, rank - matrix.right.shape[-1], 0, rank - matrix.width))
    Y = None if matrix.Y is None else _padded(matrix.Y, rank)
    return _unit(LowRank(_padded(matrix.X, rank), Theta.reshape(-1, rank, rank), Y).truncate(rank))


def _padded(A: Tensor, columns: int) -> Tensor:
    return torch.nn.functional.pad(A, (0, columns - A.shape[-1])).reshape(-1, A.shape[-2], columns)


def _unit(matrix: LowRank) -> LowRank:
    return matrix.scaled(1 / matrix.norm())


def _joined(matrices: list[LowRank]) -> LowRank:
    Y = None if matrices[0].Y is None else torch.cat([A.right for A in matrices])
    return LowRank(torch.cat([A.X for A in matrices]), torch.cat([A.Theta for A in matrices]), Y)


def _picked(matrices: LowRank, rows: Tensor) -> LowRank:
    return LowRank(matrices.X[rows], matrices.Theta[rows], None if matrices.Y is None else matrices.Y[rows])


def _search(operator: Operator, points: LowRank, sign: float, steps: int) -> tuple[LowRank, Float[Tensor, " b"]]:
    """Return matrices of unit norm with a larger (sign 1) or smaller (-1) `||M(Z)||^2`, and these values."""
    values, direction = _climb(operator, points)
    size = torch.ones_like(values)
    for _ in range(steps):
        # The first length, 1, is a step of the power method on the tangent space.
        trial = _unit(points.plus(direction.scaled(sign * size / values)).truncate(points.width))
        reached, onwards = _climb(operator, trial)
        better = sign * reached > sign * values
        points, direction = _select(better, trial, points), _select(better, onwards, direction)
        values = torch.where(better, reached, values)
        size = torch.where(better, 1.5 * size, size / 2)
    return points, values


def _climb(operator: Operator, points: LowRank) -> tuple[Float[Tensor, " b"], LowRank]:
    """Return `||M(Z)||^2` for `Z` of unit norm, and half its gradient on the sphere, projected onto the tangent space.

    With `W = M*M(Z) Y`, `V = M*M(Z)^H X` and `K = X^H W` the gradient is
    `X (K - ratio S) Y^H + (W - X K) Y^H + X (V - Y K^H)^H`.
    """
    identity = RowDual(torch.ones(operator.count, dtype=operator.real_dtype, device=operator.device))
    back = operator.pull_back(points, identity)
    ratio = back.measurements.square().sum(-1)
    X, K = points.X, points.X.mH @ back.left
    if points.is_symmetric:
        K = symmetric_part(K)
    unit = torch.eye(points.width, dtype=points.dtype, device=points.X.device).expand_as(K)
    inner = K - ratio[:, None, None] * points.Theta
    Theta = torch.cat([torch.cat([inner, unit], -1), torch.cat([unit, torch.zeros_like(unit)], -1)], -2)
    left = torch.cat([X, back.left - X @ K], -1)
    if points.Y is None or back.right is None:
        return ratio, LowRank(left, Theta)
    return ratio, LowRank(left, Theta, torch.cat([points.Y, back.right - points.Y @ K.mH], -1))


def _select(rows: Tensor, first: LowRank, second: LowRank) -> LowRank:
    """Return the first matrix where `rows` is True, the second elsewhere."""
    mask = rows[:, None, None]
    Y = None if first.Y is None else torch.where(mask, first.right, second.right)
    return LowRank(torch.where(mask, first.X, second.X), torch.where(mask, first.Theta, second.Theta), Y)
