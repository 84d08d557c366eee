"""Table of a study of curves, and what is measured on its curves: quantiles, burn-in and the final rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from wnsense.files.tables import Table
from wnsense.lab.studies.curves.specification import ROUNDING
from wnsense.lab.studies.frame.study_head import StudyHead, prefixed_arrays
from wnsense.lab.studies.frame.typed_table import NonEmpty, TableReader, TypedTable

_LOW, _HIGH = 0.1, 0.9
# A squared error of this part of `sigma_{r_A}^2` means that every direction has been found to a tenth.
FOUND_PART = 0.01
# A fit through fewer points says nothing.
_FEWEST_POINTS = 5


@dataclass(frozen=True, kw_only=True)
class CurveHead:
    """Entry of the head for a curve.

    Attributes:
        label: Label of the setting, which distinguishes the curves of one method.
        method: Name of the method, as in the styles of pictures.
        dtype: Precision, float64 or float32.
        size: Size `m` of the unknown.
        width: Working rank `r`.
        condition: Condition number `kappa` of the truth.
        measurements: Number `n` of measurements.
        noise: Standard deviation of the noise over the root mean square of the measurements.
        step_sizes: Step sizes in words.
        grid: Step sizes that were tried, in words.
        grid_errors: Median last squared error with each, None if a start diverged; empty without a choice.
        confirmed: Step sizes that the same grid gives at full size, if it was tried there.
        confirmed_errors: Errors at full size.
        tuning_steps: Number of steps of each trial.
        tuning_size: Size `m` at which the grid was tried.
    """

    label: str
    method: str
    dtype: str
    size: int
    width: int
    condition: float
    measurements: int
    noise: float
    step_sizes: str
    grid: tuple[str, ...]
    grid_errors: tuple[float | None, ...]
    confirmed: str | None
    confirmed_errors: tuple[float | None, ...]
    tuning_steps: int
    tuning_size: int


@dataclass(frozen=True, kw_only=True)
class CurveTableHead(StudyHead):
    """Head of the table.

    Attributes:
        curves: Entries of the curves.
        beside: Content of the second panel, as in `CurveSpecification`.
        against: Number of the setting on the x axis, as in `CurveSpecification`.
    """

    curves: NonEmpty[CurveHead]
    beside: str
    against: str = ""


@dataclass(frozen=True)
class Tail:
    """End of a median curve: the second half of its steps before it reaches rounding.

    Attributes:
        begin: First step.
        end: Last step.
        decades_per_step: Decrease of log10 of the squared error in a step, by a least-squares line.
        exponent: Exponent `p` of the power law `t^-p` that fits the end.
        line_spread: Root mean square distance from the line, in decades.
        power_spread: Root mean square distance from the power law, in decades.
    """

    begin: int
    end: int
    decades_per_step: float
    exponent: float
    line_spread: float
    power_spread: float

    @property
    def is_linear(self) -> bool:
        """True if the error falls and linear convergence fits better than a power law."""
        return self.decades_per_step > 0 and self.line_spread < self.power_spread


@dataclass(frozen=True)
class MeasuredCurve:
    """A curve of a study.

    Attributes:
        head: Entry of the head.
        step: Steps, (points,).
        applications: Applications of M and M* of one start, (points,).
        seconds: Time of all starts together, in seconds, (points,).
        error: Squared error `||X Theta X^T - A||_F^2` for `||A||_2 = 1`, (points, starts); infinite after divergence.
        least: Least eigenvalue of `X Theta X^H` on the span of X, (points, starts).
        oracle: Squared error of least squares of rank `r_A` from the truth, (problems,); empty without noise.
    """

    head: CurveHead
    step: Shaped[np.ndarray, " points"]
    applications: Shaped[np.ndarray, " points"]
    seconds: Shaped[np.ndarray, " points"]
    error: Float[np.ndarray, "points starts"]
    least: Float[np.ndarray, "points starts"]
    oracle: Float[np.ndarray, " problems"]

    @property
    def label(self) -> str:
        """Label of the setting."""
        return self.head.label

    @property
    def median(self) -> Float[np.ndarray, " points"]:
        """Median of the squared error over starts."""
        middle: np.ndarray = np.median(self.error, axis=1)
        return middle

    def band(self) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
        """Return the 10% and the 90% quantile over starts: the nearest start, because errors may be infinite."""
        low, high = np.quantile(self.error, [_LOW, _HIGH], axis=1, method="nearest")
        return low, high

    @property
    def final(self) -> float:
        """Median squared error at the last step."""
        return float(self.median[-1])

    @property
    def rounding(self) -> float:
        """Squared error below which the curve shows rounding only."""
        return ROUNDING[self.head.dtype]

    def first_below(self, level: float) -> int | None:
        """Return the first recorded step at which the median is at most a level, None if there is none."""
        below = self.step[self.median <= level]
        return int(below[0]) if len(below) else None

    def cost_of(self, level: float) -> float | None:
        """Return the applications up to the first recorded step at which the median is at most a level."""
        below = self.applications[self.median <= level]
        return float(below[0]) if len(below) else None

    @property
    def cost_to_find_all(self) -> float | None:
        """Applications until the median squared error is at most `(sigma_{r_A} / 10)^2`, None if it never is."""
        return self.cost_of(FOUND_PART / self.head.condition**2)

    @property
    def spent(self) -> float:
        """Applications of the whole run."""
        return float(np.nanmax(self.applications))

    @property
    def burn_in(self) -> int | None:
        """First step at which the squared error is below `sigma_{r_A}^2 / 2`: every direction has been found."""
        return self.first_below(0.5 / self.head.condition**2)

    def tail(self) -> Tail | None:
        """Return the end of the curve, None if too few points are above rounding."""
        end = self.first_below(self.rounding)
        last = int(self.step[-1]) if end is None else end
        inside = (self.step >= last / 2) & (self.step <= last) & (self.median > 0) & np.isfinite(self.median)
        steps, errors = self.step[inside].astype(float), np.log10(self.median[inside])
        if len(steps) < _FEWEST_POINTS or steps[0] <= 0:
            return None
        slope, line_spread = _fitted(steps, errors)
        power, power_spread = _fitted(np.log10(steps), errors)
        return Tail(int(steps[0]), int(steps[-1]), -slope, -power, line_spread, power_spread)


@dataclass(frozen=True)
class CurveTable(TypedTable[CurveTableHead, MeasuredCurve]):
    """Table of a study of curves."""

    def of_method(self, method: str) -> list[MeasuredCurve]:
        """Return the curves of a method."""
        return [curve for curve in self.entries if curve.head.method == method]

    @property
    def noisy(self) -> list[MeasuredCurve]:
        """Curves with noise, from the least noise to the largest."""
        return sorted((curve for curve in self.entries if curve.head.noise > 0), key=lambda curve: curve.head.noise)

    @property
    def methods(self) -> list[str]:
        """Methods of the curves, each once."""
        return list(dict.fromkeys(curve.head.method for curve in self.entries))

    @property
    def labels(self) -> list[str]:
        """Labels of the curves, each once."""
        return list(dict.fromkeys(curve.label for curve in self.entries))


def _curve_table(head: CurveTableHead, table: Table) -> CurveTable:
    return CurveTable(head, tuple(_curve(place, entry, table) for place, entry in enumerate(head.curves)))


def _curve(place: int, head: CurveHead, table: Table) -> MeasuredCurve:
    names = ("step", "applications", "seconds", "error", "least")
    arrays = prefixed_arrays(table, f"{place}_", names, "curves")
    step, applications, seconds, error, least = (arrays[name] for name in names)
    return MeasuredCurve(head, step, applications, seconds, error, least, arrays.get("oracle", np.empty(0)))


CURVE_TABLES = TableReader(CurveTableHead, "curves", _curve_table)


def _fitted(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the slope of the least-squares line, and the root mean square of its residuals."""
    slope, height = np.polyfit(x, y, 1)
    return float(slope), math.sqrt(float(np.mean((y - slope * x - height) ** 2)))


def largest_ratio(curves: Sequence[MeasuredCurve]) -> float:
    """Return the largest factor between the medians of any curve and of the first at one step, above rounding."""
    first = curves[0]
    above = first.median > first.rounding
    for curve in curves[1:]:
        above &= curve.median > curve.rounding
    factors = [np.abs(np.log(curve.median[above] / first.median[above])).max() for curve in curves[1:]]
    return float(np.exp(max(factors, default=0.0)))


def noise_exponent(noisy: Sequence[MeasuredCurve]) -> float:
    """Return the exponent `p` with which the final squared error grows as `noise^p`."""
    levels, finals = [curve.head.noise for curve in noisy], [curve.final for curve in noisy]
    slope, _ = _fitted(np.log10(levels), np.log10(finals))
    return slope
