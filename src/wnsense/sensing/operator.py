"""Linear maps from matrices to measurements, which act on factors, with their laws."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require_memory
from wnsense.sensing.given_matrix import low_rank_from
from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.row_groups import RowGroups
from wnsense.sensing.space import Space
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class RowDual:
    """Map `v = weight * (y - target)`, the dual vector of least squares with independent rows.

    An operator that streams its rows applies it to each block in turn, and so reads its data once.

    Attributes:
        weight: Weights of the rows, (n,).
        target: Vector to subtract, (n,); None subtracts nothing.
    """

    weight: Float[Tensor, " n"]
    target: Float[Tensor, " n"] | None = None

    def __call__(self, y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return the dual vector of measurements `y`."""
        return self.weight * (y if self.target is None else y - self.target)


Dual = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
@by_value
class PulledBack:
    """Measurements of a point, and the back-projection of their dual vector times the factors of the same point.

    Attributes:
        measurements: `y = M(Z)`, (..., n).
        left: `M*(v) Y`, or `M*(v) X` for the symmetric kinds, (..., m1, k).
        right: `M*(v)^H X` for rectangular points, (..., m2, k); None otherwise.
    """

    measurements: Float[Tensor, "*batch n"]
    left: Inexact[Tensor, "*batch m1 k"]
    right: Inexact[Tensor, "*batch m2 k"] | None = None


class Operator(ABC):
    """Linear map `M` from matrices of one space to `n` real measurements, `y_i = Re <M_i, Z>`.

    It acts on factors, so that an implementation need not form a matrix. The public methods check their arguments and
    then call the `_private` ones. An implementation provides the latter, which may rely on the checks. Leading batch
    dimensions of a `LowRank` are several points measured in one pass over the data.

    Laws, tested for every implementation: `<M(Z), v> = Re <Z, M*(v)>`; linearity; agreement with the dense matrices;
    a batch gives the results of a loop; dtype and device are kept.

    An implementation holds `space`, `count` and `second_moment` as attributes, or computes them from its data. If its
    rows can be taken apart, it has `select_rows` too (`SelectsRows`).

    Attributes:
        space: Space of the unknown.
        count: Number of measurements `n`.
        second_moment: `(alpha, beta)` with `E M*M(Z) = alpha Z + beta Tr(Z) I` if the law of the ensemble is known;
            `beta = 0` for kinds that are not square; None if it must be estimated by probes.
    """

    def __init_subclass__(cls) -> None:
        """Give each implementation equality by value, a hash and a text of one line."""
        by_value(cls)

    if TYPE_CHECKING:
        # Read-only for type checkers alone: an implementation has a field or a property of the name.
        @property
        def space(self) -> Space:
            """Space of the unknown."""

        @property
        def count(self) -> int:
            """Number of measurements."""

        @property
        def second_moment(self) -> tuple[float, float] | None:
            """Coefficients of the mean of `M*M`, if known."""

    @abstractmethod
    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        """Return `M(Z)`."""

    @abstractmethod
    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        """Return `M*(v) V`, where `M*(v) = sum_i v_i M_i`, Hermitian for the symmetric kinds."""

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        """Return `M*(v)^H U`; rectangular operators that never form `M*(v)` provide their own."""
        if self.kind.is_symmetric:
            return self._adjoint_times(v, U)
        return self._adjoint(v).mH @ U

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        """Return `M*(v)` as a full matrix."""
        identity = torch.eye(self.shape[1], dtype=self.dtype, device=self.device)
        return self._adjoint_times(v, identity.expand(*v.shape[:-1], *identity.shape))

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        """Return the result of `pull_back`; an operator that saves work by both at once provides its own."""
        y = self._measure(point)
        v = dual(y)
        left = self._adjoint_times(v, point.right[..., :width])
        right = None if point.Y is None else self._adjoint_transpose_times(v, point.X[..., :width])
        return PulledBack(y, left, right)

    def connected_parts(self) -> int:
        """Return the number of connected blocks of a symmetric unknown, 1 if it is not known.

        Two blocks of basis vectors are separate if no measurement couples them. If there are several, `x x^T` and the
        same with another sign of `x` in one block have the same measurements.
        """
        return 1

    def row_groups(self) -> RowGroups | None:
        """Return the groups of proportional rows, or None if no two rows are known to be proportional."""
        return None

    def row_norms(self) -> Float[Tensor, " n"] | None:
        """Return the Frobenius norms `||M_i||` of the rows, or None if they are not known without applications."""
        return None

    def traces(self) -> Float[Tensor, " n"]:
        """Return `Tr M_i` of each measurement, `M(I)`, for the square kinds."""
        identity = torch.eye(self.shape[0], dtype=self.dtype, device=self.device)
        return self.measure(LowRank(identity, identity))

    @property
    def kind(self) -> Kind:
        """Kind of the unknown."""
        return self.space.kind

    @property
    def shape(self) -> tuple[int, int]:
        """Sides `(m1, m2)` of the unknown."""
        return self.space.shape

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the unknown; measurements have the real dtype of the same precision."""
        return self.space.dtype

    @property
    def device(self) -> torch.device:
        """Device of the data and of points."""
        return self.space.device

    @property
    def real_dtype(self) -> torch.dtype:
        """Dtype of measurements."""
        return self.space.real_dtype

    @property
    def is_complex(self) -> bool:
        """True if the unknown is complex."""
        return self.space.is_complex

    @property
    def dimension(self) -> int:
        """Number of real unknowns of a full matrix."""
        return self.space.dimension

    def degrees_of_freedom(self, rank: int) -> int:
        """Return the number of real parameters of an unknown of this rank."""
        return self.space.degrees_of_freedom(rank)

    def measure(self, point: LowRank | NumbersLike) -> Float[Tensor, "*batch n"]:
        """Return `M(Z)`, the `n` measurements of each matrix of a batch.

        Args:
            point: Matrix `Z` by its factors, or a full matrix, (m1, m2), which is decomposed.

        Raises:
            InputError: If the point's shape, dtype or symmetry is not the operator's.
        """
        Z = point if isinstance(point, LowRank) else low_rank_from("the matrix to measure", point, self.space)
        self.space.check_point(Z)
        return self._measure(Z)

    def adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        """Return `M*(v) V` without forming `M*(v)`.

        Raises:
            InputError: If `v` does not have `n` entries, `V` does not have `m2` rows, or a dtype is not the operator's.
        """
        self.space.check_vector(v, self.count)
        self.space.check_factor(V, 1)
        return self._adjoint_times(v, V)

    def adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        """Return `M*(v)^H U` without forming `M*(v)`; for the symmetric kinds it is `adjoint_times`.

        It raises what `adjoint_times` raises, for a factor `U` of `m1` rows.
        """
        self.space.check_vector(v, self.count)
        self.space.check_factor(U, 0)
        return self._adjoint_transpose_times(v, U)

    def pull_back(self, point: LowRank, dual: Dual, *, width: int | None = None) -> PulledBack:
        """Return `y = M(Z)`, and `M*(v)` of `v = dual(y)` times the factors of the same point.

        These are both sides of a gradient. The cost is that of `measure` and `adjoint_times` together, without the
        work that they share: operators in memory are read once, and factors are transformed once.

        Args:
            point: Point `Z`.
            dual: Map from `y` to `v`, both (..., n); a `RowDual` if the rows are independent.
            width: Number of leading columns of the factors to multiply with; all by default.

        Raises:
            InputError: If the point's shape, dtype or symmetry is not the operator's.
        """
        self.space.check_point(point)
        return self._pull_back(point, dual, point.right.shape[-1] if width is None else width)

    def adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        """Return `M*(v)` as a full matrix of `m1 m2` numbers.

        Raises:
            InputError: If `v` does not have `n` entries or not the operator's dtype, or the matrix needs more memory
                than there is.
        """
        self.space.check_vector(v, self.count)
        size = (*v.shape[:-1], *self.shape)
        require_memory("a full matrix", size, self.dtype, self.device, "use adjoint_times, which forms none")
        return self._adjoint(v)

    def __str__(self) -> str:
        """One line for people."""
        return f"{type(self).__name__}: {self.count} measurements of a {self.space}"


@runtime_checkable
class SelectsRows(Protocol):
    """Operator that gives an operator of some of its rows, from the data of these rows alone."""

    def select_rows(self, rows: Int[Tensor, " k"]) -> Operator | None:
        """Return the operator of some rows, in their order, or None if these rows cannot be taken apart."""


@runtime_checkable
class ScalesRows(Protocol):
    """Operator that takes factors of its rows into its own data."""

    def scale_rows(self, factors: Float[Tensor, " n"]) -> Operator:
        """Return the operator `diag(factors) M`."""


@runtime_checkable
class MeasuresEntries(Protocol):
    """Operator whose rows measure one real entry each, up to a factor."""

    def squares_times(self, d: Float[Tensor, " n"], V: Float[Tensor, "m2 k"]) -> Float[Tensor, "m1 k"]:
        """Return `E V` for `E = sum_k d_k |M_k|^2`, squared entry by entry."""
        ...

    def squares_transpose_times(self, d: Float[Tensor, " n"], U: Float[Tensor, "m1 k"]) -> Float[Tensor, "m2 k"]:
        """Return `E^T U`."""
        ...


def selected_rows(operator: Operator, rows: Int[Tensor, " k"]) -> Operator | None:
    """Return the operator of some rows from their data alone, or None if the rows cannot be taken apart.

    `wnsense.restrict` takes any operator and checks the rows.
    """
    return operator.select_rows(rows) if isinstance(operator, SelectsRows) else None
