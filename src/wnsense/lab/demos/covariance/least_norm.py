"""Minimum-norm least squares: the smallest matrix that explains the measurements, of any rank."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing

_ROWS = 5000


@dataclass(frozen=True)
class MinimumNormStep:
    """One step of conjugate gradients for the minimum-norm matrix.

    Attributes:
        matrix: Dense symmetric matrix after the step.
        residual: Relative residual `||M(Z) - y|| / ||y||`.
        applications: Number of applications of `M` and `M*` so far.
    """

    matrix: Float[Tensor, "m m"]
    residual: float
    applications: int


def minimum_norm(
    operator: PairedRankOneSensing,
    measurements: Float[Tensor, " n"],
    *,
    tolerance: float,
    max_steps: int,
) -> Iterator[MinimumNormStep]:
    """Yield the steps of conjugate gradients on `M M*(v) = y` for `Z = M*(v)`; a step costs 2 applications.

    `Z` tends to the smallest matrix with `M(Z) = y`. For a real symmetric `Z`, `a^T Z a - b^T Z b` equals
    `(a - b)^T Z (a + b)`, which takes one dense product instead of two.

    Args:
        operator: Operator `M` with real vectors.
        measurements: Measurements `y`.
        tolerance: Relative residual at which to stop.
        max_steps: Largest number of steps.

    Raises:
        InputError: If the vectors are complex.
    """
    require(not operator.is_complex, "real vectors", operator.dtype)
    matrix = measurements.new_zeros(operator.shape)
    residual = measurements.clone()
    direction = residual.clone()
    squared = first = float(residual.square().sum())
    for step in range(1, max_steps + 1):
        image = _adjoint(operator, direction)
        length = squared / float(image.square().sum())
        matrix = matrix + length * image
        residual = residual - length * _measure(operator, image)
        previous, squared = squared, float(residual.square().sum())
        reached = (squared / first) ** 0.5
        yield MinimumNormStep(matrix, reached, 2 * step)
        if reached <= tolerance:
            return
        direction = residual + (squared / previous) * direction


def _measure(operator: PairedRankOneSensing, Z: Tensor) -> Tensor:
    return torch.cat([((left @ Z) * right).sum(-1) for left, right, _ in _bilinear(operator)])


def _adjoint(operator: PairedRankOneSensing, v: Tensor) -> Tensor:
    Z = v.new_zeros(operator.shape)
    for left, right, rows in _bilinear(operator):
        Z += left.mT @ (v[rows].unsqueeze(-1) * right)
    return (Z + Z.mT) / 2


def _bilinear(operator: PairedRankOneSensing) -> Iterator[tuple[Tensor, Tensor, slice]]:
    """Yield blocks of `a - b` and `a + b`; all rows at once would take as much memory as the vectors."""
    for first in range(0, operator.count, _ROWS):
        rows = slice(first, first + _ROWS)
        plus, minus = operator.vectors[rows], operator.vectors_minus[rows]
        yield plus - minus, plus + minus, rows
