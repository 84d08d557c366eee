"""Operators from outside: a pair of functions, or a SciPy LinearOperator."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Inexact
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import symmetric_part
from wnsense.sensing.dense import require_complex_agrees, square_shape
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class FunctionSensing(Operator):
    """An operator made of two functions of full matrices: `forward(Z) -> y` and `adjoint_matrix(v) -> M*(v)`.

    For an operator that should not form matrices, subclass `Operator` instead (CONTRIBUTING, "how to add an operator").

    Attributes:
        forward: From (m1, m2) to (n,).
        adjoint_matrix: From (n,) to (m1, m2); its symmetric part is taken for the symmetric kinds.
        count: n.
        shape: (m1, m2).
        kind: What is known of the unknown.
        dtype: The dtype of the matrices that the functions exchange.
        device: Where they lie.
        second_moment: See `Operator`.
    """

    forward: Callable[[Tensor], Tensor]
    adjoint_matrix: Callable[[Tensor], Tensor]
    count: int
    shape: tuple[int, int]
    kind: Kind = Kind.PSD
    dtype: torch.dtype = torch.float64
    device: torch.device = _CPU
    second_moment: tuple[float, float] | None = None

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        Z = point.dense()
        y = torch.stack([self.forward(one) for one in Z.reshape(-1, *self.shape)])
        require_size("what the forward function returns", y.shape[1:], (self.count,), "say n=len(forward(Z))")
        y = y.real if y.is_complex() else y
        return y.to(self.real_dtype).reshape(*point.batch, self.count)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        R = torch.stack([self.adjoint_matrix(one) for one in v.reshape(-1, self.count)])
        require_size("what the adjoint function returns", R.shape[1:], self.shape)
        R = R.real if R.is_complex() and not self.is_complex else R
        R = R.to(self.dtype).reshape(*v.shape[:-1], *self.shape)
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
    size: int | tuple[int, int],
    kind: Kind | str = Kind.PSD,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> FunctionSensing:
    """An operator from two functions of torch tensors: Z (m1, m2) -> y (n,), and v (n,) -> M*(v) (m1, m2).

    Args:
        forward: y_i = Re <M_i, Z>.
        adjoint: sum_i v_i M_i.
        n: The number of measurements.
        size: m, or (m1, m2).
        kind: What is known of the unknown.
        dtype: The dtype of Z, double precision by default.
        device: Where the functions work.

    Raises:
        InputError: When n or the size is not positive, or the dtype does not suit the kind.
    """
    kind = Kind(kind)
    require(n >= 1, "at least one measurement", n)
    shape = square_shape(size, kind)
    dtype = dtype or kind.default_dtype()
    require_complex_agrees(kind, dtype)
    return FunctionSensing(forward, adjoint, n, shape, kind, dtype=dtype, device=torch.device(device))


def from_numpy_functions(
    forward: Callable[[np.ndarray], np.ndarray],
    adjoint: Callable[[np.ndarray], np.ndarray],
    *,
    n: int,
    size: int | tuple[int, int],
    kind: Kind | str = Kind.PSD,
) -> FunctionSensing:
    """The same as `from_functions` for two functions of NumPy arrays, in double precision on the CPU.

    What the functions return is copied, so that they may hand out the same array each time.

    Raises:
        InputError: When n or the size is not positive.
    """
    return from_functions(_through_numpy(forward), _through_numpy(adjoint), n=n, size=size, kind=kind)


def from_scipy(
    linear_operator: LinearOperator, size: int | tuple[int, int], *, kind: Kind | str = Kind.PSD
) -> FunctionSensing:
    """An operator from a SciPy `LinearOperator` of n rows that acts on the unknown as a vector.

    The number of its columns says how the unknown is laid out: m1 * m2 columns take the matrix row by row; for real
    symmetric kinds m (m + 1) / 2 columns take svec (upper triangle row by row, sqrt(2) off the diagonal).

    Raises:
        InputError: When the number of columns fits neither.
    """
    kind = Kind(kind)
    shape = square_shape(size, kind)
    n, columns = linear_operator.shape
    is_complex = kind is Kind.HERMITIAN
    packed = kind.dimension(shape, is_complex=is_complex)
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
        return kind.unpack(packed_adjoint, shape, is_complex=is_complex)

    return from_functions(forward, adjoint, n=n, size=shape, kind=kind)


def _through_numpy(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensor], Tensor]:
    def call(argument: Tensor) -> Tensor:
        return torch.from_numpy(np.array(function(argument.numpy())))

    return call
