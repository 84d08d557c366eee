"""Table of figure 1 as typed values, and measures of its runs: stays at saddles, drops of the gradient, rates."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from wnsense.files.tables import Table
from wnsense.lab.analysis.course import Plateau, plateaus
from wnsense.lab.analysis.decay import DecayFit, Window, fit_decay
from wnsense.lab.studies.frame.study_head import StudyHead, prefixed_arrays
from wnsense.lab.studies.frame.typed_table import NonEmpty, TableReader, TypedTable
from wnsense.lab.studies.learning.specification import LearningSetting, Sensed
from wnsense.theory.saddles import escape_steps

# Squared errors below this are rounding.
_ROUNDING = 1e-24
# The final rate is fitted to errors below this share of `sigma_{r_A}^2`: there `1 - s` falls by `2 eta sigma^2` a step.
_FINAL_SHARE = 1e-2
# A saddle is left when the next direction is learned to this share.
_LEFT_AT = 0.5
_FIT_POINTS = 40
_FEWEST_POINTS = 5


# Arrays of every run, as `learning.run` describes them; these are kept for the first start alone.
ARRAYS_OF_ONE_START = (
    "saddle_distances",
    "gradient_norms",
    "squared_cosines",
    "alignment_trace",
    "outside",
    "magnitudes",
    "squared_overlaps",
    "used_alignment",
)
_ARRAYS = (
    "step",
    "applications",
    "seconds",
    *ARRAYS_OF_ONE_START,
    "eigenvalues",
    "squared_error",
    "stay_first",
    "escape",
    "start_alignment",
    "trace_fall",
)


@dataclass(frozen=True, kw_only=True)
class LearningHead(StudyHead):
    """Head of the table.

    Attributes:
        settings: Settings of the runs.
    """

    settings: NonEmpty[LearningSetting]


@dataclass(frozen=True)
class LearningRun:
    """A run of the table; its arrays are described in `learning.run`.

    Attributes:
        setting: Setting of the run.
        arrays: Arrays by their names.
    """

    setting: LearningSetting
    arrays: Mapping[str, np.ndarray]

    @property
    def label(self) -> str:
        """Kind of the measurements, in words."""
        if self.setting.sensed is Sensed.IDENTITY:
            return "identity M"
        return f"Gaussian M, n = {self.setting.measurements:,}"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the starts."""
        return self.setting.seeds

    @property
    def step(self) -> Num[np.ndarray, " rows"]:
        """Recorded steps, (rows,)."""
        return self.arrays["step"]

    @property
    def eigenvalues(self) -> Float[np.ndarray, " k"]:
        """Nonzero eigenvalues of the truth, falling, (k,)."""
        return self.arrays["eigenvalues"]

    @property
    def levels(self) -> int:
        """Number of saddles: `r_A`, for `l = 0..r_A - 1`."""
        return len(self.eigenvalues)

    @property
    def error(self) -> Float[np.ndarray, " rows"]:
        """Squared error of the first start, (rows,)."""
        return self.arrays["saddle_distances"][:, -1]

    def stays(self) -> tuple[Plateau, ...]:
        """Return the stays of the first start at saddles, by the two conditions of Lemma 4.1 alone, flat or not."""
        return plateaus(
            self.step,
            self.arrays["saddle_distances"],
            self.arrays["used_alignment"],
            self.eigenvalues,
            curve=np.maximum(self.error, np.finfo(float).tiny),
            trace=self.arrays["alignment_trace"],
            flatness=np.finfo(float).max,
        )

    def drops(self, column: int) -> dict[int, float]:
        """Return the decades by which a gradient norm falls at each saddle, from its largest since the last saddle.

        Args:
            column: Place of the norm among the three.
        """
        norms, decades, since = self.arrays["gradient_norms"][:, column], {}, 0
        for stay in self.stays():
            first, last = (int(np.searchsorted(self.step, end)) for end in (stay.first, stay.last))
            lowest = first + int(norms[first : last + 1].argmin())
            decades[stay.index] = math.log10(float(norms[since : lowest + 1].max() / norms[lowest]))
            since = lowest
        return decades

    def predicted_escapes(self) -> Float[np.ndarray, "starts k"]:
        """Return the steps at which the law `s' = 2 eta sigma^2 s^2 (1 - s)` reaches `s = 1/2`, saddle by saddle."""
        eta = self.setting.step_size

        def steps(alignment: float, sigma: float) -> float:
            return escape_steps(alignment, max(alignment, _LEFT_AT), sigma, step_size=eta)

        starts = self.arrays["start_alignment"]
        return np.array(
            [[steps(float(s), float(sigma)) for s, sigma in zip(row, self.eigenvalues, strict=True)] for row in starts]
        )

    def final_rate(self) -> DecayFit | None:
        """Return the decay of the squared error after the last saddle, None if there are too few rows.

        The rows are about evenly spaced, from the first below 1% of `sigma_{r_A}^2` to the last above rounding.
        """
        level = _FINAL_SHARE * float(self.eigenvalues[-1]) ** 2
        begun = np.flatnonzero(self.error <= level)
        done = np.flatnonzero(self.error <= _ROUNDING)
        if not len(begun):
            return None
        first = int(begun[0])
        last = int(done[0]) - 1 if len(done) else len(self.error) - 1
        if last - first + 1 < _FEWEST_POINTS:
            return None
        targets = np.linspace(float(self.step[first]), float(self.step[last]), _FIT_POINTS)
        rows = np.unique(np.abs(self.step[:, None] - targets[None]).argmin(axis=0))
        if len(rows) < _FEWEST_POINTS:
            return None
        window = Window(float(self.step[first]), float(self.step[last]))
        return fit_decay(self.step[rows], self.error[rows], window=window)

    @property
    def expected_slope(self) -> float:
        """Final slope of log(squared error) per step by the law: `-2 eta sigma_{r_A}^2`."""
        return -2 * self.setting.step_size * float(self.eigenvalues[-1]) ** 2


LearningTable = TypedTable[LearningHead, LearningRun]


def _learning_table(head: LearningHead, table: Table) -> LearningTable:
    return TypedTable(head, tuple(_run(setting, table) for setting in head.settings))


def _run(setting: LearningSetting, table: Table) -> LearningRun:
    return LearningRun(setting, prefixed_arrays(table, f"{setting.sensed}_", _ARRAYS, "learning"))


LEARNING_TABLES = TableReader(LearningHead, "learning", _learning_table)
