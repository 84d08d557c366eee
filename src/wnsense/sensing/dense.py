"""Measurements held as numbers: one packed row each, whether a user brought them or they were drawn."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Inexact, Shaped
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import random_normal
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

# Packing whole matrices takes scratch memory; blocks of rows keep it near this many numbers.
_BLOCK_ENTRIES = 2**24


@dataclass(frozen=True)
class DenseSensing(Operator):
    """y_i = Re <M_i, Z> with every M_i stored, packed (`Kind.pack`): half the memory of full symmetric matrices.

    Attributes:
        rows: The packed measurement matrices, (n, d), real.
        shape: (m1, m2) of the unknown.
        kind: What is known of the unknown.
        second_moment: See `Operator`.
    """

    rows: Float[Tensor, "n d"]
    shape: tuple[int, int]
    kind: Kind = Kind.PSD
    second_moment: tuple[float, float] | None = None
    count: int = field(init=False)
    dtype: torch.dtype = field(init=False)
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        """Read off what the rows say, and check the packed length against the shape."""
        n, length = self.rows.shape
        require(n > 0, "at least one measurement", "none")
        square_shape(self.shape, self.kind)
        is_complex = self.kind is Kind.HERMITIAN or (
            self.kind is Kind.RECTANGULAR and length == 2 * self.shape[0] * self.shape[1]
        )
        expected = self.kind.dimension(self.shape, is_complex=is_complex)
        require(length == expected, f"{expected} numbers in a packed {self.kind} measurement", length)
        object.__setattr__(self, "count", n)
        object.__setattr__(self, "dtype", self.rows.dtype.to_complex() if is_complex else self.rows.dtype)
        object.__setattr__(self, "device", self.rows.device)

    @classmethod
    def from_matrices(cls, matrices: Shaped[Tensor, "n m1 m2"], kind: Kind | str = Kind.PSD) -> "DenseSensing":
        """Take a user's matrices as they are: y_i = Re <M_i, Z>, nothing normalized.

        For the symmetric kinds each matrix is replaced by its symmetric (Hermitian) part, which changes no
        measurement of a symmetric unknown.

        Args:
            matrices: M_i, (n, m1, m2).
            kind: What is known of the unknown.

        Raises:
            InputError: When the matrices are not square and the kind is, or their dtype does not suit it.
        """
        kind = Kind(kind)
        n, m1, m2 = matrices.shape
        require(
            matrices.is_floating_point() or matrices.is_complex(),
            "matrices of a floating-point dtype",
            matrices.dtype,
            "convert them with .double()",
        )
        if kind.is_symmetric:
            require(m1 == m2, f"square matrices for kind {kind}", f"{m1} x {m2}", "say kind='rectangular' otherwise")
        if kind is Kind.HERMITIAN and not matrices.is_complex():
            matrices = matrices.to(matrices.dtype.to_complex())
        require_complex_agrees(kind, matrices.dtype)
        length = kind.dimension((m1, m2), is_complex=matrices.is_complex())
        rows = torch.empty((n, length), dtype=matrices.real.dtype, device=matrices.device)
        step = max(1, _BLOCK_ENTRIES // (m1 * m2))
        for start in range(0, n, step):
            block = matrices[start : start + step]
            rows[start : start + step] = kind.pack((block + block.mH) / 2 if kind.is_symmetric else block)
        return cls(rows, (m1, m2), kind)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        packed = self.kind.pack(point.dense())
        if packed.dim() == 1:
            return self.rows @ packed
        return torch.unflatten((self.rows @ packed.flatten(0, -2).mT).mT, 0, packed.shape[:-1])

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        return self.kind.unpack(v @ self.rows, self.shape, is_complex=self.is_complex)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return self._adjoint(v) @ V


class GaussianSensing(DenseSensing):
    """The Gaussian ensemble: i.i.d. normal entries in packed coordinates, E ||M(Z)||^2 = ||Z||_F^2.

    For real symmetric unknowns that is M_i = sym(G_i) / sqrt(n) with standard normal G_i (arXiv 2510.01175, section 2).
    """

    @classmethod
    def draw(
        cls,
        n: int,
        size: int | tuple[int, int],
        *,
        kind: Kind | str = Kind.PSD,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "GaussianSensing":
        """Draw the operator.

        Args:
            n: The number of measurements.
            size: m, or (m1, m2) for a rectangular unknown.
            kind: What is known of the unknown.
            generator: The source of randomness.
            dtype: The dtype of the unknown, by default double precision, complex for kind hermitian.
            device: Where the data shall lie.

        Raises:
            InputError: When n or the size is not positive, or a symmetric kind is given two different sides.
        """
        kind = Kind(kind)
        shape = square_shape(size, kind)
        dtype = dtype or kind.default_dtype()
        require(n >= 1, "at least one measurement", n)
        require_complex_agrees(kind, dtype)
        length = kind.dimension(shape, is_complex=dtype.is_complex)
        rows = random_normal((n, length), generator=generator, dtype=dtype.to_real(), device=device)
        return cls(rows.div_(math.sqrt(n)), shape, kind, second_moment=(1.0, 0.0))


def square_shape(size: int | tuple[int, int], kind: Kind) -> tuple[int, int]:
    """(m, m) or (m1, m2), as the kind allows.

    Raises:
        InputError: When a side is below 1, or the sides of a symmetric kind differ.
    """
    shape = (size, size) if isinstance(size, int) else size
    require(min(shape) >= 1, "sides of at least 1", shape)
    if kind.is_symmetric:
        require(shape[0] == shape[1], f"a square shape for kind {kind}", f"{shape[0]} x {shape[1]}")
    return shape


def require_complex_agrees(kind: Kind, dtype: torch.dtype) -> None:
    """Raise `InputError` when a dtype cannot hold the kind: hermitian is complex, psd and symmetric are real."""
    if kind is Kind.HERMITIAN:
        require(dtype.is_complex, "a complex dtype for kind hermitian", dtype)
    elif kind is not Kind.RECTANGULAR:
        require(not dtype.is_complex, f"a real dtype for kind {kind}", dtype, "complex unknowns are of kind hermitian")
