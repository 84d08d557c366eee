"""Four kinds of unknown matrix, and the packing of each into real vectors with the same inner product."""

from enum import StrEnum
from typing import Never

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import InputError
from wnsense.linalg import packed_length, smat, svec


class Kind(StrEnum):
    """Property of the unknown matrix that is given before it is measured.

    Measurements are real for each kind. HERMITIAN is complex Hermitian, of any signature. RECTANGULAR may be real or
    complex, and is measured as `y_i = Re <M_i, Z>`.
    """

    PSD = "psd"
    SYMMETRIC = "symmetric"
    HERMITIAN = "hermitian"
    RECTANGULAR = "rectangular"

    @classmethod
    def _missing_(cls, value: object) -> Never:
        """Raise `InputError` for a word that is no kind."""
        raise InputError(f"needed a kind out of {', '.join(cls)}, got {value!r}; choose one of these words")

    @property
    def is_symmetric(self) -> bool:
        """True if `Z = Z^H`, so that one frame serves both sides."""
        return self is not Kind.RECTANGULAR

    def default_dtype(self) -> torch.dtype:
        """Return the dtype of an unknown of this kind by default: double precision."""
        return torch.complex128 if self is Kind.HERMITIAN else torch.float64

    def dimension(self, shape: tuple[int, int], *, is_complex: bool) -> int:
        """Return the number of real unknowns of a full matrix of this kind."""
        if self.is_symmetric:
            return packed_length(shape[0], is_complex=is_complex)
        return shape[0] * shape[1] * (2 if is_complex else 1)

    def degrees_of_freedom(self, shape: tuple[int, int], rank: int, *, is_complex: bool) -> int:
        """Return the number of real parameters of a matrix of this kind, shape and rank.

        It is `r(2m - r + 1)/2` for real symmetric, `r(2m - r)` for Hermitian, and `r(m1 + m2 - r)` for rectangular
        matrices (twice that if complex).
        """
        m1, m2 = shape
        if self.is_symmetric:
            return rank * (2 * m1 - rank) if is_complex else rank * (2 * m1 - rank + 1) // 2
        return rank * (m1 + m2 - rank) * (2 if is_complex else 1)

    def pack(self, Z: Inexact[Tensor, "*batch m1 m2"]) -> Float[Tensor, "*batch d"]:
        """Return the matrices as real vectors with `<pack A, pack B> = Re <A, B>`.

        The vectors are those of `svec` for the symmetric kinds, and rows one after the other for rectangular.
        """
        if self.is_symmetric:
            return svec(Z)
        flat = Z.flatten(-2).resolve_conj()
        return torch.view_as_real(flat).flatten(-2) if flat.is_complex() else flat

    def unpack(
        self, v: Float[Tensor, "*batch d"], shape: tuple[int, int], *, is_complex: bool
    ) -> Inexact[Tensor, "*batch m1 m2"]:
        """Return the matrices that `pack` turns into `v`."""
        if self.is_symmetric:
            return smat(v, shape[0], is_complex=is_complex)
        if is_complex:
            v = torch.view_as_complex(torch.unflatten(v, -1, (-1, 2)).contiguous())
        return torch.unflatten(v, -1, shape)
