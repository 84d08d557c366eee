"""Table of the study of Table 1: what each analysis states, and the steps that were counted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.study_head import StudyHead, prefixed_arrays
from wnsense.lab.studies.frame.typed_table import NonEmpty, TableReader
from wnsense.lab.studies.rates.specification import Analysis, RateSetting
from wnsense.theory.published_rates import TABLE_1, Rate

# Relative errors below this are rounding.
_ROUNDING = 1e-10
# A fit through fewer points says nothing.
_FEWEST_POINTS = 5


@dataclass(frozen=True)
class RowHead:
    """Entry of the head for a row of Table 1 in a setting.

    Attributes:
        setting: Place of the setting among the settings.
        row: Place of the row in Table 1.
        method: Method that was run, by its name in the styles of pictures.
        step_size: Step size `eta`.
        applications: Applications of M and M* in a step.
    """

    setting: int
    row: int
    method: str
    step_size: float
    applications: int


@dataclass(frozen=True, kw_only=True)
class RateHead(StudyHead):
    """Head of the table.

    Attributes:
        rows: Entries of the rows that were run.
        analyses: Analysis of each row of Table 1.
        settings: Settings, in order.
        levels: Relative errors, falling.
        steps: Largest number of steps.
    """

    rows: NonEmpty[RowHead]
    analyses: tuple[Analysis, ...]
    settings: tuple[RateSetting, ...]
    levels: tuple[float, ...]
    steps: int


@dataclass(frozen=True)
class CountedRow:
    """A row of Table 1 as it was run in a setting.

    Attributes:
        head: Entry of the head.
        noise: Noise of the measurements.
        steps_to: Steps to each level, (levels, starts); NaN where a level was not reached.
        step: Steps of the curve, (points,).
        error: Relative error, (points, starts).
    """

    head: RowHead
    noise: float
    steps_to: Float[np.ndarray, "levels starts"]
    step: Int[np.ndarray, " points"]
    error: Float[np.ndarray, "points starts"]

    @property
    def rate(self) -> Rate:
        """Statement of the analysis."""
        return TABLE_1[self.head.row]

    @property
    def final(self) -> float:
        """Median error at the last step."""
        return float(np.median(self.error[-1]))

    def reached(self, level: int) -> float | None:
        """Return the median over starts of the steps to a level, None if at least half did not reach it."""
        steps = float(np.median(np.nan_to_num(self.steps_to[level], nan=np.inf)))
        return steps if np.isfinite(steps) else None

    def is_linear(self) -> bool | None:
        """Return True if linear convergence fits the second half of the median curve better than a power law does.

        Errors below rounding are left out. None is returned if too few points are above it.
        """
        median = np.median(self.error, axis=1)
        below = self.step[median <= _ROUNDING]
        last = int(below[0]) if len(below) else int(self.step[-1])
        inside = (self.step >= last / 2) & (self.step <= last) & (self.step > 0) & (median > 0)
        if inside.sum() < _FEWEST_POINTS:
            return None
        x, y = self.step[inside].astype(float), np.log(median[inside])
        return _misfit(x, y) < _misfit(np.log(x), y)


@dataclass(frozen=True)
class RateTable:
    """Table of the study.

    Attributes:
        head: Head of the table.
        conditions: Condition number of each setting.
        counted: Rows of each setting, in the order of Table 1, as far as they were run.
        reasons: Reason for each row that was not run.
    """

    head: RateHead
    conditions: tuple[float, ...]
    counted: tuple[tuple[CountedRow, ...], ...]
    reasons: Mapping[int, str]


def _rate_table(head: RateHead, table: Table) -> RateTable:
    noises = {analysis.row: analysis.noise for analysis in head.analyses}
    require(
        all(row.row in noises for row in head.rows),
        "the table of a study of rates with an analysis for each row",
        "one without",
    )
    rows = [_counted_row(row, noises[row.row], table) for row in head.rows]
    return RateTable(
        head,
        tuple(setting.condition for setting in head.settings),
        tuple(tuple(row for row in rows if row.head.setting == place) for place in range(len(head.settings))),
        {analysis.row: analysis.reason for analysis in head.analyses if analysis.reason},
    )


def _counted_row(head: RowHead, noise: float, table: Table) -> CountedRow:
    names = ("steps_to", "step", "error")
    arrays = prefixed_arrays(table, f"{head.setting}_{head.row}_", names, "rates")
    steps_to, step, error = (arrays[name] for name in names)
    return CountedRow(head, noise, steps_to, step, error)


RATE_TABLES = TableReader(RateHead, "rates", _rate_table)


def row_name(rate: Rate) -> str:
    """Return the method, the model and the rank of an analysis in one line."""
    surplus = "r > r_A" if rate.overparameterized else "r = r_A"
    return f"{rate.method}, {rate.model}, {surplus}"


def stated(rate: Rate) -> str:
    """Return the statement of an analysis in one line."""
    decay = "not certain here" if rate.decay is None else str(rate.decay)
    kind = " at best" if rate.is_lower_bound else ""
    return f"{decay}{kind}" if rate.rate is None else f"{decay}{kind}: {rate.rate}"


def _misfit(x: np.ndarray, y: np.ndarray) -> float:
    """Return the root mean square distance from the least-squares line."""
    slope, height = np.polyfit(x, y, 1)
    return float(np.sqrt(np.mean((y - slope * x - height) ** 2)))
