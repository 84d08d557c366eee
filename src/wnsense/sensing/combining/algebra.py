"""Operators made of operators: sums, multiples, stacks, weighted and chosen rows. None of them holds data of its own.

All keep the one pass of what they are made of: `pull_back` hands the inner operator a dual that says the same in its
rows. Changes of the unknown are in `composition`, the removal of the trace in `centring`.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Inexact, Int, Shaped
from torch import Tensor

from wnsense.checks import require, require_finite, require_size
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack, RowDual, selected_rows
from wnsense.sensing.space import Space


@dataclass(frozen=True)
class OperatorAfter(Operator):
    """T M: a linear map T of measurements after an operator M. What differs is T, given by its two maps.

    Attributes:
        operator: M.
    """

    operator: Operator

    @cached_property
    def space(self) -> Space:
        """Space of the unknown, that of `M`."""
        return self.operator.space

    @cached_property
    def count(self) -> int:
        """Number of measurements, that of `M` unless `T` changes it."""
        return self.operator.count

    @cached_property
    def second_moment(self) -> tuple[float, float] | None:
        """None, unless the law is known."""
        return None

    @abstractmethod
    def after(self, y: Float[Tensor, "*batch l"]) -> Float[Tensor, "*batch n"]:
        """T y."""

    @abstractmethod
    def after_transpose(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch l"]:
        """T^T v."""

    def inner_dual(self, dual: Dual) -> Dual:
        """What M back-projects where this operator back-projects dual(y): T^T dual(T y)."""
        return lambda y: self.after_transpose(dual(self.after(y)))

    def traces(self) -> Float[Tensor, " n"]:
        """T of the inner traces."""
        return self.after(self.operator.traces())

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return self.after(self.operator.measure(point))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        return self.operator.adjoint(self.after_transpose(v))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return self.operator.adjoint_times(self.after_transpose(v), V)

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        return self.operator.adjoint_transpose_times(self.after_transpose(v), U)

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        back = self.operator.pull_back(point, self.inner_dual(dual), width=width)
        return PulledBack(self.after(back.measurements), back.left, back.right)


@dataclass(frozen=True)
class ScaledSensing(OperatorAfter):
    """c M.

    Attributes:
        factor: c.
    """

    factor: float

    @cached_property
    def second_moment(self) -> tuple[float, float] | None:
        """Law of `M` times `c^2`, if declared."""
        moment = self.operator.second_moment
        square = self.factor * self.factor
        return None if moment is None else (square * moment[0], square * moment[1])

    def after(self, y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """The factor times y."""
        return self.factor * y

    def after_transpose(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """The factor times v."""
        return self.factor * v

    def inner_dual(self, dual: Dual) -> Dual:
        """For each row on its own, c w (c y - t) = c^2 w (y - t/c)."""
        if not isinstance(dual, RowDual):
            return lambda y: self.factor * dual(self.factor * y)
        target = None if dual.target is None else dual.target / self.factor
        return RowDual(self.factor * (self.factor * dual.weight), target)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "Operator | None":
        """The same multiple of the chosen rows."""
        selected = selected_rows(self.operator, rows)
        return None if selected is None else ScaledSensing(selected, self.factor)


@dataclass(frozen=True)
class WeightedSensing(OperatorAfter):
    """diag(c) M: each row times a number of its own.

    Attributes:
        weights: c, (n,), real; a row of weight zero measures nothing.
    """

    weights: Float[Tensor, " n"]

    def after(self, y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Each entry times the weight of its row."""
        return self.weights * y

    def after_transpose(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Each entry times the weight of its row."""
        return self.weights * v

    def inner_dual(self, dual: Dual) -> Dual:
        """For each row on its own, c w (c y - t) = c^2 w (y - t/c); zero where c is."""
        c = self.weights
        if not isinstance(dual, RowDual):
            return lambda y: c * dual(c * y)
        # A row whose weight is zero, or vanishes when squared, back-projects nothing: any divisor but zero will do.
        square = c.square()
        target = None if dual.target is None else dual.target / torch.where(square == 0, 1, c)
        return RowDual(square * dual.weight, target)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "Operator | None":
        """The chosen rows, each times its weight."""
        selected = selected_rows(self.operator, rows)
        return None if selected is None else WeightedSensing(selected, self.weights[rows])


@dataclass(frozen=True)
class RestrictedSensing(OperatorAfter):
    """Some rows of an operator whose data cannot be taken apart: all rows are measured, and these kept.

    `restrict` makes one where it must, and checks the rows.

    Attributes:
        rows: Which, in which order, (k,), each once.
    """

    rows: Int[Tensor, " k"]

    @cached_property
    def count(self) -> int:
        """Number of rows kept."""
        return len(self.rows)

    def after(self, y: Float[Tensor, "*batch l"]) -> Float[Tensor, "*batch k"]:
        """The entries of the chosen rows."""
        return y[..., self.rows]

    def after_transpose(self, v: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch l"]:
        """The entries of v where they came from, zero elsewhere."""
        out = v.new_zeros((*v.shape[:-1], self.operator.count))
        out[..., self.rows] = v
        return out

    def inner_dual(self, dual: Dual) -> Dual:
        """Rows that were not chosen have weight zero."""
        if not isinstance(dual, RowDual):
            return lambda y: self.after_transpose(dual(self.after(y)))
        target = None if dual.target is None else self.after_transpose(dual.target)
        return RowDual(self.after_transpose(dual.weight), target)

    def select_rows(self, rows: Int[Tensor, " k"]) -> Operator:
        """The chosen of the chosen."""
        return chosen_rows(self.operator, self.rows[rows])


@dataclass(frozen=True)
class SumSensing(Operator):
    """M + M', row by row.

    Its gradient takes two passes over the data: what is back-projected depends on both parts of each measurement.

    Attributes:
        first: M.
        second: M', of the same kind, shape and count.
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

    @cached_property
    def count(self) -> int:
        """Number of measurements of either operator."""
        return self.first.count

    def traces(self) -> Float[Tensor, " n"]:
        """The sums of both traces."""
        return self.first.traces() + self.second.traces()

    def select_rows(self, rows: Int[Tensor, " k"]) -> "Operator | None":
        """The sum of the chosen rows."""
        first, second = selected_rows(self.first, rows), selected_rows(self.second, rows)
        return None if first is None or second is None else SumSensing(first, second)

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
    """The rows of several operators one after the other.

    Attributes:
        operators: The parts, of the same kind and shape.
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
    def count(self) -> int:
        """Number of rows of all parts."""
        return sum(self.counts)

    @cached_property
    def second_moment(self) -> tuple[float, float] | None:
        """Sum of the laws, if the rows of all parts are alike."""
        return _stacked_moment(self.operators)

    @property
    def counts(self) -> list[int]:
        """The number of rows of each part."""
        return [operator.count for operator in self.operators]

    def traces(self) -> Float[Tensor, " n"]:
        """The traces of the parts one after the other."""
        return torch.cat([operator.traces() for operator in self.operators])

    def select_rows(self, rows: Int[Tensor, " k"]) -> Operator:
        """The chosen rows of each part, in the order asked for."""
        parts, order, start = [], [], 0
        for operator in self.operators:
            places = torch.nonzero((rows >= start) & (rows < start + operator.count)).flatten()
            if len(places):
                parts.append(chosen_rows(operator, rows[places] - start))
                order.append(places)
            start += operator.count
        together = StackedSensing(tuple(parts)) if len(parts) > 1 else parts[0]
        back = torch.argsort(torch.cat(order))
        if bool((back[1:] > back[:-1]).all()):
            return together
        return RestrictedSensing(together, back)

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
            # What a part back-projects may depend on the rows of another.
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
    """M + M': y_i = Re <M_i + M'_i, Z>.

    Raises:
        InputError: When the two differ in kind, shape, count, dtype or device.
    """
    return SumSensing(first, second)


def scaled(operator: Operator, factor: float) -> ScaledSensing:
    """The multiple c M, whose law is (c^2 alpha, c^2 beta) where that of M is declared.

    Raises:
        InputError: When the factor is zero or not finite.
    """
    require(math.isfinite(factor) and factor != 0, "a factor that is finite and not zero", factor)
    return ScaledSensing(operator, float(factor))


def row_weighted(operator: Operator, weights: Float[Tensor, " n"]) -> WeightedSensing:
    """diag(c) M: row i times c_i, which may be negative or zero.

    Weights w of a `Problem` are those of squares: its objective is that of c = sqrt(w), with sqrt(w) y as measurements.

    Raises:
        InputError: When there is not one finite weight for each row, in the dtype of the measurements.
    """
    require_size("the weights", weights.shape, (operator.count,), "one for each row")
    real = operator.real_dtype
    require(weights.dtype == real, f"weights of {real}", weights.dtype, "convert them")
    if weights.device.type != "meta":
        require_finite("the weights", weights)
    return WeightedSensing(operator, weights.to(operator.device))


def stacked(operators: Sequence[Operator]) -> StackedSensing:
    """The rows of all operators one after the other.

    Where all rows are alike, the laws add up; where the parts weigh theirs differently, none is declared.

    Raises:
        InputError: When there is none, or they differ in kind, shape, dtype or device.
    """
    return StackedSensing(tuple(operators))


def restrict(operator: Operator, rows: Shaped[Tensor, " k"]) -> Operator:
    """Some rows of an operator, in the order given: rows held out, say, or those of one sensor.

    Where the data can be taken apart (`Operator.select_rows`) the result holds the chosen rows and its cost is theirs;
    otherwise every application measures all rows and keeps these (`RestrictedSensing`).

    Args:
        operator: The operator.
        rows: Indices from 0, each at most once, or a mask of length n, true for the rows to keep.

    Raises:
        InputError: When no row is chosen, an index is negative, too large or there twice, or a mask has another length.
    """
    integer = not (rows.is_floating_point() or rows.is_complex())
    require(integer, "indices of rows, or a mask of booleans", rows.dtype)
    if rows.dtype == torch.bool:
        require_size("the mask of rows", rows.shape, (operator.count,), "one for each row")
        rows = torch.nonzero(rows).flatten()
    require(len(rows), "at least one row to keep", "none")
    rows = rows.long()
    if rows.device.type != "meta":
        _require_rows(rows, operator.count)
    return chosen_rows(operator, rows.to(operator.device))


def chosen_rows(operator: Operator, rows: Int[Tensor, " k"]) -> Operator:
    """What `restrict` gives, for rows that are known to be right."""
    selected = selected_rows(operator, rows)
    return RestrictedSensing(operator, rows) if selected is None else selected


def _require_rows(rows: Tensor, count: int) -> None:
    least, most = int(rows.min()), int(rows.max())
    require(least >= 0, f"rows between 0 and {count - 1}", least, "count them from 0")
    require(most < count, f"rows between 0 and {count - 1}", most, "count them from 0")
    values, times = torch.unique(rows, return_counts=True)
    if bool((times > 1).any()):
        twice = int(values[times > 1][0])
        require(condition=False, needed="each row once", came=f"row {twice} again", advice="use weights to count rows")


def _require_alike(first: Operator, other: Operator) -> None:
    require(other.kind == first.kind, f"operators of one kind, {first.kind}", str(other.kind))
    require_size("the unknown of the other operator", other.shape, first.shape)
    require(other.dtype == first.dtype, f"operators of one dtype, {first.dtype}", other.dtype)
    require(other.device == first.device, f"operators on one device, {first.device}", other.device)


def _stacked_moment(operators: tuple[Operator, ...]) -> tuple[float, float] | None:
    """The sum of the laws, where one row of each part measures alike: who relies on a law takes all rows for alike."""
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
