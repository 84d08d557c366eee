"""What the rows say of recover() against the best baselines, cell by cell."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from wnsense.lab.bench.cells import Cell
from wnsense.lab.bench.contestants import CONTESTANTS, RECOVER
from wnsense.lab.bench.rows import ACCURACIES, NEVER, Purpose, Row

# Cells with so many measurements, in degrees of freedom, are held to one goal and those with fewer to another.
PLENTY = 3.0

Group = Mapping[tuple[Cell, str, Purpose], Sequence[Row]]


@dataclass(frozen=True)
class Best:
    """A method in a cell.

    Attributes:
        method: Its name; empty where none is.
        applications: The median over seeds of applications to the strictest accuracy; infinite where at least half of
            the runs never got there.
    """

    method: str
    applications: float


@dataclass(frozen=True)
class Comparison:
    """One cell.

    Attributes:
        cell: Which.
        recover: recover() without settings.
        default: The best baseline with its published setting.
        tuned: The best baseline with its best setting.
        success: The share of seeds in which recover() gets to the strictest accuracy.
        best_success: The largest share of any baseline, published or tuned.
    """

    cell: Cell
    recover: Best
    default: Best
    tuned: Best
    success: float
    best_success: float

    @property
    def default_ratio(self) -> float | None:
        """Applications of recover() over those of the best published baseline; None where no baseline succeeds."""
        return _ratio(self.recover, self.default)

    @property
    def tuned_ratio(self) -> float | None:
        """The same against the best tuned one."""
        return _ratio(self.recover, self.tuned)

    @property
    def largest_ratio(self) -> float | None:
        """The larger of the two; None where no baseline succeeds."""
        return max((ratio for ratio in (self.default_ratio, self.tuned_ratio) if ratio is not None), default=None)


@dataclass(frozen=True)
class Verdict:
    """All cells of one sort together.

    Attributes:
        cells: How many have a baseline that succeeds.
        median_default: The median of the ratio to the best published baseline, where there is one; NaN without any.
        median_tuned: The same to the best tuned one.
        largest: The comparison with the largest ratio to either; None without cells.
    """

    cells: int
    median_default: float
    median_tuned: float
    largest: Comparison | None


def grouped(rows: Iterable[Row]) -> Group:
    """Rows that count, by cell, method and setting, over seeds."""
    found: dict[tuple[Cell, str, Purpose], list[Row]] = {}
    for row in rows:
        if row.key.purpose is not Purpose.TUNING:
            found.setdefault((row.key.cell, row.key.method, row.key.purpose), []).append(row)
    return found


def median_to(rows: Sequence[Row], accuracy: int = -1) -> float:
    """The median over seeds of applications to an accuracy, those that never got there being infinite."""
    return median(row.applications_to[accuracy] for row in rows) if rows else NEVER


def success(rows: Sequence[Row], accuracy: int = -1) -> float:
    """The share of runs that got to an accuracy."""
    return sum(row.applications_to[accuracy] < NEVER for row in rows) / len(rows) if rows else 0.0


def cells_of(rows: Iterable[Row], *, noisy: bool = False) -> list[Cell]:
    """The cells, without noise or with it."""
    return sorted({row.key.cell for row in rows if (row.key.cell.noise > 0) == noisy})


def compared(rows: Sequence[Row]) -> list[Comparison]:
    """Every cell without noise."""
    groups = grouped(rows)
    baselines = [name for name, contestant in CONTESTANTS.items() if contestant.is_baseline]
    comparisons = []
    for cell in cells_of(rows):

        def best(purpose: Purpose, cell: Cell = cell) -> Best:
            medians = {name: median_to(groups.get((cell, name, purpose), ())) for name in baselines}
            name = min(medians, key=lambda name: medians[name])
            return Best(name if medians[name] < NEVER else "", medians[name])

        own = groups.get((cell, RECOVER, Purpose.DEFAULT), ())
        shares = [
            success(groups.get((cell, name, purpose), ()))
            for name in baselines
            for purpose in (Purpose.DEFAULT, Purpose.TUNED)
        ]
        comparisons.append(
            Comparison(
                cell,
                Best(RECOVER, median_to(own)),
                best(Purpose.DEFAULT),
                best(Purpose.TUNED),
                success(own),
                max(shares),
            )
        )
    return comparisons


def verdict(comparisons: Iterable[Comparison]) -> Verdict:
    """Medians and the largest ratio over cells in which some baseline succeeds in most seeds."""
    counted = [c for c in comparisons if c.largest_ratio is not None]
    return Verdict(
        len(counted),
        _median([c.default_ratio for c in counted]),
        _median([c.tuned_ratio for c in counted]),
        max(counted, key=lambda c: c.largest_ratio or 0.0, default=None),
    )


def _median(ratios: Iterable[float | None]) -> float:
    known = [ratio for ratio in ratios if ratio is not None]
    return median(known) if known else math.nan


def performance_ratios(rows: Sequence[Row], purpose: Purpose) -> dict[str, list[float]]:
    """Of each method, applications to the strictest accuracy over the least of any method, problem by problem.

    The performance ratios of Dolan and More (arXiv cs/0102001); the share of them up to tau is a method's profile. A
    problem is a cell with a seed, without noise; those that no method solves are left out, as nothing can be compared
    on them. Infinite where a method did not get there or does not take the kind.

    Args:
        rows: The table.
        purpose: DEFAULT has every method as published; TUNED has the baselines as tuned, and the others as published.
    """
    spent: dict[tuple[Cell, int], dict[str, float]] = {}
    for row in rows:
        contestant = CONTESTANTS.get(row.key.method)
        wanted = purpose if contestant is not None and contestant.is_baseline else Purpose.DEFAULT
        if row.key.purpose is wanted and row.key.cell.noise == 0:
            spent.setdefault((row.key.cell, row.key.seed), {})[row.key.method] = row.applications_to[-1]
    methods = [name for name in (RECOVER, *CONTESTANTS) if any(name in of for of in spent.values())]
    solved = [of for of in spent.values() if min(of.values()) < NEVER]
    return {name: [of.get(name, NEVER) / min(of.values()) for of in solved] for name in methods}


def phase_maps(rows: Sequence[Row], accuracy: int = ACCURACIES.index("1e-6")) -> dict[str, dict[Cell, float]]:
    """Of each method as published, the share of seeds that get to an accuracy in each cell without noise."""
    maps: dict[str, dict[Cell, float]] = {}
    for (cell, method, purpose), of in grouped(rows).items():
        if purpose is Purpose.DEFAULT and cell.noise == 0:
            maps.setdefault(method, {})[cell] = success(of, accuracy)
    return {name: maps[name] for name in (RECOVER, *CONTESTANTS) if name in maps}


def _ratio(own: Best, other: Best) -> float | None:
    return own.applications / other.applications if other.applications < NEVER else None
