"""What measures a vector: a linear map A from R^N to R^M, dense, sparse, by a transform, or by functions."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import issparse, sparray, spmatrix
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from wnsense.checks import InputError, require, require_finite, require_size, size_text
from wnsense.linalg import random_normal
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.ensembles.positions import Positions, check_indices
from wnsense.sensing.ensembles.transforms import discrete_cosine, inverse_discrete_cosine
from wnsense.theory.arrays import real_array

_PRECISIONS = frozenset({torch.float64, torch.float32})

# A dense matrix is made of an identity in blocks of this many numbers.
_BLOCK_NUMBERS = 2**22

_COMPLEX_ADVICE = "stack real and imaginary parts as rows"

# Squares of entries beyond these leave the range of numbers.
_SMALLEST, _LARGEST = 1e-150, 1e150

# <A v, w> and <v, A^T w> of an operator that calculates in single precision differ by less, whatever its size; those of
# a wrong adjoint by about the lengths of A v and A^T w themselves.
_ADJOINT = 1e-3

VectorLike: TypeAlias = Tensor | np.ndarray | Sequence[float]
MatrixLike: TypeAlias = Tensor | np.ndarray | spmatrix | sparray | LinearOperator


class LinearMap(ABC):
    """A from R^N to R^M. The public methods check once and call the `_private` ones, which may trust what they get.

    Leading dimensions are a batch of vectors, treated in one pass over the data.

    Attributes:
        shape: (M, N).
        dtype: float64 or float32, of the map, of what it takes and of what it gives.
        device: Where its data lie, and where vectors must lie.
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
        """A x for vectors known to fit."""

    @abstractmethod
    def _transpose_times(self, v: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch n"]:
        """A^T v for vectors known to fit."""

    def times(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m"]:
        """A x.

        Raises:
            InputError: When the length, the dtype or the device does not fit.
        """
        self._require_fit("a vector", x, self.shape[1])
        return self._times(x)

    def transpose_times(self, v: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch n"]:
        """A^T v.

        Raises:
            InputError: When the length, the dtype or the device does not fit.
        """
        self._require_fit("a vector of measurements", v, self.shape[0])
        return self._transpose_times(v)

    def dense(self) -> Float[Tensor, "m n"]:
        """A as a matrix, by products with the shorter side's unit vectors: M N numbers."""
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
class DenseMap(LinearMap):
    """A held as a matrix.

    Attributes:
        matrix: A, (M, N), float64 or float32, finite.
    """

    matrix: Float[Tensor, "m n"]

    def __post_init__(self) -> None:
        """Check the numbers once, here."""
        _require_sides(*self.shape)
        _require_precision(self.dtype)
        require_finite("the matrix", self.matrix)
        _require_unit(self.matrix)

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
        """The matrix itself."""
        return self.matrix

    def _times(self, x: Tensor) -> Tensor:
        return x @ self.matrix.mT

    def _transpose_times(self, v: Tensor) -> Tensor:
        return v @ self.matrix


@dataclass(frozen=True)
class SparseMap(LinearMap):
    """A held by its nonzeros; places that come twice add up.

    Attributes:
        values: The nonzeros, (nonzeros,), float64 or float32, finite.
        rows: The row of each, (nonzeros,).
        columns: The column of each, (nonzeros,).
        shape: (M, N).
    """

    values: Float[Tensor, " nonzeros"]
    rows: Int[Tensor, " nonzeros"]
    columns: Int[Tensor, " nonzeros"]
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        """Check that indices lie inside and numbers are finite."""
        M, N = self.shape
        _require_sides(M, N)
        _require_precision(self.values.dtype)
        require_finite("the nonzeros of the sparse matrix", self.values)
        _require_unit(self.values)
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
        """A as a matrix, from its nonzeros."""
        return Positions(self.rows, self.columns, self.shape).dense(self.values)

    # Each product wants the nonzeros in its own order; both are kept, so that no step sorts or gathers them again.
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
    """S x for a batch of vectors, as the columns of one product."""
    positions, values = matrix
    columns = x.reshape(-1, x.shape[-1]).mT.contiguous()
    return positions.times(values, columns).mT.reshape(*x.shape[:-1], positions.shape[0])


@dataclass(frozen=True)
class PartialCosineMap(LinearMap):
    """sqrt(N / M) times chosen rows of the orthonormal DCT-II, by an FFT; A A^T = (N / M) I.

    Attributes:
        frequencies: The rows, distinct, (M,).
        size: N.
        dtype: float64 or float32.
        shape: (M, N).
        device: That of the frequencies.
    """

    frequencies: Int[Tensor, " m"]
    size: int
    dtype: torch.dtype = torch.float64

    def __post_init__(self) -> None:
        """Check that the frequencies exist and are distinct."""
        _require_sides(len(self.frequencies), self.size)
        _require_precision(self.dtype)
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


@dataclass(frozen=True)
class ScipyMap(LinearMap):
    """A SciPy `LinearOperator`, in double precision on the CPU.

    Attributes:
        operator: What multiplies; it must have `rmatvec`, the adjoint, too.
        shape: (M, N).
        dtype: float64.
        device: The CPU.
    """

    operator: LinearOperator

    dtype = torch.float64
    device = torch.device("cpu")

    def __post_init__(self) -> None:
        """Ask for one product each way, so that what is missing or wrong is told here."""
        M, N = self.shape
        _require_sides(M, N)
        # An operator may not know its dtype until it has been applied.
        kind = np.dtype(self.operator.dtype).kind if self.operator.dtype is not None else "f"
        require(kind != "c", "a real operator", f"one of dtype {self.operator.dtype}", _COMPLEX_ADVICE)
        generator = torch.Generator().manual_seed(0)
        v, w = (torch.randn(side, generator=generator, dtype=torch.float64) for side in (N, M))
        there = _asked("matvec", self._times, v)
        try:
            back = _asked("rmatvec", self._transpose_times, w)
        except (NotImplementedError, TypeError) as error:
            raise InputError(
                f"needed an operator with its adjoint, got one without ({str(error) or type(error).__name__}); "
                "give LinearOperator(..., rmatvec=...)"
            ) from error
        require(there.shape == (M,), f"a matvec that gives vectors of length {M}", size_text(there.shape))
        require(back.shape == (N,), f"an adjoint that gives vectors of length {N}", size_text(back.shape))
        _require_unit(torch.cat([there, back]))
        forth, also = float(there @ w), float(v @ back)
        allowed = _ADJOINT * float(there.norm() + back.norm())
        came = f"{forth:.4g} and {also:.4g} for random ones"
        require(abs(forth - also) <= allowed, "<A v, w> = <v, A^T w> for all v and w", came, "rmatvec is not A^T")

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Sides `(M, N)`."""
        M, N = (int(side) for side in self.operator.shape)
        return M, N

    def _times(self, x: Tensor) -> Tensor:
        return _through_scipy(self.operator.matvec, self.operator.matmat, x, self.shape[0])

    def _transpose_times(self, v: Tensor) -> Tensor:
        return _through_scipy(self.operator.rmatvec, self.operator.rmatmat, v, self.shape[1])


def _through_scipy(
    vector: Callable[[np.ndarray], np.ndarray], block: Callable[[np.ndarray], np.ndarray], x: Tensor, length: int
) -> Tensor:
    """One product, or the products of a batch as the columns of one; copied, since an operator may reuse its array."""
    if x.dim() == 1:
        return _real(vector(x.numpy())).reshape(-1)
    columns = x.reshape(-1, x.shape[-1]).mT.numpy()
    return _real(block(columns)).mT.reshape(*x.shape[:-1], length)


def _real(product: np.ndarray) -> Tensor:
    require(not np.iscomplexobj(product), "an operator that gives real numbers", product.dtype, _COMPLEX_ADVICE)
    return torch.from_numpy(np.array(product, dtype=np.float64))


def _asked(name: str, product: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A product that nobody has seen yet; SciPy says of a wrong length only that something cannot be reshaped."""
    try:
        out = product(x)
    except InputError:
        raise
    except ValueError as error:
        words = " ".join(str(error).split())
        raise InputError(
            f"needed {name} to give a vector of the operator's size, got an error for one of length {len(x)}: {words}"
        ) from error
    require_finite(f"what {name} gives", out)
    return out


def linear_map(A: LinearMap | MatrixLike) -> LinearMap:
    """A linear map from a matrix or an operator, taken as it is: nothing is normalized.

    Args:
        A: (M, N): a torch tensor, dense or in CSR or COO layout; a NumPy array; a SciPy sparse matrix or array; a SciPy
            `LinearOperator`; or a map, which is given back. Integers become double precision; float32 stays so.

    Raises:
        InputError: When it is something else, complex, masked, not of two dimensions, empty, holds NaN or infinity,
            is far from 1 in size, or when the operator's `rmatvec` is not the adjoint of its `matvec`.
    """
    if isinstance(A, LinearMap):
        return A
    if isinstance(A, Tensor):
        return _from_tensor(A)
    if issparse(A):
        return _from_scipy_sparse(A)
    if isinstance(A, LinearOperator):
        return ScipyMap(A)
    if isinstance(A, np.ndarray):
        came = "a masked array"
        require(not np.ma.is_masked(A), "a matrix whose entries are all known", came, "leave out rows, or fill it")
        require(A.dtype.kind in "biufc", "a matrix of numbers", f"an array of dtype {A.dtype}")
        # Half and extended precisions have no linear algebra of their own here; byte order and strides are NumPy's.
        narrow = A.dtype.kind != "c" and A.dtype != np.float32
        plain = A.astype(np.float64 if narrow else A.dtype.newbyteorder("="))
        return _from_tensor(torch.from_numpy(np.ascontiguousarray(plain)))
    raise InputError(
        f"needed a matrix (torch, NumPy, SciPy sparse) or a SciPy LinearOperator, got {type(A).__name__}; "
        "numpy.asarray may make one of it"
    )


def vector_for(name: str, values: VectorLike, length: int, like: LinearMap) -> Float[Tensor, " n"]:
    """Numbers as a finite vector of a map's dtype, where its data lie.

    Args:
        name: What they are.
        values: A tensor, or what NumPy can make an array of.
        length: How many there must be.
        like: The map.

    Raises:
        InputError: When they are no real numbers, of another length, NaN or infinite.
    """
    vector = values.detach() if isinstance(values, Tensor) else torch.from_numpy(real_array(name, values, 1))
    require(not vector.is_complex(), f"real numbers in {name}", vector.dtype, _COMPLEX_ADVICE)
    require_size(name, vector.shape, (length,))
    require_finite(name, vector)
    return vector.to(dtype=like.dtype, device=like.device)


def gaussian_map(
    M: int,
    N: int,
    generator: torch.Generator | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> DenseMap:
    """Independent entries N(0, 1 / M), so that columns have a norm of about 1.

    Args:
        M: The number of measurements.
        N: The number of unknowns.
        generator: The source of randomness.
        dtype: float64 or float32.
        device: Where it shall lie.

    Raises:
        InputError: When a side is not positive, or the dtype another.
    """
    _require_sides(M, N)
    _require_precision(dtype)
    return DenseMap(random_normal((M, N), generator=generator, dtype=dtype, device=device).div_(math.sqrt(M)))


def partial_cosine_map(
    M: int,
    N: int,
    generator: torch.Generator | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> PartialCosineMap:
    """M rows of the orthonormal DCT-II, drawn without replacement, times sqrt(N / M): columns have a norm of about 1.

    Args:
        M: The number of measurements, at most N.
        N: The number of unknowns.
        generator: The source of randomness.
        dtype: float64 or float32.
        device: Where it shall lie.

    Raises:
        InputError: When there are not M rows, or the dtype is another.
    """
    _require_sides(M, N)
    require(M <= N, f"at most {N} rows, as many as frequencies", M)
    return PartialCosineMap(draw_distinct(M, N, generator=generator).to(device), N, dtype)


def sparse_map(
    M: int,
    N: int,
    generator: torch.Generator | None = None,
    *,
    per_column: int = 8,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> SparseMap:
    """Signs at `per_column` distinct places of each column, over the root of their number: columns have norm 1.

    Args:
        M: The number of measurements.
        N: The number of unknowns.
        generator: The source of randomness.
        per_column: The nonzeros of each column, at most M.
        dtype: float64 or float32.
        device: Where it shall lie.

    Raises:
        InputError: When a number is out of its range, or the dtype another.
    """
    _require_sides(M, N)
    _require_precision(dtype)
    require(1 <= per_column <= M, f"between 1 and {M} nonzeros in a column", per_column)
    source = generator.device if generator is not None else torch.device("cpu")
    rows = torch.randint(M, (N, per_column), generator=generator, device=source).sort(-1).values
    # Columns in which a place came twice are drawn anew, whole, which leaves every set of places equally likely.
    while len(again := (rows[:, 1:] == rows[:, :-1]).any(-1).nonzero().squeeze(-1)):
        if per_column**2 > M:
            keys = torch.rand((len(again), M), generator=generator, device=source)
            rows[again] = keys.argsort(-1)[:, :per_column].sort(-1).values
        else:
            drawn = torch.randint(M, (len(again), per_column), generator=generator, device=source)
            rows[again] = drawn.sort(-1).values
    signs = torch.randint(2, (N * per_column,), generator=generator, device=source).to(dtype).mul_(2).sub_(1)
    columns = torch.arange(N, device=source).repeat_interleave(per_column)
    values = signs / math.sqrt(per_column)
    return SparseMap(values.to(device), rows.reshape(-1).to(device), columns.to(device), (M, N))


def _from_tensor(A: Tensor) -> LinearMap:
    require(A.dim() == 2, "a matrix of two dimensions", f"{A.dim()} of size {size_text(A.shape)}")
    require(not A.is_complex(), "a real matrix", f"one of dtype {A.dtype}", _COMPLEX_ADVICE)
    A = A.detach()
    A = A if A.is_floating_point() else A.double()
    if A.layout == torch.strided:
        return DenseMap(A)
    if A.layout == torch.sparse_csr:
        rows = torch.arange(A.shape[0], device=A.device).repeat_interleave(A.crow_indices().long().diff())
        return SparseMap(A.values(), rows, A.col_indices().long(), (A.shape[0], A.shape[1]))
    require(A.layout == torch.sparse_coo, "a dense, CSR or COO tensor", A.layout, "say .to_sparse_csr()")
    whole = A.coalesce()
    rows, columns = whole.indices()
    return SparseMap(whole.values(), rows, columns, (A.shape[0], A.shape[1]))


def _from_scipy_sparse(A: spmatrix | sparray) -> SparseMap:
    require(len(A.shape) == 2, "a sparse matrix of two dimensions", len(A.shape))
    require(A.dtype.kind != "c", "a real matrix", f"one of dtype {A.dtype}", _COMPLEX_ADVICE)
    entries = A.tocoo()
    numbers = entries.data if entries.dtype == np.float32 else entries.data.astype(np.float64)
    rows, columns = (torch.from_numpy(index.astype(np.int64)) for index in entries.coords)
    return SparseMap(torch.from_numpy(numbers.copy()), rows, columns, (int(A.shape[0]), int(A.shape[1])))


def _require_sides(M: int, N: int) -> None:
    require(M >= 1 and N >= 1, "at least one measurement and one unknown", size_text((M, N)))


def _require_unit(values: Tensor) -> None:
    # Without a copy of what may be large.
    largest = max(abs(float(end)) for end in values.aminmax()) if values.numel() else 0.0
    fits = largest == 0 or _SMALLEST < largest < _LARGEST
    needed = f"A between {_SMALLEST:g} and {_LARGEST:g} in size"
    require(fits, needed, f"{largest:.3g}", "change its unit")


def _require_precision(dtype: torch.dtype) -> None:
    require(dtype in _PRECISIONS, "numbers of torch.float64 or torch.float32", dtype, "convert with .double()")
