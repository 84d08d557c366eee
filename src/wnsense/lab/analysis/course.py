"""What the recorded columns of a run say of its course: plateaus, escapes, the end of the burn-in, monotonicity.

Each function takes the columns of one run, (rows,) or (rows, levels), with the steps at which they were written. The
columns are those of `alignment.ALONG_A_RUN`. Rates are in `decay`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, Num

from wnsense.checks import require, require_level, require_size

# Of Theorem 3.2 of arXiv 2510.01175: the saddle phase ends where Tr(Phi Phi^T) is this far from r_A.
_BURN_IN_MARGIN = 0.5
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Plateau:
    """A stay near one saddle of Lemma 4.1.

    Attributes:
        index: l, the saddle's index: X Theta X^H is near A_l.
        first: The first recorded step there.
        last: The last recorded step there.
        escape: The first recorded step at which it has been left; None where the record ends on it.
        closest: The least ||X Theta X^H - A_l||_F over the gap, at most the closeness asked for.
        level: The geometric mean of the curve over the stay; NaN without a curve.
        slope: d log(curve) / d log(step + 1) from the first row to the last; NaN without a curve.
        surplus: Tr(Phi Phi^H) - l at the closest row; NaN without that column. By the letter of the lemma it is 0; a
            random start of many columns has r r_A / m in directions of no magnitude, and leaves by them.
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
    """Where a quantity that should only grow falls.

    Attributes:
        count: The number of rows that are below the row before them by more than rounding.
        largest: The largest of these falls; 0 without one.
        total: Their sum.
        first: The step of the first; None without one.
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
    """The saddle that each row is at, l = 0..r_A, or -1: Lemma 4.1's two conditions, each with a tolerance.

    1. ||X Theta X^H - A_l||_F <= closeness |sigma_{l+1}|: relative to the next gap ||A_{l+1} - A_l||_F, since that is
       how far the next step of learning goes; for l = r_A, which has no next one, |sigma_{r_A}|. For closeness up to
       1/2 the balls are disjoint, |sigma_l| being the distance of A_{l-1} from A_l: no row has two indices. The error
       ||X Theta X^H - A||_F is then within closeness |sigma_{l+1}| of that of A_l, which is at least |sigma_{l+1}|: the
       curve is flat to a factor (1 + closeness)/(1 - closeness) there by itself.
    2. |T_l - l| <= looseness, T_l the trace over the l directions in use (`alignment.used_alignment`): these
       directions lie in span(U). The lemma has the trace over all of X. Near a saddle's matrix the surplus directions
       have no magnitude, no effect on the loss, and an alignment that grows during the stay and ends it; to ask that
       it be zero would find no saddle in a run from a random start with r r_A / m of it.

    Args:
        distances: ||X Theta X^H - A_l||_F^2 for l = 0..r_A, squared, in the units of the eigenvalues squared.
        used_alignment: T_l for l = 0..r_A.
        eigenvalues: sigma_1..sigma_{r_A} of the truth, magnitudes falling, none zero.
        closeness: Above 0 and at most 1/2.
        looseness: At least 0.

    Raises:
        InputError: When sizes do not agree or a number is out of range.
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
    met = near & aligned
    return np.where(met.any(axis=1), met.argmax(axis=1), -1)


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
    """The stays near saddles, in order; l = r_A, the solution, is none.

    A stay reaches from the first row with an index to the last before another index comes (`saddle_index`): rows
    between that have none do not part it. It counts when it is `least_rows` long and, with a curve, when the curve is
    flat over it: |d log(curve) / d log(step + 1)| at most `flatness`, between its ends.

    Args:
        steps: The recorded steps, rising.
        distances: As for `saddle_index`.
        used_alignment: As for `saddle_index`.
        eigenvalues: As for `saddle_index`.
        curve: A positive quantity that has plateaus, such as the squared error; None to go by the conditions alone.
        trace: Tr(Phi Phi^H), for `Plateau.surplus`.
        closeness: As for `saddle_index`.
        looseness: As for `saddle_index`.
        least_rows: How many rows make a stay.
        flatness: How steep a plateau may be on logarithmic axes; not negative.

    Raises:
        InputError: When sizes do not agree or a number is out of range.
    """
    _require_steps(steps, len(distances))
    require(least_rows >= 1, "a stay of 1 or more rows", least_rows)
    require_level("a flatness", flatness)
    for name, column in (("the curve", curve), ("the trace", trace)):
        if column is not None:
            require_size(name, column.shape, steps.shape)
    require(curve is None or (curve > 0).all(), "a curve of positive numbers", "one that is not")
    labels = saddle_index(distances, used_alignment, eigenvalues, closeness=closeness, looseness=looseness)
    gaps, found = np.abs(eigenvalues), []
    for index, first, last in _stays(labels):
        here = slice(first, last + 1)
        if index == len(gaps) or last - first + 1 < least_rows:
            continue
        apart = np.sqrt(distances[here, index]) / gaps[index]
        closest = int(apart.argmin())
        slope = level = float("nan")
        if curve is not None:
            logs = np.log(curve[here])
            reach = np.log((steps[last] + 1) / (steps[first] + 1))
            slope = float((logs[-1] - logs[0]) / reach) if reach > 0 else 0.0
            level = float(np.exp(logs.mean()))
            if abs(slope) > flatness:
                continue
        found.append(
            Plateau(
                index=index,
                first=int(steps[first]),
                last=int(steps[last]),
                escape=int(steps[last + 1]) if last + 1 < len(steps) else None,
                closest=float(apart[closest]),
                level=level,
                slope=slope,
                surplus=float("nan") if trace is None else float(trace[here][closest]) - index,
            )
        )
    return tuple(found)


def escapes(found: tuple[Plateau, ...]) -> Mapping[int, int]:
    """From l to the step at which the saddle l is left for the last time, for those that are left."""
    return {plateau.index: plateau.escape for plateau in found if plateau.escape is not None}


def _stays(labels: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Index, first row and last row of each stay."""
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
    """Where a column that should only grow, such as Tr(Phi Phi^H), falls from row to row.

    Args:
        steps: The recorded steps, rising.
        values: The column.
        rounding: What a fall may be, relative to the largest magnitude of the column.

    Raises:
        InputError: When sizes do not agree, or the rounding is negative.
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
    """t_0 of Theorem 3.2: the first recorded step with Tr(Phi Phi^H) >= r_A - margin; None where there is none.

    Args:
        steps: The recorded steps, rising.
        trace: Tr(Phi Phi^H).
        true_rank: r_A.
        margin: 1/2 in the theorem.

    Raises:
        InputError: When sizes do not agree, the rank is below 1, or the margin is negative.
    """
    _require_steps(steps, len(trace))
    require(true_rank >= 1, "a true rank of at least 1", true_rank)
    require_level("a margin", margin)
    rows = np.flatnonzero(trace >= true_rank - margin)
    return int(steps[rows[0]]) if len(rows) else None


def _require_steps(steps: np.ndarray, rows: int) -> None:
    require_size("the steps", steps.shape, (rows,), "give one for each row")
    require(bool(np.all(np.diff(steps) > 0)), "steps that rise", "some that do not", "take the rows in order, once")
