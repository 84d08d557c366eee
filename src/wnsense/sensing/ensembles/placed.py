"""Measurements that look at chosen places of the unknown: what entry sampling and sparse rows share."""

from abc import abstractmethod
from functools import cached_property

from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.linalg import symmetric_part
from wnsense.sensing.ensembles.positions import Positions, connected_parts
from wnsense.sensing.operator import Operator


class PlacedSensing(Operator):
    """M*(v) is S, or its Hermitian part for the symmetric kinds, with S = sum_p c_p(v) e_{i_p} e_{j_p}^T.

    An ensemble says which places it looks at and what back-projection puts there (`_coefficients`).

    Attributes:
        rows: i_p, (places,).
        columns: j_p, (places,).
    """

    rows: Int[Tensor, " p"]
    columns: Int[Tensor, " p"]

    @abstractmethod
    def _coefficients(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch p"]:
        """c(v)."""

    @cached_property
    def _positions(self) -> Positions:
        return Positions(self.rows, self.columns, self.shape)

    def connected_parts(self) -> int:
        """The parts into which the places that are looked at fall as the edges of a graph."""
        return connected_parts(self.rows, self.columns, self.shape[0]) if self.kind.is_symmetric else 1

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        c = self._coefficients(v)
        if not self.kind.is_symmetric:
            return self._positions.times(c, V)
        return (self._positions.times(c, V) + self._positions.transpose_times(c, V)) / 2

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        if self.kind.is_symmetric:
            return self._adjoint_times(v, U)
        return self._positions.transpose_times(self._coefficients(v), U)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        S = self._positions.dense(self._coefficients(v))
        return symmetric_part(S) if self.kind.is_symmetric else S
