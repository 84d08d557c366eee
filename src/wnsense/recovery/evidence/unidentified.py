"""Part of a matrix that the measurements do not determine, read from one direction of the restricted null space.

A random direction of the null space vanishes only where all directions do. Where it is confined to a few rows and
columns, all other entries are determined.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Inexact
from torch import Tensor

from wnsense.sensing.low_rank import LowRank

# Share of the squared norm of a null direction that may lie outside of its rows and columns: the direction comes from
# conjugate gradients, and has small parts in others.
_OUTSIDE = 1e-4
# Share of the squared norm up to which a part counts as absent.
_ABSENT = 1e-6
# Rows of a symmetric direction are removed if their squared norm is at least this share of the largest one. A row that
# only meets an unidentified one has less, unless a single entry holds most of it.
_LARGEST_LINES = 0.75
# Most numbers that a message lists.
_LISTED = 8


@dataclass(frozen=True)
class Unidentified:
    """Rows and columns of the matrix whose entries the measurements do not all determine; all others are determined.

    Attributes:
        rows: Numbers of the rows, ascending from 0.
        columns: Numbers of the columns, ascending from 0; those of the rows for the symmetric kinds.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def __str__(self) -> str:
        """Return the rows and columns in words."""
        if self.rows == self.columns:
            return f"rows and columns {_numbers(self.rows)}"
        parts = [
            f"{name}s {_numbers(numbers)}" if len(numbers) > 1 else f"{name} {numbers[0]}"
            for name, numbers in (("row", self.rows), ("column", self.columns))
            if numbers
        ]
        return " and ".join(parts)


def unidentified_lines(direction: LowRank) -> Unidentified | None:
    """Return the rows and columns that a null direction is confined to, or None if it takes half of either side.

    Lines that exceed all lines of the other side are removed, until nothing is left.

    Args:
        direction: Direction of the null space, as a matrix.
    """
    rows, columns = (torch.zeros(side, dtype=torch.bool, device=direction.X.device) for side in direction.shape)
    left = total = float(direction.norm()) ** 2
    while left > _OUTSIDE * total:
        across, down = _squared_lines(direction, rows, columns)
        if direction.is_symmetric:
            largest = across >= _LARGEST_LINES * across.max()
            rows, columns = rows | largest, columns | largest
        elif float(across.max()) > float(down.max()):
            rows = rows | (across > down.max())
        else:
            columns = columns | (down >= across.max())
        if 2 * int(rows.sum()) >= len(rows) or 2 * int(columns.sum()) >= len(columns):
            return None
        left = float(_squared_lines(direction, rows, columns)[0].sum())
    return Unidentified(tuple(torch.nonzero(rows).flatten().tolist()), tuple(torch.nonzero(columns).flatten().tolist()))


def blind_spot(direction: LowRank) -> str | None:
    """Return a sentence on what the measurements see at no rank, or None if a null direction shows no such thing."""
    if direction.shape[0] == direction.shape[1]:
        size = float(direction.norm())
        ones = torch.ones(direction.shape[0], 1, dtype=direction.dtype, device=direction.X.device)
        if _is_absent(_centred(direction, ones), size):
            return (
                "they do not change if the same vector is added to all rows and all columns, as differences of entries "
                "or distances of points under a translation: centre the unknown, so that its rows sum to 0"
            )
        if not direction.is_symmetric and _is_absent(direction.plus(direction.mH), size):
            return "they are the same for the matrix and its transpose: take some that tell the two apart"
    if direction.X.is_complex() and _is_absent(direction.plus(conjugate(direction)), float(direction.norm())):
        return "they are the same for the matrix and its conjugate: take some that tell the two apart"
    return None


def conjugate(matrix: LowRank) -> LowRank:
    """Return the complex conjugate of a matrix."""
    return LowRank(matrix.X.conj(), matrix.Theta.conj(), None if matrix.Y is None else matrix.Y.conj())


def _squared_lines(
    matrix: LowRank, rows: Bool[Tensor, " m1"], columns: Bool[Tensor, " m2"]
) -> tuple[Float[Tensor, " m1"], Float[Tensor, " m2"]]:
    """Return the squared norms of the rows and of the columns, without the entries of some rows and columns."""
    left = (matrix.X @ matrix.Theta).masked_fill(rows.unsqueeze(-1), 0)
    right = matrix.right.masked_fill(columns.unsqueeze(-1), 0)
    return _squared(left, right), _squared(right, left)


def _squared(left: Inexact[Tensor, "m1 r"], right: Inexact[Tensor, "m2 r"]) -> Float[Tensor, " m1"]:
    """Return the squared norms of the rows of `left right^H`."""
    gram = right.mH @ right
    return ((left @ gram) * left.conj()).sum(-1).real.clamp(min=0)


def _centred(matrix: LowRank, ones: Tensor) -> LowRank:
    """Return the matrix with rows and columns that sum to 0."""
    X, Y = (F - ones @ (ones.mH @ F) / len(ones) for F in (matrix.X, matrix.right))
    return LowRank(X, matrix.Theta, None if matrix.is_symmetric else Y)


def _is_absent(part: LowRank, size: float) -> bool:
    return float(part.norm()) ** 2 <= _ABSENT * size**2


def _numbers(numbers: tuple[int, ...]) -> str:
    listed = ", ".join(str(number) for number in numbers[:_LISTED])
    return listed if len(numbers) <= _LISTED else f"{listed} and {len(numbers) - _LISTED} others"
