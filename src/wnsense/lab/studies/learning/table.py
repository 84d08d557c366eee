"""The table of figure 1 as runs, and what is measured on them: stays at saddles, drops of the gradient, rates."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Num

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.lab.analysis.course import Plateau, plateaus
from wnsense.lab.analysis.decay import DecayFit, Window, fit_decay
from wnsense.theory.saddles import escape_steps

# Squared errors below this are rounding.
_ROUNDING = 1e-24
# The final rate is that of errors below this share of sigma_{r_A}^2, where 1 - s falls by 2 eta sigma^2 and s^2 is 1.
_FINAL_SHARE = 1e-2
# A saddle's matrix is left at half of the next eigenvalue.
_LEFT_AT = 0.5
_FIT_POINTS = 40
_FEWEST_POINTS = 5


@dataclass(frozen=True)
class LearningRun:
    """One setting of the table; the columns are described where they are made (`studies.learning.running`).

    Attributes:
        facts: Of its setting, as its table's head has them.
        arrays: Its columns, by name.
    """

    facts: Mapping[str, object]
    arrays: Mapping[str, np.ndarray]

    @property
    def sensed(self) -> str:
        """`identity` or `gaussian`."""
        return str(self.facts["sensed"])

    @property
    def label(self) -> str:
        """What measures, in words."""
        if self.sensed == "identity":
            return "identity M"
        return f"Gaussian M, n = {self.number('measurements'):,.0f}"

    @property
    def seeds(self) -> list[int]:
        """Of the starts."""
        return [int(seed) for seed in cast("list[int]", self.facts["seeds"])]

    def number(self, name: str) -> float:
        """A number of its setting."""
        return float(str(self.facts[name]))

    @property
    def step(self) -> Num[np.ndarray, " rows"]:
        """The recorded steps."""
        return self.arrays["step"]

    @property
    def eigenvalues(self) -> Float[np.ndarray, " k"]:
        """Of A, falling."""
        return self.arrays["eigenvalues"]

    @property
    def levels(self) -> int:
        """How many saddles there are: r_A, l = 0..r_A - 1."""
        return len(self.eigenvalues)

    @property
    def error(self) -> Float[np.ndarray, " rows"]:
        """The squared error of the first start."""
        return self.arrays["saddle_distances"][:, -1]

    def stays(self) -> tuple[Plateau, ...]:
        """The first start's stays at saddles, by Lemma 4.1's two conditions alone: flat or not."""
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
        """By how many decades a gradient norm falls at each saddle: its least there, from its largest since the last.

        Args:
            column: Which of the three norms.
        """
        norms, found, since = self.arrays["gradient_norms"][:, column], {}, 0
        for stay in self.stays():
            first, last = (int(np.searchsorted(self.step, end)) for end in (stay.first, stay.last))
            lowest = first + int(norms[first : last + 1].argmin())
            found[stay.index] = math.log10(float(norms[since : lowest + 1].max() / norms[lowest]))
            since = lowest
        return found

    def predicted_escapes(self) -> Float[np.ndarray, "starts k"]:
        """When each saddle is left by the law s' = 2 eta sigma^2 s^2 (1 - s), from the start on, to s = 1/2."""
        eta = self.number("step_size")

        def steps(alignment: float, sigma: float) -> float:
            return escape_steps(alignment, max(alignment, _LEFT_AT), sigma, step_size=eta)

        starts = self.arrays["start_alignment"]
        return np.array(
            [[steps(float(s), float(of)) for s, of in zip(row, self.eigenvalues, strict=True)] for row in starts]
        )

    def final_rate(self) -> DecayFit | None:
        """The decay of the squared error after the last saddle; None where too few rows are left.

        From the first row below 1% of sigma_{r_A}^2 to the last above rounding, at about evenly spaced steps.
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
        """Of log(squared error) per step in the end, by the law: -2 eta sigma_{r_A}^2."""
        return -2 * self.number("step_size") * float(self.eigenvalues[-1]) ** 2


@dataclass(frozen=True)
class LearningTable:
    """Figure 1's table.

    Attributes:
        header: Its head.
        runs: In order.
    """

    header: Mapping[str, object]
    runs: tuple[LearningRun, ...]

    @classmethod
    def of(cls, table: Table) -> "LearningTable":
        """Read a table.

        Raises:
            InputError: When it is none of this form.
        """
        told = table.header.get("settings")
        require(isinstance(told, list) and told, "the table of figure 1", "one without settings", "run the study again")
        runs = []
        for facts in cast("list[Mapping[str, object]]", told):
            prefix = f"{facts['sensed']}_"
            arrays = {
                name.removeprefix(prefix): array for name, array in table.arrays.items() if name.startswith(prefix)
            }
            if "escape" not in arrays:
                raise InputError(f"needed the table of figure 1, got one without {prefix}escape; run the study again")
            runs.append(LearningRun(facts, arrays))
        return cls(table.header, tuple(runs))
