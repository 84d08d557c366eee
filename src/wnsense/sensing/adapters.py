"""Operators from outside: a pair of functions, a SciPy LinearOperator, or a PyLops operator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Inexact
from scipy.sparse import sparray, spmatrix
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from torch import Tensor

from wnsense.checks import InputError, require, require_size, value_text, whole_number
from wnsense.linalg import Dtype, Place, symmetric_part
from wnsense.sensing.given_numbers import NumbersLike, tensor_from
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.space import Size, Space
from wnsense.sensing.tensor_fields import require_tensors

# Names of results in messages.
_FORWARD, _ADJOINT = "what the forward function returns", "what the adjoint function returns"


@dataclass(frozen=True)
class FunctionSensing(Operator):
    """Operator made of two functions of full matrices: `forward(Z) -> y` and `adjoint_matrix(v) -> M*(v)`.

    For an operator that should not form matrices, subclass `Operator` instead (CONTRIBUTING, "how to add an operator").

    Attributes:
        forward: Function from (m1, m2) to (n,).
        adjoint_matrix: Function from (n,) to (m1, m2); the symmetric kinds use its symmetric part.
        count: Number of measurements `n`.
        space: Space of the unknown, and of the matrices that the functions exchange.
        second_moment: See `Operator`.
    """

    forward: Callable[[Tensor], Tensor]
    adjoint_matrix: Callable[[Tensor], Tensor]
    count: int
    space: Space
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the functions and the space."""
        _require_functions(self.forward, self.adjoint_matrix)
        require_tensors("from_functions", self.space)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        Z = point.dense()
        rows = [_returned(_FORWARD, self.forward(one)) for one in Z.reshape(-1, *self.shape)]
        for row in rows:
            require_size(_FORWARD, row.shape, (self.count,), "say n=len(forward(Z))")
        y = torch.stack(rows)
        y = y.real if y.is_complex() else y
        return y.to(device=self.device, dtype=self.real_dtype).reshape(*point.batch, self.count)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        matrices = [_returned(_ADJOINT, self.adjoint_matrix(one)) for one in v.reshape(-1, self.count)]
        for matrix in matrices:
            require_size(_ADJOINT, matrix.shape, self.shape)
        R = torch.stack(matrices)
        R = R.real if R.is_complex() and not self.is_complex else R
        R = R.to(device=self.device, dtype=self.dtype).reshape(*v.shape[:-1], *self.shape)
        return symmetric_part(R) if self.kind.is_symmetric else R

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return self._adjoint(v) @ V


def from_functions(
    forward: Callable[[Tensor], Tensor],
    adjoint: Callable[[Tensor], Tensor],
    *,
    n: int,
    size: Size,
    kind: str = "psd",
    dtype: Dtype = None,
    device: Place = "cpu",
) -> FunctionSensing:
    """Return an operator from two functions of torch tensors: Z (m1, m2) -> y (n,), and v (n,) -> M*(v) (m1, m2).

    Args:
        forward: Function `y_i = Re <M_i, Z>`.
        adjoint: Function `sum_i v_i M_i`.
        n: Number of measurements.
        size: Side `m`, or `(m1, m2)`.
        kind: Kind of the unknown.
        dtype: Dtype of Z; double precision by default.
        device: Device of the functions' tensors.

    Raises:
        InputError: If n or the size is not positive, or the dtype does not suit the kind.
    """
    count = whole_number("n", n)
    require(count >= 1, "at least one measurement", n)
    return FunctionSensing(forward, adjoint, count, Space.from_size(size, kind, dtype, device))


def from_numpy_functions(
    forward: Callable[[np.ndarray], np.ndarray],
    adjoint: Callable[[np.ndarray], np.ndarray],
    *,
    n: int,
    size: Size,
    kind: str = "psd",
) -> FunctionSensing:
    """Return an operator from two functions of NumPy arrays, in double precision on the CPU.

    It is `from_functions` for NumPy. Results of the functions are copied, so that they may return the same array each
    time.

    Raises:
        InputError: If n or the size is not positive.
    """
    _require_functions(forward, adjoint)
    return from_functions(
        _through_numpy(_FORWARD, forward), _through_numpy(_ADJOINT, adjoint), n=n, size=size, kind=kind
    )


def from_scipy(
    linear_operator: LinearOperator | np.ndarray | spmatrix | sparray, size: Size, *, kind: str = "psd"
) -> FunctionSensing:
    """Return an operator from a SciPy `LinearOperator` of n rows, or a matrix, that acts on the unknown as a vector.

    The number of its columns determines the layout of the unknown. With `m1 m2` columns it is the matrix row by row.
    For the real symmetric kinds `m (m + 1) / 2` columns are svec: the upper triangle row by row, `sqrt(2)` off the
    diagonal.

    Raises:
        InputError: If the number of columns fits neither, or it is no linear operator.
    """
    try:
        linear_operator = aslinearoperator(linear_operator)
    except (TypeError, ValueError) as error:
        came = value_text(linear_operator)
        raise InputError(f"needed a SciPy LinearOperator or a matrix, got {came}; give n x (m1 m2) numbers") from error
    space = Space.from_size(size, kind)
    kind, shape, packed = space.kind, space.shape, space.dimension
    n, columns = linear_operator.shape
    full = shape[0] * shape[1]
    require(
        columns in {full, packed},
        f"{full} columns (the matrix row by row)" + (f" or {packed} (svec)" if packed != full else ""),
        columns,
    )
    if columns == full:
        return from_numpy_functions(
            lambda Z: np.real(linear_operator.matvec(Z.reshape(-1))),
            lambda v: linear_operator.rmatvec(v).reshape(shape),
            n=n,
            size=shape,
            kind=kind,
        )

    def forward(Z: Tensor) -> Tensor:
        return torch.from_numpy(np.array(linear_operator.matvec(kind.pack(Z).numpy())))

    def adjoint(v: Tensor) -> Tensor:
        packed_adjoint = torch.from_numpy(np.array(linear_operator.rmatvec(v.numpy())))
        return space.unpack(packed_adjoint)

    return from_functions(forward, adjoint, n=n, size=shape, kind=kind)


@runtime_checkable
class VectorOperator(Protocol):
    """Linear operator on vectors, with the attributes of a PyLops operator that `from_pylops` uses.

    Attributes:
        shape: (rows, columns), integers.
        dtype: Complex if its results are complex.
    """

    shape: tuple[int, int]
    dtype: np.dtype

    def matvec(self, x: np.ndarray) -> np.ndarray:
        """Return the product with a vector of the columns' length, a vector of the rows' length."""

    def rmatvec(self, x: np.ndarray) -> np.ndarray:
        """Return the product of the adjoint with a vector of the rows' length."""


def from_pylops(
    operator: VectorOperator, shape: tuple[int, int] | None = None, *, dtype: Dtype = None
) -> FunctionSensing:
    """Return an operator on rectangular unknowns from a PyLops operator, which acts on the matrix row by row.

    A real operator of k rows gives k measurements. A complex one gives 2 k: the real parts of its result, then the
    imaginary parts. Operators that are linear over the real numbers alone, such as `pylops.Real`, are allowed too,
    since PyLops gives them the adjoint of `Re <., .>`. PyLops is not imported: any object with `shape`, `dtype`,
    `matvec` and `rmatvec` will do. Computation is in NumPy, on the CPU, in double precision on this side.

    Args:
        operator: Operator of `m1 m2` columns.
        shape: Sides `(m1, m2)`; by default the operator's `dims`, if it has two.
        dtype: Dtype of the unknown, float64 or complex128; by default complex if the operator is. Use torch.float64 for
            a real unknown that a complex operator (a Fourier transform) measures.

    Raises:
        InputError: If the shape is not given, or the operator's columns are not `m1 m2`.
    """
    if shape is None:
        dims = tuple(int(side) for side in getattr(operator, "dims", ()))
        require(len(dims) == 2, "a shape (m1, m2) of the unknown", f"an operator on dims {dims}", "say shape=(m1, m2)")
        shape = (dims[0], dims[1])
    sides = Space.from_size(shape, Kind.RECTANGULAR).shape
    rows, columns = (int(side) for side in operator.shape)
    require(
        columns == sides[0] * sides[1],
        f"{sides[0] * sides[1]} columns (the matrix row by row)",
        columns,
        "the shape is that of the unknown",
    )
    gives_complex = np.dtype(operator.dtype).kind == "c"
    dtype = dtype or (torch.complex128 if gives_complex else torch.float64)
    require(dtype in {torch.float64, torch.complex128}, "an unknown of torch.float64 or torch.complex128", dtype)

    def forward(Z: Tensor) -> Tensor:
        y = np.array(operator.matvec(Z.numpy().reshape(-1))).reshape(-1)
        return torch.from_numpy(np.concatenate([y.real, y.imag]) if gives_complex else y)

    def adjoint(v: Tensor) -> Tensor:
        w = v.numpy()
        w = w[:rows] + 1j * w[rows:] if gives_complex else w
        return torch.from_numpy(np.array(operator.rmatvec(w)).reshape(sides))

    n = 2 * rows if gives_complex else rows
    return from_functions(forward, adjoint, n=n, size=sides, kind=Kind.RECTANGULAR, dtype=dtype)


def _require_functions(forward: object, adjoint: object) -> None:
    for name, function in (("forward", forward), ("adjoint", adjoint)):
        require(callable(function), f"{name} that is a function", value_text(function))


def _through_numpy(name: str, function: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensor], Tensor]:
    def call(argument: Tensor) -> Tensor:
        result = function(argument.numpy())
        # Copied, since a function may use its array again.
        return _returned(name, result).clone()

    return call


def _returned(name: str, result: NumbersLike | None) -> Tensor:
    """Return what a user's function returned, as a tensor.

    Raises:
        InputError: If it is None, or no numbers.
    """
    if result is None:
        raise InputError(f"needed numbers in {name}, got None; let it return them")
    return tensor_from(name, result)
