"""Linear maps `A` from R^N to R^M: dense, sparse, or a cosine transform."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wnsense.checks import require, require_finite, size_text
from wnsense.sensing.ensembles.fast_transforms import discrete_cosine, inverse_discrete_cosine
from wnsense.sensing.ensembles.positions import Positions, check_indices
from wnsense.values import by_value

_PRECISIONS = frozenset({torch.float64, torch.float32})

# Numbers in a block of the identity from which a dense matrix is computed.
_BLOCK_NUMBERS = 2**22

COMPLEX_ADVICE = "stack real and imaginary parts as rows"

# Bounds beyond which squares of entries leave the range of numbers.
_SMALLEST, _LARGEST = 1e-150, 1e150


class LinearMap(ABC):
    """Linear map `A` from R^N to R^M.

    The public methods check their arguments and then call the `_private` ones, which may rely on the checks. Leading
    dimensions are a batch of vectors, treated in one pass over the data.

    Attributes:
        shape: Sides `(M, N)`.
        dtype: Dtype of the map and of all its vectors, float64 or float32.
        device: Device of its data and of its vectors.
    """

    if TYPE_CHECKING:
        # Read-only for type checkers alone: a map has a field or a property of the name.
        @property
        def shape(self) -> tuple[int, int]:
            """Sides `(M, N)`."""

        @property
        def dtype(self) -> torch.dtype:
            """Dtype of the map and of its vectors."""

        @property
        def device(self) -> torch.device:
            """Device of the map and of its vectors."""

    @abstractmethod
    def _times(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m"]:
        """Return `A x` for vectors that fit."""

    @abstractmethod
    def _transpose_times(self, v: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch n"]:
        """Return `A^T v` for vectors that fit."""

    def times(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m"]:
        """Return `A x`.

        Raises:
            InputError: If the length, the dtype or the device does not fit.
        """
        self._require_fit("a vector", x, self.shape[1])
        return self._times(x)

    def transpose_times(self, v: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch n"]:
        """Return `A^T v`.

        Raises:
            InputError: If the length, the dtype or the device does not fit.
        """
        self._require_fit("a vector of measurements", v, self.shape[0])
        return self._transpose_times(v)

    def dense(self) -> Float[Tensor, "m n"]:
        """Return `A` as a matrix of `M N` numbers, by products with the unit vectors of the shorter side."""
        M, N = self.shape
        short, product = (M, self._transpose_times) if M <= N else (N, self._times)
        out = torch.empty((short, max(M, N)), dtype=self.dtype, device=self.device)
        step = max(1, _BLOCK_NUMBERS // max(M, N))
        for start in range(0, short, step):
            stop = min(short, start + step)
            units = torch.zeros((stop - start, short), dtype=self.dtype, device=self.device)
            units[torch.arange(stop - start), torch.arange(start, stop)] = 1
            out[start:stop] = product(units)
        return out if M <= N else out.mT.contiguous()

    def _require_fit(self, name: str, x: Tensor, length: int) -> None:
        came = x.shape[-1] if x.dim() else "a single number"
        require(came == length, f"{name} of length {length}", came, f"the map is {size_text(self.shape)}")
        require(x.dtype == self.dtype, f"{name} of {self.dtype}", x.dtype, "convert it with .to(map.dtype)")
        require(x.device.type == self.device.type, f"{name} on {self.device}", x.device, "move it with .to(map.device)")


@dataclass(frozen=True)
@by_value
class DenseMap(LinearMap):
    """Map held as a matrix.

    Attributes:
        matrix: Matrix `A`, (M, N), float64 or float32, finite.
    """

    matrix: Float[Tensor, "m n"]

    def __post_init__(self) -> None:
        """Check the numbers once."""
        require_sides(*self.shape)
        require_map_precision(self.dtype)
        require_finite("the matrix", self.matrix)
        require_unit(self.matrix)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Sides `(M, N)`."""
        M, N = self.matrix.shape
        return M, N

    @cached_property
    def dtype(self) -> torch.dtype:
        """Dtype of the matrix."""
        return self.matrix.dtype

    @cached_property
    def device(self) -> torch.device:
        """Device of the matrix."""
        return self.matrix.device

    def dense(self) -> Float[Tensor, "m n"]:
        """Return the matrix itself."""
        return self.matrix

    def _times(self, x: Tensor) -> Tensor:
        return x @ self.matrix.mT

    def _transpose_times(self, v: Tensor) -> Tensor:
        return v @ self.matrix


@dataclass(frozen=True)
@by_value
class SparseMap(LinearMap):
    """Map held by its nonzeros; those of one place add up.

    Attributes:
        values: Nonzeros, (nonzeros,), float64 or float32, finite.
        rows: Row of each, (nonzeros,).
        columns: Column of each, (nonzeros,).
        shape: Sides `(M, N)`.
    """

    values: Float[Tensor, " nonzeros"]
    rows: Int[Tensor, " nonzeros"]
    columns: Int[Tensor, " nonzeros"]
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        """Check that indices lie inside and numbers are finite."""
        M, N = self.shape
        require_sides(M, N)
        require_map_precision(self.values.dtype)
        require_finite("the nonzeros of the sparse matrix", self.values)
        require_unit(self.values)
        check_indices("rows", self.rows, M)
        check_indices("columns", self.columns, N)

    @cached_property
    def dtype(self) -> torch.dtype:
        """Dtype of the nonzeros."""
        return self.values.dtype

    @cached_property
    def device(self) -> torch.device:
        """Device of the nonzeros."""
        return self.values.device

    def dense(self) -> Float[Tensor, "m n"]:
        """Return `A` as a matrix, from its nonzeros."""
        return Positions(self.rows, self.columns, self.shape).dense(self.values)

    # Each product needs the nonzeros in its own order; both orders are kept, so that no step sorts them again.
    @cached_property
    def _by_rows(self) -> tuple[Positions, Tensor]:
        order = self.rows.argsort(stable=True)
        return Positions(self.rows[order], self.columns[order], self.shape), self.values[order]

    @cached_property
    def _by_columns(self) -> tuple[Positions, Tensor]:
        order = self.columns.argsort(stable=True)
        return Positions(self.columns[order], self.rows[order], (self.shape[1], self.shape[0])), self.values[order]

    def _times(self, x: Tensor) -> Tensor:
        return _columnwise(self._by_rows, x)

    def _transpose_times(self, v: Tensor) -> Tensor:
        return _columnwise(self._by_columns, v)


def _columnwise(matrix: tuple[Positions, Tensor], x: Tensor) -> Tensor:
    """Return `S x` for a batch of vectors, as the columns of one product."""
    positions, values = matrix
    columns = x.reshape(-1, x.shape[-1]).mT.contiguous()
    return positions.times(values, columns).mT.reshape(*x.shape[:-1], positions.shape[0])


@dataclass(frozen=True)
@by_value
class PartialCosineMap(LinearMap):
    """Some rows of the orthonormal DCT-II times `sqrt(N / M)`, by an FFT; `A A^T = (N / M) I`.

    Attributes:
        frequencies: Rows, distinct, (M,).
        size: Number of columns `N`.
        dtype: float64 or float32.
    """

    frequencies: Int[Tensor, " m"]
    size: int
    dtype: torch.dtype = torch.float64

    def __post_init__(self) -> None:
        """Check that the frequencies exist and are distinct."""
        require_sides(len(self.frequencies), self.size)
        require_map_precision(self.dtype)
        check_indices("frequencies", self.frequencies, self.size)
        distinct = len(torch.unique(self.frequencies))
        require(distinct == len(self.frequencies), f"{len(self.frequencies)} distinct frequencies", distinct)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Sides `(M, N)`."""
        return len(self.frequencies), self.size

    @cached_property
    def device(self) -> torch.device:
        """Device of the frequencies."""
        return self.frequencies.device

    @property
    def _scale(self) -> float:
        return math.sqrt(self.shape[1] / self.shape[0])

    def _times(self, x: Tensor) -> Tensor:
        return discrete_cosine(x)[..., self.frequencies] * self._scale

    def _transpose_times(self, v: Tensor) -> Tensor:
        coefficients = v.new_zeros((*v.shape[:-1], self.size))
        coefficients[..., self.frequencies] = v * self._scale
        return inverse_discrete_cosine(coefficients)


def require_sides(M: int, N: int) -> None:
    """Check that both sides of a map are positive."""
    require(M >= 1 and N >= 1, "at least one measurement and one unknown", size_text((M, N)))


def require_unit(values: Tensor) -> None:
    """Check that squares of the values stay in the range of numbers."""
    # Without a copy of what may be large.
    largest = max(abs(float(end)) for end in values.aminmax()) if values.numel() else 0.0
    fits = largest == 0 or _SMALLEST < largest < _LARGEST
    needed = f"A between {_SMALLEST:g} and {_LARGEST:g} in size"
    require(fits, needed, f"{largest:.3g}", "change its unit")


def require_map_precision(dtype: torch.dtype) -> None:
    """Check that a dtype is real and has double or single precision."""
    require(dtype in _PRECISIONS, "numbers of torch.float64 or torch.float32", dtype, "convert with .double()")
