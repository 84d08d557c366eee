"""Course of a run from its recorded columns: plateaus, escapes, the end of the burn-in, monotonicity.

Each function takes the columns of one run, (rows,) or (rows, levels), with the steps at which they were recorded. The
columns are those of `alignment.ALONG_A_RUN`. Rates are in `decay`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, Num

from wnsense.checks import require, require_level, require_size

# From Theorem 3.2 of arXiv 2510.01175: the saddle phase ends where Tr(Phi Phi^T) is this far from r_A.
_BURN_IN_MARGIN = 0.5
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Plateau:
    """Stay near one saddle of Lemma 4.1.

    Attributes:
        index: Index `l` of the saddle: `X Theta X^H` is near `A_l`.
        first: First recorded step of the stay.
        last: Last recorded step of the stay.
        escape: First recorded step after the stay; None if the record ends before.
        closest: Least `||X Theta X^H - A_l||_F` over the gap, at most the closeness.
        level: Geometric mean of the curve over the stay; NaN without a curve.
        slope: Slope `d log(curve) / d log(step + 1)` from the first row to the last; NaN without a curve.
        surplus: `Tr(Phi Phi^H) - l` at the closest row; NaN without that column. In the lemma it is 0. A random start
            of many columns has `r r_A / m` in directions of no magnitude, and escapes by them.
    """

    index: int
    first: int
    last: int
    escape: int | None
    closest: float
    level: float
    slope: float
    surplus: float


@dataclass(frozen=True)
class Monotonicity:
    """Falls of a quantity that should only grow.

    Attributes:
        count: Number of rows that are below the row before them by more than rounding.
        largest: Largest of these falls; 0 without one.
        total: Sum of these falls.
        first: Step of the first fall; None without one.
    """

    count: int
    largest: float
    total: float
    first: int | None


def saddle_index(
    distances: Float[np.ndarray, "rows levels"],
    used_alignment: Float[np.ndarray, "rows levels"],
    eigenvalues: Num[np.ndarray, " k"],
    *,
    closeness: float = 0.5,
    looseness: float = 0.1,
) -> Int[np.ndarray, " rows"]:
    """Return the saddle near each row, `l = 0..r_A`, or -1: Lemma 4.1's two conditions, each with a tolerance.

    1. `||X Theta X^H - A_l||_F <= closeness |sigma_{l+1}|`. The tolerance is relative to the next gap
       `||A_{l+1} - A_l||_F`, the length of the next step of learning; for `l = r_A`, which has none, to
       `|sigma_{r_A}|`. For a closeness up to 1/2 the balls are disjoint, since `|sigma_l|` is the distance of
       `A_{l-1}` from `A_l`: no row has two indices. The error `||X Theta X^H - A||_F` is then within
       `closeness |sigma_{l+1}|` of that of `A_l`, which is at least `|sigma_{l+1}|`. The curve is therefore flat to a
       factor `(1 + closeness)/(1 - closeness)`.
    2. `|T_l - l| <= looseness`, with `T_l` the trace over the `l` directions in use (`alignment.used_alignment`): these
       directions lie in `span(U)`. The lemma has the trace over all of `X`. Near a saddle's matrix the surplus
       directions have no magnitude and no effect on the loss; their alignment grows during the stay and ends it. A
       random start has `r r_A / m` of it, so that the lemma's own condition would find no saddle.

    Args:
        distances: Squared distances `||X Theta X^H - A_l||_F^2` for `l = 0..r_A`, in the eigenvalues' squared units.
        used_alignment: Traces `T_l` for `l = 0..r_A`.
        eigenvalues: Eigenvalues `sigma_1..sigma_{r_A}` of the truth, magnitudes falling, none zero.
        closeness: Tolerance of the first condition, above 0 and at most 1/2.
        looseness: Tolerance of the second condition, at least 0.

    Raises:
        InputError: If sizes do not agree or a number is out of range.
    """
    sigma = np.abs(eigenvalues)
    require_size("the columns of distances", distances.shape[1:], (len(sigma) + 1,), "one for each l = 0..r_A")
    require_size("the used alignments", used_alignment.shape, distances.shape)
    falling = len(sigma) > 0 and bool(np.all(np.diff(sigma) <= 0)) and sigma[-1] > 0
    require(falling, "at least one eigenvalue, magnitudes falling, none zero", sigma.tolist())
    require(0 < closeness <= 0.5, "a closeness above 0 and at most 1/2", closeness, "balls must not overlap")
    require_level("a looseness", looseness)
    near = distances <= (closeness * np.append(sigma, sigma[-1])) ** 2
    aligned = np.abs(used_alignment - np.arange(len(sigma) + 1)) <= looseness
    fulfilled = near & aligned
    return np.where(fulfilled.any(axis=1), fulfilled.argmax(axis=1), -1)


def plateaus(
    steps: Num[np.ndarray, " rows"],
    distances: Float[np.ndarray, "rows levels"],
    used_alignment: Float[np.ndarray, "rows levels"],
    eigenvalues: Num[np.ndarray, " k"],
    *,
    curve: Float[np.ndarray, " rows"] | None = None,
    trace: Float[np.ndarray, " rows"] | None = None,
    closeness: float = 0.5,
    looseness: float = 0.1,
    least_rows: int = 3,
    flatness: float = 0.5,
) -> tuple[Plateau, ...]:
    """Return the stays near saddles, in order; `l = r_A`, the solution, is none.

    A stay lasts from the first row with an index to the last row before another index (`saddle_index`); rows without an
    index in between do not end it. A stay counts if it has at least `least_rows` rows. With a curve, the curve must
    also be flat between the two ends: `|d log(curve) / d log(step + 1)|` is at most `flatness`.

    Args:
        steps: Recorded steps, rising.
        distances: Squared distances, as for `saddle_index`.
        used_alignment: Traces, as for `saddle_index`.
        eigenvalues: Eigenvalues of the truth, as for `saddle_index`.
        curve: Positive quantity with plateaus, such as the squared error; None to use the conditions alone.
        trace: Trace `Tr(Phi Phi^H)`, for `Plateau.surplus`.
        closeness: Tolerance, as for `saddle_index`.
        looseness: Tolerance, as for `saddle_index`.
        least_rows: Least number of rows of a stay.
        flatness: Largest slope of a plateau on logarithmic axes, not negative.

    Raises:
        InputError: If sizes do not agree or a number is out of range.
    """
    _require_steps(steps, len(distances))
    require(least_rows >= 1, "a stay of 1 or more rows", least_rows)
    require_level("a flatness", flatness)
    for name, column in (("the curve", curve), ("the trace", trace)):
        if column is not None:
            require_size(name, column.shape, steps.shape)
    require(curve is None or (curve > 0).all(), "a curve of positive numbers", "one that is not")
    labels = saddle_index(distances, used_alignment, eigenvalues, closeness=closeness, looseness=looseness)
    gaps, stays = np.abs(eigenvalues), []
    for index, first, last in _stays(labels):
        here = slice(first, last + 1)
        if index == len(gaps) or last - first + 1 < least_rows:
            continue
        level, slope = (float("nan"),) * 2 if curve is None else _level_and_slope(steps[here], curve[here])
        if abs(slope) > flatness:
            continue
        apart = np.sqrt(distances[here, index]) / gaps[index]
        closest = int(apart.argmin())
        surplus = float("nan") if trace is None else float(trace[here][closest]) - index
        ends = int(steps[first]), int(steps[last]), int(steps[last + 1]) if last + 1 < len(steps) else None
        stays.append(Plateau(index, *ends, float(apart[closest]), level, slope, surplus))
    return tuple(stays)


def escapes(stays: tuple[Plateau, ...]) -> Mapping[int, int]:
    """Return, for each saddle `l` with an escape, the step of its last escape."""
    return {plateau.index: plateau.escape for plateau in stays if plateau.escape is not None}


def _level_and_slope(steps: np.ndarray, curve: np.ndarray) -> tuple[float, float]:
    """Return the geometric mean of a curve, and its slope on logarithmic axes from the first row to the last."""
    logs = np.log(curve)
    reach = np.log((steps[-1] + 1) / (steps[0] + 1))
    return float(np.exp(logs.mean())), float((logs[-1] - logs[0]) / reach) if reach > 0 else 0.0


def _stays(labels: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Yield the index, the first row and the last row of each stay."""
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        return
    first = int(rows[0])
    for row, following in pairwise([*rows.tolist(), -1]):
        if following < 0 or labels[following] != labels[row]:
            yield int(labels[row]), first, row
            first = following


def monotonicity(
    steps: Num[np.ndarray, " rows"], values: Float[np.ndarray, " rows"], *, rounding: float = _ROUNDING
) -> Monotonicity:
    """Return the falls from row to row of a column that should only grow, such as `Tr(Phi Phi^H)`.

    Args:
        steps: Recorded steps, rising.
        values: Column, (rows,).
        rounding: Largest fall that is ignored, relative to the largest magnitude of the column.

    Raises:
        InputError: If sizes do not agree, or the rounding is negative.
    """
    _require_steps(steps, len(values))
    require_level("a rounding", rounding)
    falls = np.maximum(-np.diff(values), 0.0)
    falls[falls <= rounding * np.abs(values).max(initial=0.0)] = 0.0
    rows = np.flatnonzero(falls)
    first = int(steps[rows[0] + 1]) if len(rows) else None
    return Monotonicity(len(rows), float(falls.max(initial=0.0)), float(falls.sum()), first)


def end_of_burn_in(
    steps: Num[np.ndarray, " rows"],
    trace: Float[np.ndarray, " rows"],
    true_rank: int,
    *,
    margin: float = _BURN_IN_MARGIN,
) -> int | None:
    """Return `t_0` of Theorem 3.2: the first recorded step with `Tr(Phi Phi^H) >= r_A - margin`, or None.

    Args:
        steps: Recorded steps, rising.
        trace: Trace `Tr(Phi Phi^H)`.
        true_rank: Rank `r_A` of the truth.
        margin: Margin, 1/2 in the theorem.

    Raises:
        InputError: If sizes do not agree, the rank is below 1, or the margin is negative.
    """
    _require_steps(steps, len(trace))
    require(true_rank >= 1, "a true rank of at least 1", true_rank)
    require_level("a margin", margin)
    rows = np.flatnonzero(trace >= true_rank - margin)
    return int(steps[rows[0]]) if len(rows) else None


def _require_steps(steps: np.ndarray, rows: int) -> None:
    require_size("the steps", steps.shape, (rows,), "give one for each row")
    require(bool(np.all(np.diff(steps) > 0)), "steps that rise", "some that do not", "take the rows in order, once")
