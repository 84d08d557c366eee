"""Comparison of `recover()` with the best baselines, cell by cell, from the rows of the table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from wnsense.lab.bench.cells import Cell
from wnsense.lab.bench.contestants import CONTESTANTS, RECOVER
from wnsense.lab.bench.rows import ACCURACIES, NEVER, Purpose, Row

# Number of measurements, in degrees of freedom, that separates the two groups of cells of the summary.
PLENTY = 3.0

Group = Mapping[tuple[Cell, str, Purpose], Sequence[Row]]


@dataclass(frozen=True)
class BestMethod:
    """Best method in a cell, with its cost.

    Attributes:
        method: Name of the method; empty if no method succeeds.
        applications: Median over seeds of the applications to the strictest accuracy; infinite if at least half of the
            runs do not reach it.
    """

    method: str
    applications: float


@dataclass(frozen=True)
class Comparison:
    """Comparison of `recover()` with the baselines in one cell.

    Attributes:
        cell: The cell.
        recover: Cost of `recover()` without any setting.
        default: Best baseline with its published setting.
        tuned: Best baseline with its tuned setting.
        success: Share of seeds in which `recover()` reaches the strictest accuracy.
        best_success: Largest such share of any baseline, published or tuned.
    """

    cell: Cell
    recover: BestMethod
    default: BestMethod
    tuned: BestMethod
    success: float
    best_success: float

    @property
    def default_ratio(self) -> float | None:
        """Applications of `recover()` over those of the best published baseline; None if no baseline succeeds."""
        return _ratio(self.recover, self.default)

    @property
    def tuned_ratio(self) -> float | None:
        """Applications of `recover()` over those of the best tuned baseline; None if no baseline succeeds."""
        return _ratio(self.recover, self.tuned)

    @property
    def largest_ratio(self) -> float | None:
        """The larger of both ratios; None if no baseline succeeds."""
        return max((ratio for ratio in (self.default_ratio, self.tuned_ratio) if ratio is not None), default=None)


@dataclass(frozen=True)
class RatioSummary:
    """Ratios of a group of cells, summarized.

    Attributes:
        cells: Number of cells in which some baseline succeeds.
        median_default: Median of the ratio to the best published baseline; NaN if there is no such cell.
        median_tuned: Median of the ratio to the best tuned baseline; NaN if there is no such cell.
        largest: Comparison with the largest ratio; None if there is no such cell.
    """

    cells: int
    median_default: float
    median_tuned: float
    largest: Comparison | None


def group_rows(rows: Iterable[Row]) -> Group:
    """Group rows by cell, method and purpose; rows of tuning runs are left out."""
    groups: dict[tuple[Cell, str, Purpose], list[Row]] = {}
    for row in rows:
        if row.key.purpose is not Purpose.TUNING:
            groups.setdefault((row.key.cell, row.key.method, row.key.purpose), []).append(row)
    return groups


def median_to(rows: Sequence[Row], accuracy: int = -1) -> float:
    """Return the median over seeds of the applications to an accuracy, infinite for runs that do not reach it."""
    return median(row.applications_to[accuracy] for row in rows) if rows else NEVER


def success(rows: Sequence[Row], accuracy: int = -1) -> float:
    """Return the share of runs that reach an accuracy."""
    return sum(row.applications_to[accuracy] < NEVER for row in rows) / len(rows) if rows else 0.0


def cells_of(rows: Iterable[Row], *, noisy: bool = False) -> list[Cell]:
    """Return the cells of the rows in order, those without noise or those with noise."""
    return sorted({row.key.cell for row in rows if (row.key.cell.noise > 0) == noisy})


def compare_cells(rows: Sequence[Row]) -> list[Comparison]:
    """Compare `recover()` with the baselines in every cell without noise."""
    groups = group_rows(rows)
    baselines = [name for name, contestant in CONTESTANTS.items() if contestant.is_baseline]
    comparisons = []
    for cell in cells_of(rows):

        def best(purpose: Purpose, cell: Cell = cell) -> BestMethod:
            medians = {name: median_to(groups.get((cell, name, purpose), ())) for name in baselines}
            name = min(medians, key=lambda name: medians[name])
            return BestMethod(name if medians[name] < NEVER else "", medians[name])

        own = groups.get((cell, RECOVER, Purpose.DEFAULT), ())
        shares = [
            success(groups.get((cell, name, purpose), ()))
            for name in baselines
            for purpose in (Purpose.DEFAULT, Purpose.TUNED)
        ]
        comparisons.append(
            Comparison(
                cell,
                BestMethod(RECOVER, median_to(own)),
                best(Purpose.DEFAULT),
                best(Purpose.TUNED),
                success(own),
                max(shares),
            )
        )
    return comparisons


def summarize_ratios(comparisons: Iterable[Comparison]) -> RatioSummary:
    """Return the medians and the largest of the ratios, over cells in which some baseline succeeds in most seeds."""
    counted = [c for c in comparisons if c.largest_ratio is not None]
    return RatioSummary(
        len(counted),
        _median([c.default_ratio for c in counted]),
        _median([c.tuned_ratio for c in counted]),
        max(counted, key=lambda c: c.largest_ratio or 0.0, default=None),
    )


def _median(ratios: Iterable[float | None]) -> float:
    numbers = [ratio for ratio in ratios if ratio is not None]
    return median(numbers) if numbers else math.nan


def performance_ratios(rows: Sequence[Row], purpose: Purpose) -> dict[str, list[float]]:
    """Return the performance ratios of each method, problem by problem (Dolan and More, arXiv cs/0102001).

    The ratio is the number of applications to the strictest accuracy over the least of any method. It is infinite if
    the method does not reach that accuracy or does not take the kind. The share of ratios up to `tau` is the
    performance profile. A problem is a cell without noise and a seed; problems that no method solves are left out.

    Args:
        rows: Rows of the table.
        purpose: DEFAULT takes every method as published; TUNED takes the baselines as tuned, the others as published.
    """
    spent: dict[tuple[Cell, int], dict[str, float]] = {}
    for row in rows:
        contestant = CONTESTANTS.get(row.key.method)
        compared = purpose if contestant is not None and contestant.is_baseline else Purpose.DEFAULT
        if row.key.purpose is compared and row.key.cell.noise == 0:
            spent.setdefault((row.key.cell, row.key.seed), {})[row.key.method] = row.applications_to[-1]
    methods = [name for name in (RECOVER, *CONTESTANTS) if any(name in costs for costs in spent.values())]
    solved = [costs for costs in spent.values() if min(costs.values()) < NEVER]
    return {name: [costs.get(name, NEVER) / min(costs.values()) for costs in solved] for name in methods}


def phase_maps(rows: Sequence[Row], accuracy: int = ACCURACIES.index("1e-6")) -> dict[str, dict[Cell, float]]:
    """Return, for each published method and cell without noise, the share of seeds that reach an accuracy."""
    maps: dict[str, dict[Cell, float]] = {}
    for (cell, method, purpose), group in group_rows(rows).items():
        if purpose is Purpose.DEFAULT and cell.noise == 0:
            maps.setdefault(method, {})[cell] = success(group, accuracy)
    return {name: maps[name] for name in (RECOVER, *CONTESTANTS) if name in maps}


def _ratio(own: BestMethod, other: BestMethod) -> float | None:
    return own.applications / other.applications if other.applications < NEVER else None
