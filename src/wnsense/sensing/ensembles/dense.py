"""Measurements stored as numbers, one packed row each: given matrices, or drawn ones."""

import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from wnsense.atomic import write_chunks
from wnsense.checks import InputError, require, size_text
from wnsense.linalg import Dtype, Place, Rng, random_normal
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.given_numbers import NumbersLike, floating_tensor, real_tensor
from wnsense.sensing.kinds import Kind
from wnsense.sensing.space import Size, Space, require_precision, sides
from wnsense.sensing.tensor_fields import require_tensors

# Numbers in a block of rows, which bounds the scratch memory of packing.
_BLOCK_ENTRIES = 2**24


@dataclass(frozen=True)
class DenseSensing(PackedSensing):
    """Measurements `y_i = scale Re <M_i, Z>` with every `M_i` stored packed (`Kind.pack`).

    Packed rows take half the memory of full symmetric matrices. They may be stored in less precision than the unknown
    has. Each stored number is then used exactly as it is, and products and sums have the unknown's precision.

    Attributes:
        rows: Packed measurement matrices, (n, d), real: float64, float32, bfloat16 or float16.
        space: Space of the unknown; its real dtype is that of all sums.
        second_moment: See `Operator`.
        scale: Factor of each row.
    """

    rows: Float[Tensor, "n d"]
    space: Space
    second_moment: tuple[float, float] | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the number and the length of the rows, and their precision, against the space."""
        require_tensors("DenseSensing.from_matrices", self.space, self.rows)
        n, length = self.rows.shape
        require(n > 0, "at least one measurement", "none")
        space, stored = self.space, self.rows.dtype
        require(length == space.dimension, f"{space.dimension} numbers in a packed {space.kind} measurement", length)
        require(
            stored.itemsize <= space.real_dtype.itemsize,
            f"rows of at most the unknown's precision, {space.real_dtype}",
            stored,
            "round them with .to(...), or ask for a higher precision",
        )

    @classmethod
    def from_rows(
        cls,
        rows: NumbersLike,
        size: Size,
        kind: str = "psd",
        *,
        second_moment: tuple[float, float] | None = None,
        scale: float = 1.0,
        precision: Dtype = None,
    ) -> "DenseSensing":
        """Take packed rows; rectangular unknowns are complex if a row has two numbers for each entry.

        Args:
            rows: Packed measurement matrices (`Kind.pack`), (n, d).
            size: Side `m`, or `(m1, m2)` for a rectangular unknown.
            kind: Kind of the unknown.
            second_moment: See `Operator`.
            scale: Factor of each row.
            precision: Real dtype of the unknown and of all sums; that of the rows by default, float32 for the half
                precisions.

        Raises:
            InputError: If the length of the rows does not fit the size, or they have more than the precision.
        """
        kind, numbers = Kind(kind), real_tensor("the rows", rows)
        require(numbers.dim() == 2, "packed rows of size n x d", size_text(numbers.shape))
        m1, m2 = sides(size)
        is_complex = kind is Kind.HERMITIAN or (kind is Kind.RECTANGULAR and numbers.shape[1] == 2 * m1 * m2)
        real = precision or (torch.float32 if numbers.dtype.itemsize == 2 else numbers.dtype)
        require_precision(real)
        space = Space.from_size((m1, m2), kind, real.to_complex() if is_complex else real, numbers.device)
        return cls(numbers, space, second_moment, scale)

    @classmethod
    def from_npy(
        cls, path: Path | str, size: Size, *, kind: str = "psd", scale: float = 1.0, precision: Dtype = None
    ) -> "DenseSensing":
        """Stream packed rows from a NumPy `.npy` file, which may be larger than memory: it is mapped, never loaded.

        Args:
            path: Path of an array (n, d) of float64 or float32, in C order, as `store_rows` writes it.
            size: Side `m`, or `(m1, m2)` for a rectangular unknown.
            kind: Kind of the unknown.
            scale: Factor of each row.
            precision: Real dtype of the unknown; that of the file by default.

        Raises:
            InputError: If there is no such file, or it holds something else.
        """
        try:
            # Copy on write: nothing here writes, and torch takes writable memory only.
            array = np.load(path, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"needed packed rows in a NumPy .npy file at {path}, got {_first_line(error)}") from error
        content = f"{array.dtype} of size {size_text(array.shape)}" + (
            "" if array.flags.c_contiguous else ", Fortran order"
        )
        right = array.ndim == 2 and array.dtype in {np.dtype(np.float64), np.dtype(np.float32)}
        require(right and array.flags.c_contiguous, f"(n, d) float64 or float32 rows in C order at {path}", content)
        return cls.from_rows(torch.from_numpy(array), size, kind, scale=scale, precision=precision)

    @classmethod
    def from_matrices(cls, matrices: NumbersLike, kind: str = "psd") -> "DenseSensing":
        """Return the operator of given matrices: `y_i = Re <M_i, Z>`, not normalized.

        For the symmetric kinds each matrix is replaced by its symmetric (Hermitian) part, which changes no measurement
        of a symmetric unknown.

        Args:
            matrices: Matrices `M_i`, (n, m1, m2), as an array, a list or a tensor; integers become double precision.
            kind: Kind of the unknown.

        Raises:
            InputError: If the matrices are not square and the kind is, or their dtype does not suit it.
        """
        kind, given = Kind(kind), floating_tensor("the matrices", matrices)
        require(given.dim() == 3, "matrices of size n x m1 x m2", size_text(given.shape))
        n, m1, m2 = given.shape
        if kind.is_symmetric:
            require(m1 == m2, f"square matrices for kind {kind}", f"{m1} x {m2}", "say kind='rectangular' otherwise")
        if kind is Kind.HERMITIAN and not given.is_complex():
            given = given.to(given.dtype.to_complex())
        space = Space.from_size((m1, m2), kind, given.dtype, given.device)
        rows = torch.empty((n, space.dimension), dtype=space.real_dtype, device=space.device)
        step = max(1, _BLOCK_ENTRIES // (m1 * m2))
        for start in range(0, n, step):
            block = given[start : start + step]
            rows[start : start + step] = kind.pack((block + block.mH) / 2 if kind.is_symmetric else block)
        return cls(rows, space)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "DenseSensing":
        """Return the operator of some rows, copied; no law is declared."""
        return DenseSensing(self.rows[rows], self.space, None, self.scale)

    @cached_property
    def count(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def _whole(self) -> Float[Tensor, "n d"] | None:
        return self.rows if self.rows.dtype == self.real_dtype else None

    def packed_rows(self, start: int, stop: int) -> Float[Tensor, "b d"]:
        """Return the rows from start to stop in the precision of the unknown, unscaled."""
        return self.rows[start:stop].to(self.real_dtype)

    def _kernel_rows(self) -> Shaped[Tensor, "n w"] | None:
        if not self.rows.is_contiguous() or self.rows.dtype == torch.float16:
            return None
        return self.rows.view(torch.uint16) if self.rows.dtype == torch.bfloat16 else self.rows


class GaussianSensing(DenseSensing):
    """Gaussian ensemble: i.i.d. normal entries in packed coordinates, `E ||M(Z)||^2 = ||Z||_F^2`.

    For real symmetric unknowns that is `M_i = sym(G_i) / sqrt(n)` with standard normal `G_i` (arXiv 2510.01175, section
    2).
    """

    @classmethod
    def draw(
        cls,
        n: int,
        size: Size,
        *,
        storage: Dtype = None,
        kind: str = "psd",
        generator: Rng = None,
        dtype: Dtype = None,
        device: Place = "cpu",
    ) -> "GaussianSensing":
        """Draw the operator; memory holds the stored rows and one block, never more.

        Args:
            n: Number of measurements.
            size: Side `m`, or `(m1, m2)` for a rectangular unknown.
            storage: Real dtype of the stored entries, which are rounded to it; that of the unknown by default. With
                bfloat16 the rows take a quarter of the memory of double precision.
            kind: Kind of the unknown.
            generator: Source of randomness.
            dtype: Dtype of the unknown; by default double precision, complex for kind hermitian.
            device: Device of the data.

        Raises:
            InputError: If n or the size is not positive, or a symmetric kind has two different sides.
        """
        space = Space.from_size(size, kind, dtype, device)
        require(n >= 1, "at least one measurement", n)
        precision, length = space.real_dtype, space.dimension
        if storage in {None, precision} and space.device.type == "cpu":
            rows = random_normal((n, length), generator=generator, dtype=precision, device=space.device)
            return cls(rows.div_(math.sqrt(n)), space, second_moment=(1.0, 0.0))
        rows = torch.empty((n, length), dtype=storage or precision, device=space.device)
        step = max(1, _BLOCK_ENTRIES // length)
        for start in range(0, n, step):
            count = min(step, n - start)
            block = random_normal((count, length), generator=generator, dtype=precision, device="cpu")
            rows[start : start + count] = block.to(space.device)
        # Rounding comes before scaling: so the factor is exact, and the entries are standard normal to their precision.
        return cls(rows, space, second_moment=(1.0, 0.0), scale=1 / math.sqrt(n))


def store_rows(operator: PackedSensing, path: Path | str) -> None:
    """Write an operator's rows, unscaled, block by block into a `.npy` file that `DenseSensing.from_npy` streams.

    The file is written completely or not at all.

    Raises:
        InputError: If the file cannot be written or the disk is full.
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


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
