"""Pure functions of linear algebra, batched over leading dimensions, real and complex."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require_memory

# Types of arguments of functions that draw or make tensors.
Rng: TypeAlias = torch.Generator | None
"""Source of randomness; None is torch's own generator."""
Dtype: TypeAlias = torch.dtype | None
"""Dtype; None is the default of the function."""
Place: TypeAlias = torch.device | str
"""Device, or its name."""

FactorizationError: type[RuntimeError] = vars(torch.linalg)["LinAlgError"]
"""Error of torch for a matrix that has no factorization, or has entries that are not finite; its stubs omit it."""

# Steps in which Higham's scaled Newton iteration reaches machine precision from any condition number in float64.
_NEWTON_STEPS = 9


def symmetric_part(A: Inexact[Tensor, "*batch m m"]) -> Inexact[Tensor, "*batch m m"]:
    """Return `(A + A^H) / 2`, the nearest Hermitian (real: symmetric) matrix."""
    return (A + A.mH) / 2


def frobenius_norm(A: Inexact[Tensor, "*batch m n"]) -> Float[Tensor, "*batch"]:
    """Return the Frobenius norm of each matrix of a batch."""
    norm: Tensor = torch.linalg.vector_norm(A, dim=(-2, -1))
    return norm


def packed_length(size: int, *, is_complex: bool) -> int:
    """Return the real dimension of the symmetric (real) or Hermitian (complex) matrices of a size."""
    return size * size if is_complex else size * (size + 1) // 2


def svec(A: Inexact[Tensor, "*batch m m"]) -> Float[Tensor, "*batch d"]:
    """Pack symmetric or Hermitian matrices into real vectors with the same inner product.

    A vector holds the upper triangle row by row, with a factor `sqrt(2)` off the diagonal. For complex matrices the
    imaginary parts of the strict upper triangle follow, in the same order and with the same factor. Only the upper
    triangle is read.

    Returns:
        Vectors with `<svec A, svec B> = Re <A, B>`; `d = m(m+1)/2`, or `m^2` for complex `A`.
    """
    places = _triangle(A.shape[-1], A.device)
    flat = A.flatten(-2).resolve_conj()
    real = (flat.real if A.is_complex() else flat).index_select(-1, places.upper) * places.factors(
        math.sqrt(2), A.real.dtype
    )
    if not A.is_complex():
        return real
    imaginary = flat.imag.index_select(-1, places.upper[places.strict])
    return torch.cat([real, imaginary * math.sqrt(2)], dim=-1)


def smat(v: Float[Tensor, "*batch d"], size: int, *, is_complex: bool = False) -> Inexact[Tensor, "*batch m m"]:
    """Return the symmetric or Hermitian matrices of a size that `svec` packs to `v`."""
    places = _triangle(size, v.device)
    count = len(places.row)
    real = (v[..., :count] * places.factors(math.sqrt(0.5), v.dtype)).index_select(-1, places.packed)
    if not is_complex:
        return torch.unflatten(real, -1, (size, size))
    imaginary = v.new_zeros((*v.shape[:-1], count))
    imaginary[..., places.strict] = v[..., count:] * math.sqrt(0.5)
    signed = imaginary.index_select(-1, places.packed) * places.signs.to(v.dtype)
    return torch.unflatten(torch.complex(real, signed), -1, (size, size))


@dataclass(frozen=True)
class _Triangle:
    """Places of the upper triangle of a square matrix, row by row.

    Attributes:
        size: Side `m` of the matrix.
        row: Rows of the places, (t,).
        column: Columns of the places, (t,).
    """

    size: int
    row: Tensor
    column: Tensor

    @cached_property
    def upper(self) -> Tensor:
        """Return the place of each number in the flat matrix, (t,)."""
        return self.row * self.size + self.column

    @cached_property
    def strict(self) -> Tensor:
        """Return the numbers that lie off the diagonal."""
        # Indices, because a mask would make the host wait for a GPU.
        above, right = torch.triu_indices(self.size, self.size, offset=1, device=self.row.device)
        return self.packed.index_select(0, above * self.size + right)

    @cached_property
    def packed(self) -> Tensor:
        """Return the number that stands at each place of the flat matrix, (m^2,)."""
        numbers = torch.zeros(self.size, self.size, dtype=torch.int64, device=self.row.device)
        numbers[self.row, self.column] = torch.arange(len(self.row), device=self.row.device)
        numbers[self.column, self.row] = numbers[self.row, self.column]
        return numbers.flatten()

    @cached_property
    def signs(self) -> Tensor:
        """Return -1 below the diagonal and 1 elsewhere, (m^2,)."""
        ones = torch.ones(self.size, self.size, dtype=torch.float64, device=self.row.device)
        return (2 * ones.triu() - ones).flatten()

    def factors(self, off_diagonal: float, dtype: torch.dtype) -> Tensor:
        """Return 1 on the diagonal and the factor off it, (t,)."""
        factors = torch.full(self.row.shape, off_diagonal, dtype=dtype, device=self.row.device)
        return torch.where(self.row == self.column, 1, factors)


# Sides up to this are kept; their places take at most 28 MB each, and finding them takes longer than packing a matrix.
_KEPT_SIDE = 1000


def _triangle(size: int, device: torch.device) -> _Triangle:
    """Return the places of the upper triangle."""
    return _kept_triangle(size, device) if size <= _KEPT_SIDE else _new_triangle(size, device)


def _new_triangle(size: int, device: torch.device) -> _Triangle:
    row, column = torch.triu_indices(size, size, device=device)
    return _Triangle(size, row, column)


_kept_triangle = lru_cache(maxsize=4)(_new_triangle)


def orthonormal_factor(A: Inexact[Tensor, "*batch m r"]) -> Inexact[Tensor, "*batch m k"]:
    """Return the `Q` of a QR factorization, made unique by a positive diagonal of `R`; `k = min(m, r)`."""
    Q, R = torch.linalg.qr(A)
    diagonal = torch.diagonal(R, dim1=-2, dim2=-1)
    signed: Tensor = Q * torch.where(diagonal == 0, 1, torch.sgn(diagonal)).unsqueeze(-2)
    return signed


def polar_factor(A: Inexact[Tensor, "*batch m r"]) -> Inexact[Tensor, "*batch m r"]:
    """Return the nearest matrix with orthonormal columns, `A (A^H A)^{-1/2}`, for `A` of full column rank.

    Returns:
        Polar factor, orthonormal to machine precision.
    """
    if A.is_cuda:
        # An SVD on a GPU makes the host wait, at every step of a solver.
        return newton_polar_factor(A)
    U, _, Vh = torch.linalg.svd(A, full_matrices=False)
    nearest: Tensor = U @ Vh
    return nearest


def newton_polar_factor(A: Inexact[Tensor, "*batch m r"]) -> Inexact[Tensor, "*batch m r"]:
    """Return the polar factor by QR and Newton's iteration on `R`, scaled.

    The scaling is Higham's (SIAM J. Sci. Stat. Comput. 7, 1986). The iteration is backward stable for any condition
    number, has a fixed cost, and needs no synchronization with the host. On a CPU it is slower than an SVD.

    Returns:
        Polar factor; NaN if `A` is rank-deficient.
    """
    Q, P = torch.linalg.qr(A)
    for _ in range(_NEWTON_STEPS):
        inverse = torch.linalg.inv_ex(P).inverse.mH
        columns = torch.linalg.matrix_norm(inverse, 1) / torch.linalg.matrix_norm(P, 1)
        rows = torch.linalg.matrix_norm(inverse, torch.inf) / torch.linalg.matrix_norm(P, torch.inf)
        # One root for each factor: the product under one root overflows, in single precision from entries of 1e10 on.
        scale = (columns.sqrt() * rows.sqrt()).sqrt()[..., None, None]
        P = (scale * P + inverse / scale) / 2
    # The scale tends to 1 only as fast as the iteration; one unscaled step removes the remaining error.
    P = (P + torch.linalg.inv_ex(P).inverse.mH) / 2
    nearest: Tensor = Q @ P
    return nearest


def random_normal(shape: tuple[int, ...], *, generator: Rng, dtype: torch.dtype, device: Place = "cpu") -> Tensor:
    """Draw standard normal entries on the generator's device, and move them to another.

    A seed so has the same result on every device. Complex entries have `E |z|^2 = 1`.

    Raises:
        InputError: If they do not fit in memory.
    """
    source = generator.device if generator is not None else torch.device("cpu")
    require_memory("random entries", shape, dtype, source, "take fewer, or an ensemble that stores less")
    return torch.randn(shape, generator=generator, dtype=dtype, device=source).to(device)


def haar_frame(
    rows: int,
    columns: int,
    *,
    batch: tuple[int, ...] = (),
    generator: Rng = None,
    dtype: torch.dtype = torch.float64,
    device: Place = "cpu",
) -> Inexact[Tensor, "*batch m r"]:
    """Draw Haar-distributed frames, the polar factors of Gaussian matrices (arXiv 2510.01175, Alg. 1)."""
    return polar_factor(random_normal((*batch, rows, columns), generator=generator, dtype=dtype, device=device))
