"""Sums and stacks of operators, without data of their own.

A stack keeps the one pass of its parts: `pull_back` gives each part the dual of its rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.sensing.combining.restriction import RestrictedSensing, operator_of_rows
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack, RowDual, selected_rows
from wnsense.sensing.space import Space


@dataclass(frozen=True)
class SumSensing(Operator):
    """Sum `M + M'`, row by row.

    Its gradient takes two passes over the data, since the dual vector depends on both parts of each measurement.

    Attributes:
        first: Operator `M`.
        second: Operator `M'`, of the same kind, shape and count.
    """

    first: Operator
    second: Operator
    # No law is declared: the two may have been drawn together.
    second_moment = None

    def __post_init__(self) -> None:
        """Check that the two can be added."""
        _require_alike(self.first, self.second)
        require_size("the rows of the other operator", (self.second.count,), (self.first.count,))

    @cached_property
    def space(self) -> Space:
        """Space of the unknown."""
        return self.first.space

    def traces(self) -> Float[Tensor, " n"]:
        """Return the sums of both traces."""
        return self.first.traces() + self.second.traces()

    def select_rows(self, rows: Int[Tensor, " k"]) -> "Operator | None":
        """Return the sum of some rows, or None if a part cannot be taken apart."""
        first, second = selected_rows(self.first, rows), selected_rows(self.second, rows)
        return None if first is None or second is None else SumSensing(first, second)

    @cached_property
    def count(self) -> int:
        """Number of measurements of either operator."""
        return self.first.count

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return self.first.measure(point) + self.second.measure(point)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        return self.first.adjoint(v) + self.second.adjoint(v)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return self.first.adjoint_times(v, V) + self.second.adjoint_times(v, V)

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        return self.first.adjoint_transpose_times(v, U) + self.second.adjoint_transpose_times(v, U)


@dataclass(frozen=True)
class StackedSensing(Operator):
    """Rows of several operators one after the other.

    Attributes:
        operators: Parts, of the same kind and shape.
    """

    operators: tuple[Operator, ...]

    def __post_init__(self) -> None:
        """Check that the parts measure the same kind of unknown."""
        require(self.operators, "at least one operator to stack", "none")
        first = self.operators[0]
        for other in self.operators[1:]:
            _require_alike(first, other)

    @cached_property
    def space(self) -> Space:
        """Space of the unknown."""
        return self.operators[0].space

    @cached_property
    def second_moment(self) -> tuple[float, float] | None:
        """Sum of the laws, if the rows of all parts are alike."""
        return _stacked_moment(self.operators)

    @property
    def counts(self) -> list[int]:
        """Number of rows of each part."""
        return [operator.count for operator in self.operators]

    def row_norms(self) -> Float[Tensor, " n"] | None:
        """Return the norms of the rows of the parts, or None if those of a part are not known."""
        norms = [part for part in (operator.row_norms() for operator in self.operators) if part is not None]
        return torch.cat(norms) if len(norms) == len(self.operators) else None

    def traces(self) -> Float[Tensor, " n"]:
        """Return the traces of the parts one after the other."""
        return torch.cat([operator.traces() for operator in self.operators])

    def select_rows(self, rows: Int[Tensor, " k"]) -> Operator:
        """Return some rows of the parts, in the order given."""
        parts, order, start = [], [], 0
        for operator in self.operators:
            places = torch.nonzero((rows >= start) & (rows < start + operator.count)).flatten()
            if len(places):
                parts.append(operator_of_rows(operator, rows[places] - start))
                order.append(places)
            start += operator.count
        together = StackedSensing(tuple(parts)) if len(parts) > 1 else parts[0]
        back = torch.argsort(torch.cat(order))
        if bool((back[1:] > back[:-1]).all()):
            return together
        return RestrictedSensing(together, back)

    @cached_property
    def count(self) -> int:
        """Number of rows of all parts."""
        return sum(self.counts)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return torch.cat([operator.measure(point) for operator in self.operators], dim=-1)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        return _total([operator.adjoint(part) for operator, part in self._split(v)])

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return _total([operator.adjoint_times(part, V) for operator, part in self._split(v)])

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        return _total([operator.adjoint_transpose_times(part, U) for operator, part in self._split(v)])

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        if not isinstance(dual, RowDual):
            # The dual vector of a part may depend on the rows of another.
            y = self._measure(point)
            v = dual(y)
            right = None if point.Y is None else self._adjoint_transpose_times(v, point.X[..., :width])
            return PulledBack(y, self._adjoint_times(v, point.right[..., :width]), right)
        targets = [None] * len(self.operators) if dual.target is None else torch.split(dual.target, self.counts)
        backs = [
            operator.pull_back(point, RowDual(weight, target), width=width)
            for (operator, weight), target in zip(self._split(dual.weight), targets, strict=True)
        ]
        rights = [back.right for back in backs if back.right is not None]
        y = torch.cat([back.measurements for back in backs], dim=-1)
        return PulledBack(y, _total([back.left for back in backs]), _total(rights) if rights else None)

    def _split(self, v: Tensor) -> list[tuple[Operator, Tensor]]:
        return list(zip(self.operators, torch.split(v, self.counts, dim=-1), strict=True))


def operator_sum(first: Operator, second: Operator) -> SumSensing:
    """Return `M + M'`, `y_i = Re <M_i + M'_i, Z>`.

    Raises:
        InputError: If the two differ in kind, shape, count, dtype or device.
    """
    return SumSensing(first, second)


def stacked(operators: Sequence[Operator]) -> StackedSensing:
    """Return the rows of all operators one after the other.

    If all rows are alike, the laws add up; if the parts weight theirs differently, none is declared.

    Raises:
        InputError: If there is none, or they differ in kind, shape, dtype or device.
    """
    return StackedSensing(tuple(operators))


def _require_alike(first: Operator, other: Operator) -> None:
    require(other.kind == first.kind, f"operators of one kind, {first.kind}", str(other.kind))
    require_size("the unknown of the other operator", other.shape, first.shape)
    require(other.dtype == first.dtype, f"operators of one dtype, {first.dtype}", other.dtype)
    require(other.device == first.device, f"operators on one device, {first.device}", other.device)


def _stacked_moment(operators: tuple[Operator, ...]) -> tuple[float, float] | None:
    """Return the sum of the laws if one row of each part measures alike, or None.

    Users of a law take all rows for alike.
    """
    laws = [(operator.count, *operator.second_moment) for operator in operators if operator.second_moment is not None]
    if len(laws) < len(operators):
        return None
    count, alpha, beta = laws[0]
    alike = all(
        math.isclose(a / n, alpha / count, rel_tol=1e-6) and math.isclose(b / n, beta / count, rel_tol=1e-6)
        for n, a, b in laws
    )
    return (sum(a for _, a, _ in laws), sum(b for _, _, b in laws)) if alike else None


def _total(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
