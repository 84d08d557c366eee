"""Linear maps of measurements after an operator: a multiple, and a weight for each row.

They keep the one pass of the operator: `pull_back` gives it a dual that includes the map.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_finite, require_size
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack, RowDual, ScalesRows, selected_rows
from wnsense.sensing.space import Space


@dataclass(frozen=True)
class OperatorAfter(Operator):
    """Operator `T M`: a linear map `T` of measurements after an operator `M`.

    A subclass provides `T` by its two maps.

    Attributes:
        operator: Operator `M`.
    """

    operator: Operator

    @cached_property
    def space(self) -> Space:
        """Space of the unknown, that of `M`."""
        return self.operator.space

    @cached_property
    def second_moment(self) -> tuple[float, float] | None:
        """None, unless the law is known."""
        return None

    @abstractmethod
    def after(self, y: Float[Tensor, "*batch l"]) -> Float[Tensor, "*batch n"]:
        """Return `T y`."""

    @abstractmethod
    def after_transpose(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch l"]:
        """Return `T^T v`."""

    def inner_dual(self, dual: Dual) -> Dual:
        """Return the dual `T^T dual(T y)` of `M` whose back-projection is that of `dual` here."""
        return lambda y: self.after_transpose(dual(self.after(y)))

    def traces(self) -> Float[Tensor, " n"]:
        """Return `T` of the traces of `M`."""
        return self.after(self.operator.traces())

    @cached_property
    def count(self) -> int:
        """Number of measurements, that of `M` unless `T` changes it."""
        return self.operator.count

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
    """Operator `c M`.

    Attributes:
        factor: Factor `c`.
    """

    factor: float

    @cached_property
    def second_moment(self) -> tuple[float, float] | None:
        """Law of `M` times `c^2`, if declared."""
        moment = self.operator.second_moment
        square = self.factor * self.factor
        return None if moment is None else (square * moment[0], square * moment[1])

    def after(self, y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return the factor times `y`."""
        return self.factor * y

    def after_transpose(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return the factor times `v`."""
        return self.factor * v

    def inner_dual(self, dual: Dual) -> Dual:
        """Return the dual of `M`; for independent rows `c w (c y - t) = c^2 w (y - t/c)`."""
        if not isinstance(dual, RowDual):
            return lambda y: self.factor * dual(self.factor * y)
        target = None if dual.target is None else dual.target / self.factor
        return RowDual(self.factor * (self.factor * dual.weight), target)

    def row_norms(self) -> Float[Tensor, " n"] | None:
        """Return `|c|` times the norms of the rows of `M`, or None if they are not known."""
        norms = self.operator.row_norms()
        return None if norms is None else abs(self.factor) * norms

    def select_rows(self, rows: Int[Tensor, " k"]) -> "Operator | None":
        """Return the multiple of some rows, or None if `M` cannot be taken apart."""
        selected = selected_rows(self.operator, rows)
        return None if selected is None else ScaledSensing(selected, self.factor)


@dataclass(frozen=True)
class WeightedSensing(OperatorAfter):
    """Operator `diag(c) M`: each row times a number of its own.

    Attributes:
        weights: Numbers `c`, (n,), real; a row of weight zero measures nothing.
    """

    weights: Float[Tensor, " n"]

    def after(self, y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return each entry times the weight of its row."""
        return self.weights * y

    def after_transpose(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return each entry times the weight of its row."""
        return self.weights * v

    def inner_dual(self, dual: Dual) -> Dual:
        """Return the dual of `M`; for independent rows `c w (c y - t) = c^2 w (y - t/c)`, zero where `c` is."""
        c = self.weights
        if not isinstance(dual, RowDual):
            return lambda y: c * dual(c * y)
        # A row whose squared weight is zero has no back-projection: any divisor but zero will do.
        square = c.square()
        target = None if dual.target is None else dual.target / torch.where(square == 0, 1, c)
        return RowDual(square * dual.weight, target)

    def row_norms(self) -> Float[Tensor, " n"] | None:
        """Return `|c_i|` times the norms of the rows of `M`, or None if they are not known."""
        norms = self.operator.row_norms()
        return None if norms is None else self.weights.abs() * norms

    def scale_rows(self, factors: Float[Tensor, " n"]) -> Operator:
        """Return the operator with the weights `factors_i c_i`."""
        return scaled_rows(self.operator, factors * self.weights)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "Operator | None":
        """Return some rows, each times its weight, or None if `M` cannot be taken apart."""
        selected = selected_rows(self.operator, rows)
        return None if selected is None else WeightedSensing(selected, self.weights[rows])


def scaled(operator: Operator, factor: float) -> ScaledSensing:
    """Return the multiple `c M`, whose law is `(c^2 alpha, c^2 beta)` if that of `M` is declared.

    Raises:
        InputError: If the factor is zero or not finite.
    """
    require(math.isfinite(factor) and factor != 0, "a factor that is finite and not zero", factor)
    return ScaledSensing(operator, float(factor))


def row_weighted(operator: Operator, weights: Float[Tensor, " n"]) -> WeightedSensing:
    """Return `diag(c) M`: row i times `c_i`, which may be negative or zero.

    Weights w of a `Problem` are those of squares: its objective is that of `c = sqrt(w)`, with `sqrt(w) y` as
    measurements.

    Raises:
        InputError: If there is not one finite weight for each row, in the dtype of the measurements.
    """
    require_size("the weights", weights.shape, (operator.count,), "one for each row")
    real = operator.real_dtype
    require(weights.dtype == real, f"weights of {real}", weights.dtype, "convert them")
    if weights.device.type != "meta":
        require_finite("the weights", weights)
    return WeightedSensing(operator, weights.to(operator.device))


def scaled_rows(operator: Operator, factors: Float[Tensor, " n"]) -> Operator:
    """Return `diag(factors) M`, by the operator's own data where it takes factors in."""
    return operator.scale_rows(factors) if isinstance(operator, ScalesRows) else WeightedSensing(operator, factors)


def with_own_factors(operator: Operator) -> Operator:
    """Return the operator whose own data have the factors of its rows, where it can take them in."""
    return operator.scale_rows(torch.ones_like(operator.weights)) if isinstance(operator, WeightedSensing) else operator
