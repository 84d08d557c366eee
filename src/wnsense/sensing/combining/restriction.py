"""Some rows of an operator."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.sensing.combining.measurement_maps import OperatorAfter
from wnsense.sensing.operator import Dual, Operator, RowDual, selected_rows


@dataclass(frozen=True)
class RestrictedSensing(OperatorAfter):
    """Some rows of an operator whose data cannot be taken apart: all rows are measured, and some are kept.

    `restrict` makes one only if it must, and checks the rows. No law is declared: a law of all rows together implies
    nothing for some, unless all are alike.

    Attributes:
        rows: Numbers of the rows to keep, in their order, (k,), each once.
    """

    rows: Int[Tensor, " k"]

    @cached_property
    def count(self) -> int:
        """Number of rows kept."""
        return len(self.rows)

    def after(self, y: Float[Tensor, "*batch l"]) -> Float[Tensor, "*batch k"]:
        """Return the entries of the rows that are kept."""
        return y[..., self.rows]

    def after_transpose(self, v: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch l"]:
        """Return the entries of `v` at their rows, zero elsewhere."""
        out = v.new_zeros((*v.shape[:-1], self.operator.count))
        out[..., self.rows] = v
        return out

    def inner_dual(self, dual: Dual) -> Dual:
        """Return the dual of `M`, with weight zero for the other rows."""
        if not isinstance(dual, RowDual):
            return lambda y: self.after_transpose(dual(self.after(y)))
        target = None if dual.target is None else self.after_transpose(dual.target)
        return RowDual(self.after_transpose(dual.weight), target)

    def row_norms(self) -> Float[Tensor, " k"] | None:
        """Return the norms of the rows that are kept, or None if they are not known."""
        norms = self.operator.row_norms()
        return None if norms is None else norms[self.rows]

    def select_rows(self, rows: Int[Tensor, " k"]) -> Operator:
        """Return the operator of some of the rows that are kept."""
        return operator_of_rows(self.operator, self.rows[rows])


def restrict(operator: Operator, rows: Shaped[Tensor, " k"]) -> Operator:
    """Return the operator of some rows, in the order given: rows held out, for example, or those of one sensor.

    If the data can be taken apart (`select_rows`), the result holds the data of these rows alone, and its cost is
    theirs. Otherwise every application measures all rows and keeps these (`RestrictedSensing`).

    Args:
        operator: Operator.
        rows: Indices from 0, each at most once, or a mask of length n, true for the rows to keep.

    Raises:
        InputError: If there is no row, an index is negative, too large or repeated, or a mask has another length.
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
    return operator_of_rows(operator, rows.to(operator.device))


def operator_of_rows(operator: Operator, rows: Int[Tensor, " k"]) -> Operator:
    """Return the operator of some rows like `restrict`, without a check of the rows."""
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
