"""Measurements held as numbers: one packed row each, whether a user brought them or they were drawn."""

import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Int8, Shaped, UInt8
from torch import Tensor

from wnsense.atomic import write_chunks
from wnsense.checks import InputError, require, size_text
from wnsense.linalg import random_normal
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.kinds import Kind

# Packing whole matrices takes scratch memory; blocks of rows keep it near this many numbers.
_BLOCK_ENTRIES = 2**24


@dataclass(frozen=True)
class DenseSensing(PackedSensing):
    """y_i = scale Re <M_i, Z> with every M_i stored, packed (`Kind.pack`): half the memory of full symmetric matrices.

    Rows may be stored in less precision than the unknown has: each stored number is then taken as exactly what it is,
    and products and sums are in the unknown's precision.

    Attributes:
        rows: The packed measurement matrices, (n, d), real: float64, float32, bfloat16 or float16.
        shape: (m1, m2) of the unknown.
        kind: What is known of the unknown.
        second_moment: See `Operator`.
        scale: What each row is multiplied by.
        precision: The real dtype of the unknown and of all sums; that of the rows by default, float32 for the half
            precisions.
    """

    rows: Float[Tensor, "n d"]
    shape: tuple[int, int]
    kind: Kind = Kind.PSD
    second_moment: tuple[float, float] | None = None
    scale: float = 1.0
    precision: torch.dtype | None = None
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
        stored = self.rows.dtype
        precision = self.precision or (torch.float32 if stored.itemsize == 2 else stored)
        require_precision(precision)
        require(
            stored.itemsize <= precision.itemsize,
            f"rows of at most the unknown's precision, {precision}",
            stored,
            "round them with .to(...), or ask for a higher precision",
        )
        object.__setattr__(self, "count", n)
        object.__setattr__(self, "dtype", precision.to_complex() if is_complex else precision)
        object.__setattr__(self, "device", self.rows.device)

    @classmethod
    def from_npy(
        cls,
        path: Path | str,
        size: int | tuple[int, int],
        *,
        kind: Kind | str = Kind.PSD,
        scale: float = 1.0,
        precision: torch.dtype | None = None,
    ) -> "DenseSensing":
        """Stream packed rows from a NumPy `.npy` file, which may be larger than memory: it is mapped, never loaded.

        Args:
            path: An array (n, d) of float64 or float32, in C order, as `store_rows` writes it.
            size: m, or (m1, m2) for a rectangular unknown.
            kind: What is known of the unknown.
            scale: What each row is multiplied by.
            precision: The real dtype of the unknown; that of the file by default.

        Raises:
            InputError: When there is no such file, or it holds something else.
        """
        try:
            # Copy on write: nothing here writes, and torch takes writable memory only.
            array = np.load(path, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"needed packed rows in a NumPy .npy file at {path}, got {_first_line(error)}") from error
        told = f"{array.dtype} of size {size_text(array.shape)}" + (
            "" if array.flags.c_contiguous else ", Fortran order"
        )
        right = array.ndim == 2 and array.dtype in {np.dtype(np.float64), np.dtype(np.float32)}
        require(right and array.flags.c_contiguous, f"(n, d) float64 or float32 rows in C order at {path}", told)
        return cls(torch.from_numpy(array), square_shape(size, Kind(kind)), Kind(kind), None, scale, precision)

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

    def select_rows(self, rows: Int[Tensor, " k"]) -> "DenseSensing":
        """A copy of some rows; nothing is declared of their law."""
        return DenseSensing(self.rows[rows], self.shape, self.kind, None, self.scale, self.precision)

    def _whole(self) -> Float[Tensor, "n d"] | None:
        return self.rows if self.rows.dtype == self.real_dtype else None

    def packed_rows(self, start: int, stop: int) -> Float[Tensor, "b d"]:
        """Rows start to stop in the precision of the unknown, unscaled."""
        return self.rows[start:stop].to(self.real_dtype)

    def _kernel_rows(self) -> Shaped[Tensor, "n w"] | None:
        if not self.rows.is_contiguous() or self.rows.dtype == torch.float16:
            return None
        return self.rows.view(torch.uint16) if self.rows.dtype == torch.bfloat16 else self.rows


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
        storage: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "GaussianSensing":
        """Draw the operator; at no time is there more than the stored rows and a block.

        Args:
            n: The number of measurements.
            size: m, or (m1, m2) for a rectangular unknown.
            kind: What is known of the unknown.
            generator: The source of randomness.
            dtype: The dtype of the unknown, by default double precision, complex for kind hermitian.
            storage: The real dtype that entries are rounded to and stored in, bfloat16 for a quarter of the memory of
                double precision; that of the unknown by default.
            device: Where the data shall lie.

        Raises:
            InputError: When n or the size is not positive, or a symmetric kind is given two different sides.
        """
        kind = Kind(kind)
        shape = square_shape(size, kind)
        dtype = dtype or kind.default_dtype()
        require(n >= 1, "at least one measurement", n)
        require_complex_agrees(kind, dtype)
        precision = dtype.to_real()
        length = kind.dimension(shape, is_complex=dtype.is_complex)
        if storage in {None, precision} and torch.device(device).type == "cpu":
            rows = random_normal((n, length), generator=generator, dtype=precision, device=device)
            return cls(rows.div_(math.sqrt(n)), shape, kind, second_moment=(1.0, 0.0))
        rows = torch.empty((n, length), dtype=storage or precision, device=device)
        step = max(1, _BLOCK_ENTRIES // length)
        for start in range(0, n, step):
            count = min(step, n - start)
            block = random_normal((count, length), generator=generator, dtype=precision, device="cpu")
            rows[start : start + count] = block.to(device)
        # Rounded before they are scaled: the factor is exact, the entries are standard normal to their precision.
        return cls(rows, shape, kind, second_moment=(1.0, 0.0), scale=1 / math.sqrt(n), precision=precision)


@dataclass(frozen=True)
class RademacherSensing(PackedSensing):
    """Independent signs in packed coordinates, one bit each: E ||M(Z)||^2 = ||Z||_F^2.

    For real symmetric unknowns M_i has +-1/sqrt(n) on the diagonal and +-1/sqrt(2n) off it.

    Attributes:
        bits: (n, ceil(d / 8)) of uint8; entry j of a row is bit j % 8 (lowest first) of byte j // 8, and a 1 is -1.
        shape: (m1, m2) of the unknown.
        kind: What is known of the unknown.
        unknown: The dtype of the unknown; double precision by default.
        second_moment: See `Operator`.
        scale: What each row is multiplied by.
    """

    bits: UInt8[Tensor, "n w"]
    shape: tuple[int, int]
    kind: Kind = Kind.PSD
    unknown: torch.dtype | None = None
    second_moment: tuple[float, float] | None = None
    scale: float = 1.0
    count: int = field(init=False)
    dtype: torch.dtype = field(init=False)
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        """Check the bits against the shape."""
        square_shape(self.shape, self.kind)
        dtype = self.unknown or self.kind.default_dtype()
        require_complex_agrees(self.kind, dtype)
        require(len(self.bits) > 0, "at least one measurement", "none")
        width = -(-self.kind.dimension(self.shape, is_complex=dtype.is_complex) // 8)
        require(self.bits.shape[1] == width, f"{width} bytes of signs in a {self.kind} measurement", self.bits.shape[1])
        object.__setattr__(self, "count", len(self.bits))
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "device", self.bits.device)

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
    ) -> "RademacherSensing":
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
        width = -(-kind.dimension(shape, is_complex=dtype.is_complex) // 8)
        bits = torch.randint(0, 256, (n, width), dtype=torch.uint8, generator=generator).to(device)
        return cls(bits, shape, kind, dtype, (1.0, 0.0), 1 / math.sqrt(n))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "RademacherSensing":
        """A copy of some rows; nothing is declared of their law."""
        return RademacherSensing(self.bits[rows], self.shape, self.kind, self.unknown, None, self.scale)

    def packed_rows(self, start: int, stop: int) -> Float[Tensor, "b d"]:
        """Rows start to stop as +-1 in the precision of the unknown."""
        return signs_of(self.bits[start:stop], self._length).to(self.real_dtype)

    def _kernel_rows(self) -> Shaped[Tensor, "n w"] | None:
        return self.bits if self.bits.is_contiguous() else None


def signs_of(bits: UInt8[Tensor, "b w"], length: int) -> Int8[Tensor, "b d"]:
    """Signs of packed bits, lowest first: a 1 is -1."""
    shifts = torch.arange(8, dtype=torch.uint8, device=bits.device)
    ones = (bits.unsqueeze(-1) >> shifts) & 1
    return 1 - 2 * ones.flatten(-2)[:, :length].to(torch.int8)


def store_rows(operator: PackedSensing, path: Path | str) -> None:
    """Write an operator's rows, unscaled, block by block into a `.npy` file that `DenseSensing.from_npy` streams.

    The file is complete or not there at all.

    Raises:
        InputError: When the place cannot be written or is full.
    """
    shape = (operator.count, operator.dimension)
    dtype = np.dtype(str(operator.real_dtype).removeprefix("torch."))

    def blocks() -> Iterator[bytes]:
        step = max(1, _BLOCK_ENTRIES // shape[1])
        for start in range(0, shape[0], step):
            block = operator.packed_rows(start, min(start + step, shape[0]))
            yield block.cpu().numpy().tobytes()

    header = io.BytesIO()
    np.lib.format.write_array_header_2_0(
        header, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    )
    write_chunks(Path(path), itertools.chain([header.getvalue()], blocks()))


def require_precision(precision: torch.dtype) -> None:
    """Raise `InputError` unless sums can be in this real dtype."""
    require(precision in {torch.float64, torch.float32}, "a precision of float64 or float32", precision)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


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
