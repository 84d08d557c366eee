"""The table of a study of the paper as curves, and what is measured on them: quantiles, burn-in and the final rate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Shaped

from wnsense.checks import InputError, require
from wnsense.files.tables import Table

# What a table's head says of a curve.
Facts = Mapping[str, object]

# Squared errors below this are rounding, by dtype.
_ROUNDING = {"float64": 1e-24, "float32": 1e-10}
_LOW, _HIGH = 0.1, 0.9
# A squared error of this part of `sigma_{r_A}^2` means that every direction has been found to a tenth.
FOUND_PART = 0.01
# A fit through fewer points says nothing.
_FEWEST_POINTS = 5


@dataclass(frozen=True)
class Tail:
    """How a median curve ends: the second half of its steps before it meets rounding.

    Attributes:
        begin: The first step.
        end: The last.
        decades_per_step: How fast log10 of the squared error falls, as a line in steps fits it.
        exponent: p of the power law t^-p that fits it.
        line_spread: Root mean square distance in decades from the line.
        power_spread: The same from the power law.
    """

    begin: int
    end: int
    decades_per_step: float
    exponent: float
    line_spread: float
    power_spread: float

    @property
    def is_linear(self) -> bool:
        """Whether linear convergence fits it better than a power law does, and it falls at all."""
        return self.decades_per_step > 0 and self.line_spread < self.power_spread


@dataclass(frozen=True)
class PaperCurve:
    """A curve of a study.

    Attributes:
        facts: Of its setting, as its table's head has them.
        step: Steps, (points,).
        applications: Of one point, (points,).
        seconds: Of all its starts together, (points,).
        error: ||X Theta X^T - A||_F^2 with ||A||_2 = 1, (points, starts); infinite where a start diverged.
        least: The least eigenvalue of X Theta X^H on the span of X, (points, starts).
        oracle: The squared error of least squares of rank r_A from the truth, for each problem; empty without noise.
    """

    facts: Facts
    step: Shaped[np.ndarray, " points"]
    applications: Shaped[np.ndarray, " points"]
    seconds: Shaped[np.ndarray, " points"]
    error: Float[np.ndarray, "points starts"]
    least: Float[np.ndarray, "points starts"]
    oracle: Float[np.ndarray, " problems"]

    @property
    def method(self) -> str:
        """`wn` or `gd`."""
        return str(self.facts["method"])

    @property
    def label(self) -> str:
        """What sets it apart beside its method."""
        return str(self.facts["label"])

    def number(self, name: str) -> float:
        """A number of its setting."""
        return float(str(self.facts[name]))

    @property
    def median(self) -> Float[np.ndarray, " points"]:
        """Over starts."""
        middle: np.ndarray = np.median(self.error, axis=1)
        return middle

    def band(self) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
        """The 10% and the 90% quantile over starts; nearest starts, since there is nothing between infinities."""
        low, high = np.quantile(self.error, [_LOW, _HIGH], axis=1, method="nearest")
        return low, high

    @property
    def final(self) -> float:
        """The median squared error at the last step."""
        return float(self.median[-1])

    @property
    def rounding(self) -> float:
        """Squared errors below this say nothing but the precision."""
        return _ROUNDING[str(self.facts["dtype"])]

    def first_below(self, level: float) -> int | None:
        """The first step written down at which the median is at most a level."""
        there = self.step[self.median <= level]
        return int(there[0]) if len(there) else None

    def cost_of(self, level: float) -> float | None:
        """Applications at the first step written down at which the median is at most a level."""
        there = self.applications[self.median <= level]
        return float(there[0]) if len(there) else None

    @property
    def cost_to_find_all(self) -> float | None:
        """Applications until the median squared error is at most `(sigma_{r_A} / 10)^2`, None if it never is."""
        return self.cost_of(FOUND_PART / self.number("condition") ** 2)

    @property
    def spent(self) -> float:
        """Applications of the whole run."""
        return float(np.nanmax(self.applications))

    @property
    def burn_in(self) -> int | None:
        """The first step at which the squared error is below half of sigma_{r_A}^2: every direction has been found."""
        return self.first_below(0.5 / self.number("condition") ** 2)

    def tail(self) -> Tail | None:
        """How it ends; None where too little is left above rounding."""
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
class PaperTable:
    """A study's table.

    Attributes:
        header: Its head.
        curves: In order.
    """

    header: Mapping[str, object]
    curves: tuple[PaperCurve, ...]

    @classmethod
    def of(cls, table: Table) -> "PaperTable":
        """Read a table.

        Raises:
            InputError: When it is none of a study.
        """
        told = table.header.get("curves")
        require(isinstance(told, list) and told, "the table of a study", "one without curves", "run the study again")
        try:
            curves = tuple(_curve(place, facts, table.arrays) for place, facts in enumerate(cast("list[Facts]", told)))
        except KeyError as error:
            raise InputError(f"needed the table of a study, got one without {error}; run the study again") from error
        return cls(table.header, curves)

    def text(self, name: str) -> str:
        """Words of the head."""
        return str(self.header[name])

    def of_method(self, method: str) -> list[PaperCurve]:
        """The curves of a method."""
        return [curve for curve in self.curves if curve.method == method]

    @property
    def methods(self) -> list[str]:
        """Methods of the curves, each once."""
        return list(dict.fromkeys(curve.method for curve in self.curves))

    @property
    def labels(self) -> list[str]:
        """Of the curves, each once."""
        return list(dict.fromkeys(curve.label for curve in self.curves))


def _curve(place: int, facts: Facts, arrays: Mapping[str, np.ndarray]) -> PaperCurve:
    step, applications, seconds, error, least = (
        arrays[f"{place}_{name}"] for name in ("step", "applications", "seconds", "error", "least")
    )
    return PaperCurve(facts, step, applications, seconds, error, least, arrays.get(f"{place}_oracle", np.empty(0)))


def _fitted(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The slope of the least-squares line, and the root mean square of what it leaves."""
    slope, height = np.polyfit(x, y, 1)
    return float(slope), math.sqrt(float(np.mean((y - slope * x - height) ** 2)))


def largest_ratio(curves: Sequence[PaperCurve]) -> float:
    """The largest factor between medians of any curve and the first at one step, above rounding."""
    first = curves[0]
    seen = first.median > first.rounding
    for curve in curves[1:]:
        seen &= curve.median > curve.rounding
    factors = [np.abs(np.log(curve.median[seen] / first.median[seen])).max() for curve in curves[1:]]
    return float(np.exp(max(factors, default=0.0)))


def noise_exponent(curves: Sequence[PaperCurve]) -> float:
    """The power p with which the final squared error goes as noise^p, over the curves with noise."""
    noisy = [curve for curve in curves if curve.number("noise") > 0]
    slope, _ = _fitted(np.log10([curve.number("noise") for curve in noisy]), np.log10([curve.final for curve in noisy]))
    return slope
