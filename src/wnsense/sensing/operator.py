"""What measures a matrix: a linear map that acts on factors, with its laws."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_size, size_text
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank


@dataclass(frozen=True)
class RowDual:
    """v = weight * (y - target), what least squares back-projects where no row looks at another.

    An operator that streams its rows can apply it to each block as it passes, and so read its data once.

    Attributes:
        weight: One for each row, (n,).
        target: What is subtracted, (n,); None subtracts nothing.
    """

    weight: Float[Tensor, " n"]
    target: Float[Tensor, " n"] | None = None

    def __call__(self, y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """From measurements to what is back-projected."""
        return self.weight * (y if self.target is None else y - self.target)


Dual = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PulledBack:
    """What `Operator.pull_back` gives.

    Attributes:
        measurements: y = M(Z), (..., n).
        left: M*(v) Y, or M*(v) X for the symmetric kinds, (..., m1, k).
        right: M*(v)^H X for rectangular points, (..., m2, k); None otherwise.
    """

    measurements: Float[Tensor, "*batch n"]
    left: Inexact[Tensor, "*batch m1 k"]
    right: Inexact[Tensor, "*batch m2 k"] | None = None


class Operator(ABC):
    """A linear map M from matrices of one kind and shape to n real measurements, y_i = Re <M_i, Z>.

    It acts on factors, so that an implementation need not form a matrix. The public methods check shapes once and
    then call the `_private` ones, which an implementation provides and which may trust what they get. Leading batch
    dimensions of a `LowRank` are several points measured in one pass over the data.

    The laws, which the tests hold every implementation to: <M(Z), v> = Re <Z, M*(v)>; linearity; agreement with the
    dense matrices; a batch gives what a loop gives; dtype and device are kept.

    Attributes:
        kind: What is known of the unknown.
        shape: (m1, m2) of the unknown.
        count: n, the number of measurements.
        dtype: The dtype of the unknown; measurements have the real dtype of the same precision.
        device: Where the data lie, and where points must lie.
        second_moment: (alpha, beta) with E M*M(Z) = alpha Z + beta Tr(Z) I where the law of the ensemble is known,
            beta = 0 for kinds that are not square; None where it must be found by probing.
    """

    kind: Kind
    shape: tuple[int, int]
    count: int
    dtype: torch.dtype
    device: torch.device
    second_moment: tuple[float, float] | None

    @abstractmethod
    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        """M(Z)."""

    @abstractmethod
    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        """M*(v) V, where M*(v) = sum_i v_i M_i, Hermitian for the symmetric kinds."""

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        """M*(v)^H U; rectangular operators that never form M*(v) provide their own."""
        if self.kind.is_symmetric:
            return self._adjoint_times(v, U)
        return self._adjoint(v).mH @ U

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        """M*(v) as a full matrix."""
        identity = torch.eye(self.shape[1], dtype=self.dtype, device=self.device)
        return self._adjoint_times(v, identity.expand(*v.shape[:-1], *identity.shape))

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        """What `pull_back` promises; operators that save work by doing both at once provide their own."""
        y = self._measure(point)
        v = dual(y)
        left = self._adjoint_times(v, point.right[..., :width])
        right = None if point.Y is None else self._adjoint_transpose_times(v, point.X[..., :width])
        return PulledBack(y, left, right)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "Operator | None":
        """The operator of some rows alone, in their order, where the data give it; None where they do not.

        `wnsense.restrict` takes any operator and checks the rows.
        """
        del rows
        return None

    def connected_parts(self) -> int:
        """How many groups of basis vectors of a symmetric unknown no measurement relates to each other; 1 if unknown.

        Where there are several, x x^T and x with another sign in one of the groups cannot be told apart.
        """
        return 1

    def traces(self) -> Float[Tensor, " n"]:
        """Tr M_i for each measurement: what the operator says of the identity, for the square kinds."""
        identity = torch.eye(self.shape[0], dtype=self.dtype, device=self.device)
        return self.measure(LowRank(identity, identity))

    @property
    def real_dtype(self) -> torch.dtype:
        """The dtype of measurements."""
        return self.dtype.to_real()

    @property
    def is_complex(self) -> bool:
        """Whether the unknown is complex."""
        return self.dtype.is_complex

    @property
    def dimension(self) -> int:
        """The number of real unknowns of a full matrix."""
        return self.kind.dimension(self.shape, is_complex=self.is_complex)

    def degrees_of_freedom(self, rank: int) -> int:
        """The number of real parameters of an unknown of this rank."""
        return self.kind.degrees_of_freedom(self.shape, rank, is_complex=self.is_complex)

    def measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        """M(Z): the n measurements of each matrix of a batch.

        Raises:
            InputError: When the point's shape, dtype or symmetry is not the operator's.
        """
        self._check_point(point)
        return self._measure(point)

    def adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        """M*(v) V, without M*(v).

        Raises:
            InputError: When v has not n entries, or V not m2 rows, or a dtype is not the operator's.
        """
        self._check_adjoint(v, V, self.shape[1])
        return self._adjoint_times(v, V)

    def adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        """M*(v)^H U, without M*(v); for the symmetric kinds the same as `adjoint_times`.

        Raises:
            InputError: When v has not n entries, or U not m1 rows, or a dtype is not the operator's.
        """
        self._check_adjoint(v, U, self.shape[0])
        return self._adjoint_transpose_times(v, U)

    def pull_back(self, point: LowRank, dual: Dual, *, width: int | None = None) -> PulledBack:
        """Y = M(Z), and M*(v) of v = dual(y) times the factors of the same point: both sides of a gradient at once.

        It costs two applications like `measure` and `adjoint_times` one after the other, but what both need is found
        once: operators in memory are read once, transforms of the factors are made once.

        Args:
            point: Z.
            dual: From y to v, both (..., n); a `RowDual` where each row is on its own.
            width: How many leading columns of the factors to multiply with; all by default.

        Raises:
            InputError: When the point's shape, dtype or symmetry is not the operator's.
        """
        self._check_point(point)
        return self._pull_back(point, dual, point.right.shape[-1] if width is None else width)

    def adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        """M*(v) as a full matrix: m1 x m2 numbers, only where that fits.

        Raises:
            InputError: When v has not n entries or not the operator's dtype.
        """
        self._check_vector(v)
        return self._adjoint(v)

    def _check_point(self, point: LowRank) -> None:
        require_size("the matrix to measure", point.shape, self.shape)
        require(point.dtype == self.dtype, f"a matrix of {self.dtype}", point.dtype, "convert it with .to(dtype=...)")
        if self.kind.is_symmetric:
            require(point.is_symmetric, f"a symmetric matrix (X, Theta) for kind {self.kind}", "one with a Y")

    def _check_vector(self, v: Tensor) -> None:
        require_size("the vector of measurements", v.shape[-1:], (self.count,))
        require(v.dtype == self.real_dtype, f"measurements of {self.real_dtype}", v.dtype)

    def _check_adjoint(self, v: Tensor, V: Tensor, rows: int) -> None:
        self._check_vector(v)
        require(V.shape[-2] == rows, f"a factor of {rows} rows", V.shape[-2])
        require(V.dtype == self.dtype, f"a factor of {self.dtype}", V.dtype, "convert it with .to(...)")

    def __str__(self) -> str:
        """A short line for people."""
        return f"{type(self).__name__}: {self.count} measurements of a {self.kind} {size_text(self.shape)} matrix"
