"""Fit of a power law in several variables, to compare measurements with bounds whose constants are not known."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from wnsense.checks import require, require_size
from wnsense.values import by_value

_LEAST_SEEDS = 2


@dataclass(frozen=True)
@by_value
class Exponent:
    """Exponent with its confidence interval.

    Attributes:
        value: Least-squares estimate, the mean over seeds.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float

    def contains(self, exponent: float) -> bool:
        """Return True if an exponent lies in the interval."""
        return self.low <= exponent <= self.high


@dataclass(frozen=True)
@by_value
class Powers:
    """Power law `y = constant prod_k x_k^exponent_k`.

    Attributes:
        exponents: Exponents by the names of the variables.
        constant: Factor in front, the geometric mean over seeds.
        misfit: Root mean square distance, in decades, between the points' means over seeds and the law. It shows how
            far the data are from a product of powers.
        seeds: Number of seeds that were used.
    """

    exponents: Mapping[str, Exponent]
    constant: float
    misfit: float
    seeds: int

    def at(self, values: Mapping[str, float]) -> float:
        """Return the value of the law at a point."""
        powers = [math.pow(values[name], exponent.value) for name, exponent in self.exponents.items()]
        return self.constant * math.prod(powers)


def fit_powers(
    variables: Mapping[str, Float[np.ndarray, " points"]],
    y: Float[np.ndarray, "points seeds"],
    *,
    confidence: float = 0.95,
) -> Powers:
    """Fit `log y` to the logarithms of several variables by least squares, with Student's intervals over seeds.

    Each seed is fitted alone, and the mean of these fits is the fit of all points. Seeds are independent, so the
    interval needs no assumption on the correlation of points within a seed. The interval covers the spread over seeds
    on the same points. `misfit`, and not the interval, shows if a power law fits.

    Args:
        variables: Values by name of the variable, (points,), positive and finite.
        y: Measured values, (points, seeds), positive and finite; a seed with a NaN at any point is left out.
        confidence: Probability of each interval, above 0 and below 1.

    Raises:
        InputError: If sizes do not agree, a number is not positive and finite, the variables are not independent of
            each other, or fewer than 2 whole seeds remain.
    """
    require(variables, "at least one variable", 0)
    require(0 < confidence < 1, "a confidence above 0 and below 1", confidence)
    for name, x in variables.items():
        require_size(name, x.shape, y.shape[:1])
        _require_positive(f"finite, positive numbers in {name}", x)
    whole = y[:, ~np.isnan(y).any(axis=0)]
    count = whole.shape[1]
    require(count >= _LEAST_SEEDS, f"at least {_LEAST_SEEDS} seeds with a number at every point", count)
    _require_positive("finite, positive numbers (NaN leaves a seed out)", whole)
    design = np.column_stack([np.ones(len(y)), *(np.log10(x) for x in variables.values())])
    rank = int(np.linalg.matrix_rank(design))
    needed = design.shape[1]
    advice = "each variable must take several values while others stay"
    require(rank == needed and len(y) > needed, f"more than {needed} points that tell {needed} numbers", rank, advice)
    fits = np.linalg.lstsq(design, np.log10(whole), rcond=None)[0]
    means = fits.mean(axis=1)
    half = stdtrit(count - 1, (1 + confidence) / 2) * fits.std(axis=1, ddof=1) / math.sqrt(count)
    exponents = {
        name: Exponent(float(value), float(value - width), float(value + width))
        for name, value, width in zip(variables, means[1:], half[1:], strict=True)
    }
    residual = np.log10(whole).mean(axis=1) - design @ means
    return Powers(exponents, float(10 ** means[0]), float(np.sqrt(np.mean(residual**2))), count)


def _require_positive(needed: str, values: np.ndarray) -> None:
    bad = values[~(np.isfinite(values) & (values > 0))]
    require(bad.size == 0, needed, f"{bad.flat[0]:g}" if bad.size else "")
