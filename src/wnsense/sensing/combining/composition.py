"""Fixed maps of the unknown before it is measured, `Z -> M(L Z R^H)`, as for a dictionary, a subspace or a lens."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack, selected_rows
from wnsense.sensing.space import Space
from wnsense.values import by_value

# Columns of L in a block for the traces, so that no m x m matrix is formed.
_COLUMNS = 64


@dataclass(frozen=True)
@by_value
class FactorMap:
    """Linear map `L` of l rows and m columns, as two functions of factors: a transform, a filter, an embedding.

    Attributes:
        times: Function `V -> L V`, from (..., m, k) to (..., l, k); leading dimensions are a batch.
        adjoint_times: Function `U -> L^H U`, from (..., l, k) to (..., m, k).
        size: Sides (l, m).
    """

    times: Callable[[Tensor], Tensor]
    adjoint_times: Callable[[Tensor], Tensor]
    size: tuple[int, int]


@dataclass(frozen=True)
class ComposedSensing(Operator):
    """Operator `Z -> M(L Z R^H)`; `R = L` for the symmetric kinds. A gradient takes one pass of `M`, as for `M` itself.

    Attributes:
        operator: Operator `M`.
        left: Map `L`, (l1, m1), a matrix or functions; None is the identity.
        right: Map `R`, (l2, m2); None is the identity for kind rectangular, and `L` for the symmetric kinds.
    """

    operator: Operator
    left: Inexact[Tensor, "l1 m1"] | FactorMap | None
    right: Inexact[Tensor, "l2 m2"] | FactorMap | None = None
    # No law is declared: it is that of `M` for unitary maps only.
    second_moment = None

    def __post_init__(self) -> None:
        """Check that the maps lead to the matrices that `M` measures."""
        if self.operator.kind.is_symmetric:
            require(self.right is None, f"no right map for kind {self.operator.kind}", "one", "it is the left one")
        require(min(self.space.shape) >= 1, "at least one column in each map", self.space.shape)

    @cached_property
    def space(self) -> Space:
        """Space of the unknown, of the maps' columns."""
        inner = self.operator
        left = _columns("L", self.left, inner, side=0)
        right = left if inner.kind.is_symmetric else _columns("R", self.right, inner, side=1)
        return replace(inner.space, shape=(left, right))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "Operator | None":
        """Return some rows of `M` after the same maps, or None if `M` cannot be taken apart."""
        selected = selected_rows(self.operator, rows)
        return None if selected is None else ComposedSensing(selected, self.left, self.right)

    def traces(self) -> Float[Tensor, " n"]:
        """Return `M(L L^H)`, computed from some columns of `L` at a time."""
        size = self.shape[0]
        total = torch.zeros(self.count, dtype=self.real_dtype, device=self.device)
        for start in range(0, size, _COLUMNS):
            width = min(_COLUMNS, size - start)
            units = torch.zeros((size, width), dtype=self.dtype, device=self.device)
            units[start : start + width].fill_diagonal_(1)
            identity = torch.eye(width, dtype=self.dtype, device=self.device)
            total = total + self.operator.measure(LowRank(_times(self.left, units), identity))
        return total

    @cached_property
    def count(self) -> int:
        """Number of measurements, that of `M`."""
        return self.operator.count

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return self.operator.measure(self._mapped(point))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return _adjoint_times(self.left, self.operator.adjoint_times(v, _times(self._right, V)))

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        return _adjoint_times(self._right, self.operator.adjoint_transpose_times(v, _times(self.left, U)))

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        back = self.operator.pull_back(self._mapped(point), dual, width=width)
        right = None if back.right is None else _adjoint_times(self._right, back.right)
        return PulledBack(back.measurements, _adjoint_times(self.left, back.left), right)

    @property
    def _right(self) -> "Tensor | FactorMap | None":
        return self.left if self.kind.is_symmetric else self.right

    def _mapped(self, point: LowRank) -> LowRank:
        """Return `L Z R^H`, by its factors."""
        Y = None if point.Y is None else _times(self._right, point.Y)
        return LowRank(_times(self.left, point.X), point.Theta, Y)


def composed(
    operator: Operator, left: Tensor | FactorMap | None, right: Tensor | FactorMap | None = None
) -> ComposedSensing:
    """Return `Z -> M(L Z R^H)`, an operator on matrices of the maps' columns.

    The measured matrix is l1 x l2, and `Z` is m1 x m2. With orthonormal columns `L` spans the subspace that contains
    the unknown. No law is declared: it is that of `M` only if `L` and `R` are unitary.

    Args:
        operator: Operator `M`.
        left: Map `L`, as a matrix (l1, m1) or as a `FactorMap`; None for the identity.
        right: Map `R`, (l2, m2), for kind rectangular only: the symmetric kinds have `M(L Z L^H)`.

    Raises:
        InputError: If a map's number of rows is not the side of the measured matrix, or its numbers do not suit the
            operator.
    """
    return ComposedSensing(operator, _suited(left, operator), _suited(right, operator))


def _suited(L: Tensor | FactorMap | None, operator: Operator) -> Tensor | FactorMap | None:
    """Return a matrix in the operator's dtype."""
    if not isinstance(L, Tensor):
        return L
    require(L.dim() == 2, "a matrix of two dimensions", f"{L.dim()}")
    fits = operator.is_complex or not L.is_complex()
    require(fits, f"a real matrix beside an operator of {operator.dtype}", L.dtype)
    return L.to(dtype=operator.dtype, device=operator.device)


def _columns(name: str, L: Tensor | FactorMap | None, operator: Operator, *, side: int) -> int:
    rows = operator.shape[side]
    if L is None:
        return rows
    size = tuple(L.shape) if isinstance(L, Tensor) else L.size
    require(size[0] == rows, f"{rows} rows in {name}, the side of the measured matrix", size[0], "transpose it?")
    require(size[1] >= 1, f"at least one column in {name}", size[1])
    return int(size[1])


def _times(L: Tensor | FactorMap | None, V: Tensor) -> Tensor:
    """Return `L V`."""
    if L is None:
        return V
    if isinstance(L, Tensor):
        return L @ V
    out = L.times(V)
    require_size("what times of the map returns", out.shape, (*V.shape[:-2], L.size[0], V.shape[-1]))
    return out


def _adjoint_times(L: Tensor | FactorMap | None, U: Tensor) -> Tensor:
    """Return `L^H U`."""
    if L is None:
        return U
    if isinstance(L, Tensor):
        return L.mH @ U
    out = L.adjoint_times(U)
    require_size("what adjoint_times of the map returns", out.shape, (*U.shape[:-2], L.size[1], U.shape[-1]))
    return out
