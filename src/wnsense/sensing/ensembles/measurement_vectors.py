"""Vectors that measure: their draws, their checks, and the space of the matrices that they measure."""

import torch
from torch import Tensor

from wnsense.checks import require, require_size, size_text
from wnsense.linalg import Rng, random_normal
from wnsense.sensing.given_numbers import NumbersLike, floating_tensor
from wnsense.sensing.kinds import Kind
from wnsense.sensing.space import Space


def require_quadratic(kind: Kind) -> None:
    """Check that the kind is a symmetric one, as quadratic measurements need it."""
    require(kind.is_symmetric, "a symmetric kind for quadratic measurements", str(kind))


def matrix_of_vectors(name: str, vectors: NumbersLike) -> Tensor:
    """Return vectors as the rows of a matrix, (n, m).

    Raises:
        InputError: If they are no numbers, no matrix, or have no entry.
    """
    rows = floating_tensor(name, vectors)
    require(rows.dim() == 2, f"{name} as the rows of a matrix", f"size {size_text(rows.shape)}")
    require_entries(rows)
    return rows


def require_entries(vectors: Tensor) -> None:
    """Check that vectors, (n, m), have entries."""
    require(vectors.shape[1] > 0, "vectors of at least one entry", "none")


def require_rows(name: str, rows: Tensor, size: tuple[int, ...], dtype: torch.dtype, advice: str = "") -> None:
    """Check that there are rows, and that their size and dtype are the ones of the operator."""
    require(size[0] > 0, "at least one measurement", "none")
    require_size(name, rows.shape, size, advice)
    require(rows.dtype == dtype, f"{name} of {dtype}", rows.dtype)


def require_quadratic_rows(name: str, rows: Tensor, space: Space, count: int, advice: str = "") -> None:
    """Check that a space has a symmetric kind, and that rows of vectors, or of blocks of them, fit it."""
    require_quadratic(space.kind)
    require_rows(name, rows, (count, space.shape[0], *rows.shape[2:]), space.dtype, advice)


def space_of_vectors(vectors: Tensor, kind: str) -> Space:
    """Return the space of square unknowns that vectors, (n, m), or blocks of them, (n, m, k), measure."""
    require_quadratic(Kind(kind))
    require_entries(vectors)
    return Space.from_size(vectors.shape[1], kind, vectors.dtype, vectors.device)


def draw_vectors(shape: tuple[int, ...], space: Space, generator: Rng) -> Tensor:
    """Draw vectors with independent standard normal entries of a space's dtype."""
    return random_normal(shape, generator=generator, dtype=space.dtype, device=space.device)


def require_positive(n: int, size: int) -> None:
    """Check the number of measurements and the size of a draw."""
    require(n >= 1 and size >= 1, "a positive number of measurements and size", f"{n} and {size}")


def fourth_moment(dtype: torch.dtype) -> float:
    """Return the `c` of `E (a^H Z a) a a^H = c Z + Tr(Z) I` for standard normal vectors."""
    return 1.0 if dtype.is_complex else 2.0
