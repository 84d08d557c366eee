"""Space of the unknown: kind, shape, dtype and device of matrices, and the checks that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require, require_size, size_text, value_text, whole_number
from wnsense.linalg import Dtype, Place
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank

Size: TypeAlias = int | tuple[int, int]
"""Side `m` of square matrices, or both sides `(m1, m2)`."""

_DTYPES = frozenset({torch.float64, torch.float32, torch.complex128, torch.complex64})


def sides(size: Size | Sequence[int]) -> tuple[int, int]:
    """Return both sides of a size; whole numbers of NumPy and lists are taken.

    Raises:
        InputError: If it is neither a whole number nor two of them.
    """
    if isinstance(size, (str, bytes)) or not isinstance(size, (Sequence, np.ndarray)) or np.ndim(size) == 0:
        side = whole_number("a size", size)
        return side, side
    require(len(size) == 2, "a size m or (m1, m2)", f"{len(size)} numbers")
    return whole_number("a side", size[0]), whole_number("a side", size[1])


def dtype_for(kind: Kind, dtype: Dtype) -> torch.dtype:
    """Return a dtype, or for None that of a kind by default.

    Raises:
        InputError: If it is no dtype of torch.
    """
    if dtype is None:
        return kind.default_dtype()
    require_dtype(dtype)
    return dtype


def require_dtype(dtype: object) -> None:
    """Check that a dtype is one of torch."""
    require(isinstance(dtype, torch.dtype), "a dtype of torch", value_text(dtype), "such as torch.float64")


def require_precision(dtype: torch.dtype) -> None:
    """Check that a dtype has double or single precision.

    Raises:
        InputError: If it has another.
    """
    require(dtype in _DTYPES, "a precision of float64 or float32", dtype)


@dataclass(frozen=True)
class Space:
    """Matrices of one kind, shape and dtype, on one device.

    Attributes:
        kind: Kind of the matrices.
        shape: Sides `(m1, m2)`, equal for the symmetric kinds.
        dtype: Dtype of the entries, in double or single precision: complex for kind hermitian, real for psd and
            symmetric, either for rectangular.
        device: Device of the matrices and of an operator's data.
    """

    kind: Kind
    shape: tuple[int, int]
    dtype: torch.dtype
    device: torch.device

    def __post_init__(self) -> None:
        """Check that kind, shape and dtype agree.

        Raises:
            InputError: If a side is below 1, or the sides of a symmetric kind differ. Also if the dtype does not suit
                the kind, or the precision is neither double nor single.
        """
        kind, shape, dtype = self.kind, self.shape, self.dtype
        require_dtype(dtype)
        require(min(shape) >= 1, "sides of at least 1", shape)
        if kind.is_symmetric:
            advice = "say kind='rectangular' for matrices that are not symmetric"
            require(shape[0] == shape[1], f"a square shape for kind {kind}", f"{shape[0]} x {shape[1]}", advice)
        if kind is Kind.HERMITIAN:
            require(dtype.is_complex, "a complex dtype for kind hermitian", dtype)
        elif kind.is_symmetric:
            advice = "complex unknowns are of kind hermitian"
            require(not dtype.is_complex, f"a real dtype for kind {kind}", dtype, advice)
        require_precision(dtype)

    @classmethod
    def from_size(cls, size: Size, kind: str = "psd", dtype: Dtype = None, device: Place = "cpu") -> "Space":
        """Return the space that a size and a word for the kind describe.

        Args:
            size: Side `m` of square matrices, or `(m1, m2)`.
            kind: Kind of the matrices, or its name.
            dtype: Dtype of the entries; by default double precision, complex for kind hermitian.
            device: Device of the matrices.

        Raises:
            InputError: If the parts do not agree.
        """
        kind = Kind(kind)
        shape = sides(size)
        # A tensor's device has an index: "cuda" becomes "cuda:0".
        place = torch.empty(0, device=device).device
        return cls(kind, shape, dtype_for(kind, dtype), place)

    @property
    def is_complex(self) -> bool:
        """True if the entries are complex."""
        return self.dtype.is_complex

    @property
    def real_dtype(self) -> torch.dtype:
        """Dtype of measurements: real, of the same precision."""
        return self.dtype.to_real()

    @cached_property
    def dimension(self) -> int:
        """Number of real unknowns of a full matrix."""
        return self.kind.dimension(self.shape, is_complex=self.is_complex)

    def degrees_of_freedom(self, rank: int) -> int:
        """Return the number of real parameters of a matrix of this rank."""
        return self.kind.degrees_of_freedom(self.shape, rank, is_complex=self.is_complex)

    def unpack(self, v: Float[Tensor, "*batch d"]) -> Inexact[Tensor, "*batch m1 m2"]:
        """Return the matrices whose packed vectors (`Kind.pack`) are `v`."""
        return self.kind.unpack(v, self.shape, is_complex=self.is_complex)

    def check_point(self, point: LowRank) -> None:
        """Check that a matrix belongs to the space.

        Raises:
            InputError: If its shape, dtype or symmetry is another.
        """
        require_size("the matrix to measure", point.shape, self.shape)
        require(point.dtype == self.dtype, f"a matrix of {self.dtype}", point.dtype, "convert it with .to(dtype=...)")
        if self.kind.is_symmetric:
            require(point.is_symmetric, f"a symmetric matrix (X, Theta) for kind {self.kind}", "one with a Y")

    def check_vector(self, v: Tensor, count: int) -> None:
        """Check that vectors can be measurements of matrices of the space.

        Raises:
            InputError: If their length is not `count`, or their dtype is not `real_dtype`.
        """
        advice = "torch.as_tensor(v) is one"
        require(isinstance(v, Tensor), "measurements as a tensor", value_text(v), advice)
        require_size("the vector of measurements", v.shape[-1:], (count,))
        require(v.dtype == self.real_dtype, f"measurements of {self.real_dtype}", v.dtype)

    def check_factor(self, V: Tensor, side: int) -> None:
        """Check that a factor fits one side of the matrices: 0 for rows, 1 for columns.

        Raises:
            InputError: If its number of rows is not the side, or its dtype is another.
        """
        require(isinstance(V, Tensor), "a factor as a tensor", value_text(V), "torch.as_tensor(V) is one")
        rows = self.shape[side]
        require(V.shape[-2] == rows, f"a factor of {rows} rows", V.shape[-2])
        require(V.dtype == self.dtype, f"a factor of {self.dtype}", V.dtype, "convert it with .to(...)")

    def __str__(self) -> str:
        """Kind and shape in words."""
        return f"{self.kind} {size_text(self.shape)} matrix"
