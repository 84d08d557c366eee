"""Measurements of some places of the unknown, the base of entry sampling and of sparse rows."""

from abc import abstractmethod
from functools import cached_property

from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.linalg import symmetric_part
from wnsense.sensing.ensembles.positions import Positions, connected_parts
from wnsense.sensing.operator import Operator


class PlacedSensing(Operator):
    """Operator with `M*(v) = S`, or its Hermitian part for the symmetric kinds, `S = sum_p c_p(v) e_{i_p} e_{j_p}^T`.

    An ensemble provides its places, and the coefficients of the back-projection (`_coefficients`).

    Attributes:
        rows: Row indices `i_p`, (places,).
        columns: Column indices `j_p`, (places,).
    """

    rows: Int[Tensor, " p"]
    columns: Int[Tensor, " p"]

    @abstractmethod
    def _coefficients(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch p"]:
        """Return `c(v)`."""

    @cached_property
    def _positions(self) -> Positions:
        return Positions(self.rows, self.columns, self.shape)

    def connected_parts(self) -> int:
        """Return the number of components of the graph whose edges are the places."""
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
