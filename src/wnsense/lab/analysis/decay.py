"""Speed at which an error falls: linear and power-law fits with intervals, their window, and which fits better.

The residuals of such fits are autocorrelated: an interval for independent residuals is far too short. The slope is that
of ordinary least squares, which is asymptotically as good as any other for autocorrelated residuals in a linear trend
(Grenander and Rosenblatt, 1957). Its variance is the long-run variance of the residuals over `sum (x - mean x)^2`.

- The long-run variance is that of Newey and West (Econometrica 55, 1987), with Bartlett weights and
  `floor(4 (T/100)^{2/9})` lags.
- The residuals are first prewhitened by an AR(1) (Andrews and Monahan, Econometrica 60, 1992).
- The AR(1) coefficient is corrected by `(2 + 4 rho)/T` for its bias in the presence of a fitted trend (Kendall,
  Biometrika 41, 1954, extended to a trend). It is kept below 0.97.
- Quantiles are Student's.

Coverage of the intervals of 95% on AR(1) residuals, 500 series each:

    rows              correlation     coverage
    100 or more       up to 0.8       91% to 96%
    100 or more       0.9             90% to 94%
    40                0               92%
    40                0.8             89%
    40                0.9             83%

The residuals of a smooth curve are misfit and not noise: the interval then shows how much the slope depends on the
window.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num
from scipy.stats import t as student

from wnsense.checks import require, require_size
from wnsense.theory.convergence_forms import Decay

_LARGEST_AUTOCORRELATION = 0.97
_LEAST_ROWS = 5
# A tail whose natural logarithm falls by less than this over its second half is a floor; that of t^-1 falls by 0.6.
_FLAT = 0.2


@dataclass(frozen=True)
class Window:
    """Range of steps over which a rate is fitted.

    Attributes:
        first: First step.
        last: Last step, included.
    """

    first: float
    last: float


@dataclass(frozen=True)
class SlopeFit:
    """Straight line through `log(error)`, natural logarithm.

    Attributes:
        slope: Slope per step (linear decay), or per unit of `log(step)` (the exponent of a power law).
        low: Lower end of the interval.
        high: Upper end of the interval.
        intercept: Value of the line at step 0 (linear) or at step 1 (power law).
        scatter: Root mean square of the residuals of `log(error)`.
        autocorrelation: Correlation of the residuals of neighbouring rows, corrected for bias.
        rows: Number of fitted rows.
    """

    slope: float
    low: float
    high: float
    intercept: float
    scatter: float
    autocorrelation: float
    rows: int

    @property
    def factor(self) -> float:
        """Factor `exp(slope)` of the error in a step, if the decay is linear."""
        return math.exp(self.slope)


@dataclass(frozen=True)
class DecayFit:
    """Linear and power-law fit on the same rows.

    Attributes:
        window: Range of the fitted steps.
        linear: Fit of `log(error)` against the step.
        power: Fit of `log(error)` against `log(step)`.
        better: Decay with the smaller scatter. Both have two parameters, so that any information criterion agrees.
        evidence: Log-likelihood ratio of Gaussian residuals, `rows log(larger scatter / smaller scatter)`, not
            negative; too large if residuals are autocorrelated.
    """

    window: Window
    linear: SlopeFit
    power: SlopeFit
    better: Decay
    evidence: float


def fit_slope(x: Num[np.ndarray, " rows"], y: Float[np.ndarray, " rows"], *, confidence: float = 0.95) -> SlopeFit:
    """Return the least-squares slope of `y` against `x`, with an interval that allows for autocorrelation (see above).

    Args:
        x: Positions, rising, about evenly spaced in the unit in which residuals are autocorrelated.
        y: Natural logarithms of the falling quantity.
        confidence: Confidence of the interval, above 0 and below 1.

    Raises:
        InputError: If sizes do not agree, rows are fewer than 5, a number is not finite or x does not rise.
    """
    require_size("y", y.shape, x.shape)
    require(len(x) >= _LEAST_ROWS, f"at least {_LEAST_ROWS} rows to fit", len(x), "record more often")
    require(0 < confidence < 1, "a confidence above 0 and below 1", confidence)
    require(np.isfinite(x).all() and np.isfinite(y).all(), "finite numbers to fit", "NaN or infinity")
    require(bool(np.all(np.diff(x) > 0)), "an x that rises", "one that does not")
    rows = len(x)
    centred, mean = x - x.mean(), float(y.mean())
    spread = float(centred @ centred)
    slope = float(centred @ y) / spread
    residuals = y - mean - slope * centred
    variance, correlation = _long_run_variance(residuals)
    half = float(student.ppf((1 + confidence) / 2, rows - 2)) * math.sqrt(variance * rows / (rows - 2) / spread)
    scatter = float(np.sqrt(np.mean(residuals**2)))
    return SlopeFit(slope, slope - half, slope + half, mean - slope * float(x.mean()), scatter, correlation, rows)


def _long_run_variance(residuals: np.ndarray) -> tuple[float, float]:
    """Return the long-run variance and the corrected AR(1) coefficient."""
    rows, power = len(residuals), float(residuals @ residuals)
    if power == 0:
        return 0.0, 0.0
    raw = float(residuals[1:] @ residuals[:-1]) / power
    most = _LARGEST_AUTOCORRELATION
    correlation = min(max(raw + (2 + 4 * raw) / rows, -most), most)
    white = residuals[1:] - correlation * residuals[:-1]
    lags = min(int(4 * (rows / 100) ** (2 / 9)), len(white) - 1)
    total = float(white @ white)
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(white[lag:] @ white[:-lag])
    return total / len(white) / (1 - correlation) ** 2, correlation


def fit_window(
    steps: Num[np.ndarray, " rows"],
    errors: Float[np.ndarray, " rows"],
    *,
    start: float = 0.0,
    floor: float | None = None,
    margin: float = 10.0,
) -> Window:
    """Return the steps from `start` (the end of the burn-in) to the rounding floor.

    The level of the floor is the median of the last 5% of the rows (at least 5). The candidates are the rows from the
    first one within `margin` of that level. They are the floor, and are left out, if they no longer fall in their
    second half: a fitted fall below 0.2 in natural logarithm. Otherwise the error still falls, and the window ends with
    the record. A power law slower than about `t^-0.3` cannot be distinguished from a floor in this way.

    Args:
        steps: Recorded steps, rising.
        errors: Falling quantity, not negative.
        start: First step of the window.
        floor: Level of the floor, if it is given; rows up to `margin` times it are left out.
        margin: Least ratio of the error to the floor.

    Raises:
        InputError: If sizes do not agree, fewer than 5 rows remain, or the margin is below 1.
    """
    _require_columns(steps, errors)
    require(margin >= 1, "a margin of at least 1", margin)
    rows = np.flatnonzero(steps >= start)
    require(len(rows) >= _LEAST_ROWS, f"at least {_LEAST_ROWS} rows from step {start:g} on", len(rows))
    x, e = steps[rows].astype(float), errors[rows]
    level = float(np.median(e[-max(_LEAST_ROWS, len(e) // 20) :])) if floor is None else floor
    below = np.flatnonzero(e <= margin * level)
    end = len(e)
    if len(below) and (floor is not None or _is_flat(x[below[0] :], e[below[0] :])):
        end = int(below[0])
    advice = "the error meets its floor too soon; record more often, or give the window"
    require(end >= _LEAST_ROWS, f"at least {_LEAST_ROWS} rows between step {start:g} and the floor", end, advice)
    return Window(float(x[0]), float(x[end - 1]))


def _is_flat(x: np.ndarray, e: np.ndarray) -> bool:
    half = x >= (x[0] + x[-1]) / 2
    x, e = x[half], e[half]
    if (e <= 0).any():
        return True
    if len(x) < _LEAST_ROWS:
        return False
    centred = x - x.mean()
    slope = float(centred @ np.log(e)) / float(centred @ centred)
    return -slope * float(x[-1] - x[0]) < _FLAT


def fit_decay(
    steps: Num[np.ndarray, " rows"],
    errors: Float[np.ndarray, " rows"],
    *,
    window: Window | None = None,
    start: float = 0.0,
    confidence: float = 0.95,
) -> DecayFit:
    """Return a linear rate and a power law for one curve, and which of the two fits better.

    Both are fitted to the same rows, those of the window with a step above 0. For squared errors the slopes are twice
    those of the errors.

    Args:
        steps: Recorded steps, rising, counted from the start of the run.
        errors: Falling quantity, positive within the window.
        window: Range of steps; by default that of `fit_window` from `start`.
        start: End of the burn-in, used without a window.
        confidence: Confidence of the intervals.

    Raises:
        InputError: If sizes do not agree, an error is not positive or not finite in the window, or it is too short.
    """
    _require_columns(steps, errors)
    if window is None:
        window = fit_window(steps, errors, start=start)
    inside = (steps >= window.first) & (steps <= window.last) & (steps > 0)
    x, e = steps[inside].astype(float), errors[inside]
    require((e > 0).all(), "positive errors in the window", "zero or less", "end it before the error is exactly zero")
    linear = fit_slope(x, np.log(e), confidence=confidence)
    power = fit_slope(np.log(x), np.log(e), confidence=confidence)
    is_linear = linear.scatter <= power.scatter
    better, other = (linear, power) if is_linear else (power, linear)
    evidence = math.inf if better.scatter == 0 else len(x) * math.log(other.scatter / better.scatter)
    return DecayFit(window, linear, power, Decay.LINEAR if is_linear else Decay.SUBLINEAR, evidence)


def _require_columns(steps: np.ndarray, errors: np.ndarray) -> None:
    require_size("the errors", errors.shape, steps.shape, "give one for each step")
    require(bool(np.all(np.diff(steps) > 0)), "steps that rise", "some that do not", "take the rows in order, once")
    require(bool(np.isfinite(errors).all()), "finite errors", "NaN or infinity")
