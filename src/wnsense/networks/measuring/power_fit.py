"""Bounds whose constants nobody knows, held against measurements: with which powers of others a quantity goes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from wnsense.checks import require, require_size

_LEAST_SEEDS = 2


@dataclass(frozen=True)
class Exponent:
    """A power with its interval.

    Attributes:
        value: The least-squares estimate, the mean over seeds.
        low: The lower end.
        high: The upper end.
    """

    value: float
    low: float
    high: float

    def contains(self, exponent: float) -> bool:
        """Whether a power lies in the interval."""
        return self.low <= exponent <= self.high


@dataclass(frozen=True)
class Powers:
    """y about constant prod x_k^exponent_k.

    Attributes:
        exponents: By the names of the variables.
        constant: The factor in front, the geometric mean over seeds.
        misfit: The root mean square distance, in decades, of the points' means over seeds from the law: how far it is
            from a product of powers.
        seeds: How many were used.
    """

    exponents: Mapping[str, Exponent]
    constant: float
    misfit: float
    seeds: int

    def at(self, values: Mapping[str, float]) -> float:
        """The law at a point."""
        powers = [math.pow(values[name], exponent.value) for name, exponent in self.exponents.items()]
        return self.constant * math.prod(powers)


def fit_powers(
    variables: Mapping[str, Float[np.ndarray, " points"]],
    y: Float[np.ndarray, "points seeds"],
    *,
    confidence: float = 0.95,
) -> Powers:
    """Least squares of log y on the logarithms of several variables, with Student's intervals over seeds.

    Each seed has a fit of its own through all points; their mean is the fit of all together, and since seeds are
    independent its interval needs nothing of how points of one seed hang together. It says what other seeds would give
    on the same points, not how well powers fit: that is `misfit`.

    Args:
        variables: By name; positive and finite.
        y: Positive and finite; a seed with a NaN at any point is left out.
        confidence: Of each interval, above 0 and below 1.

    Raises:
        InputError: When sizes do not agree, a number is not positive and finite, variables do not vary independently
            of each other, or fewer than 2 whole seeds are left.
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
    found = np.linalg.lstsq(design, np.log10(whole), rcond=None)[0]
    means = found.mean(axis=1)
    half = student.ppf((1 + confidence) / 2, count - 1) * found.std(axis=1, ddof=1) / math.sqrt(count)
    exponents = {
        name: Exponent(float(value), float(value - width), float(value + width))
        for name, value, width in zip(variables, means[1:], half[1:], strict=True)
    }
    left = np.log10(whole).mean(axis=1) - design @ means
    return Powers(exponents, float(10 ** means[0]), float(np.sqrt(np.mean(left**2))), count)


def _require_positive(needed: str, values: np.ndarray) -> None:
    bad = values[~(np.isfinite(values) & (values > 0))]
    require(bad.size == 0, needed, f"{bad.flat[0]:g}" if bad.size else "")
