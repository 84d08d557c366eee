"""Exponent of a power law: the slope on logarithmic axes, over grid points and seeds."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from wnsense.checks import require, require_size

_LEAST_POINTS = 3
_LEAST_SEEDS = 2


@dataclass(frozen=True)
class PowerLaw:
    """Power law `y ~ x^exponent`.

    Attributes:
        exponent: Least-squares slope of `log y` against `log x` over all points and seeds.
        low: Lower end of its interval.
        high: Upper end of its interval.
        misfit: Root mean square distance, in decades, of the points' means over seeds from the line: the distance from
            a power law.
        spread: Standard deviation over seeds at a point, in decades, averaged over points.
        seeds: Number of seeds used.
    """

    exponent: float
    low: float
    high: float
    misfit: float
    spread: float
    seeds: int

    def contains(self, exponent: float) -> bool:
        """Return True if an exponent lies in the interval."""
        return self.low <= exponent <= self.high


def fit_power_law(
    x: Float[np.ndarray, " points"], y: Float[np.ndarray, "points seeds"], *, confidence: float = 0.95
) -> PowerLaw:
    """Return the slope of `log y` against `log x`, with an interval over seeds.

    Every seed has its own line through all points. The mean of their slopes is the slope of all pairs together. Seeds
    are independent, whatever the points of one seed have in common. Student's interval of that mean, with one degree of
    freedom less than the number of seeds, is therefore an interval for the slope. It shows the variation over other
    seeds on the same points; `misfit` shows how well a power law fits.

    Args:
        x: Positive numbers, not all the same.
        y: Positive numbers; a seed with a NaN at any point is left out, with all its points.
        confidence: Confidence of the interval, above 0 and below 1.

    Raises:
        InputError: If sizes do not agree, a number is not positive, or fewer than 3 points or 2 whole seeds remain.
    """
    require_size("y", y.shape[:1], x.shape)
    require(0 < confidence < 1, "a confidence above 0 and below 1", confidence)
    require(len(x) >= _LEAST_POINTS, f"at least {_LEAST_POINTS} points", len(x))
    whole = y[:, ~np.isnan(y).any(axis=0)]
    count = whole.shape[1]
    require(count >= _LEAST_SEEDS, f"at least {_LEAST_SEEDS} seeds with a number at every point", count)
    require(bool((x > 0).all() and (whole > 0).all()), "positive numbers", "zero or less")
    log_x, log_y = np.log10(x), np.log10(whole)
    centred = log_x - log_x.mean()
    require(bool((centred != 0).any()), "an x that varies", "one that does not")
    slopes = centred @ log_y / (centred @ centred)
    exponent = float(slopes.mean())
    half = float(student.ppf((1 + confidence) / 2, count - 1) * slopes.std(ddof=1)) / math.sqrt(count)
    means = log_y.mean(axis=1)
    residuals = means - means.mean() - exponent * centred
    return PowerLaw(
        exponent,
        exponent - half,
        exponent + half,
        float(np.sqrt(np.mean(residuals**2))),
        float(log_y.std(axis=1, ddof=1).mean()),
        count,
    )


def log_slope(x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]) -> float:
    """Return the least-squares slope of `log y` against `log x`."""
    centred = np.log(x) - np.log(x).mean()
    return float(centred @ np.log(y) / (centred @ centred))
