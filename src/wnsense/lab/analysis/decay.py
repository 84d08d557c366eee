"""How fast an error falls: linear and power-law fits with intervals, their window, and which fits better.

The residuals of such fits follow each other: an interval that takes them for independent is far too short. The slope is
that of ordinary least squares, which loses nothing to autocorrelation in a linear trend (Grenander and Rosenblatt,
1957), and its variance is the long-run variance of the residuals over sum (x - mean x)^2. The long-run variance is
Newey and West's (Econometrica 55, 1987: Bartlett weights, floor(4 (T/100)^{2/9}) lags) of residuals prewhitened by an
AR(1) (Andrews and Monahan, Econometrica 60, 1992) whose coefficient is corrected for its bias beside a fitted trend,
(2 + 4 rho)/T (Kendall, Biometrika 41, 1954, carried over to a trend), and held below 0.97. Quantiles are Student's.
Seen on AR(1) residuals, 500 series each, of intervals of 95%: 91% to 96% cover from 100 rows on up to a correlation of
0.8, 90% to 94% at 0.9; with 40 rows 92% without correlation, 89% at 0.8 and 83% at 0.9.

What a smooth curve leaves is no noise but misfit: there the interval tells how much the slope hangs on the window.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num
from scipy.stats import t as student

from wnsense.checks import require, require_size
from wnsense.theory.published_rates import Decay

_LARGEST_AUTOCORRELATION = 0.97
_LEAST_ROWS = 5
# A tail that falls by less than this, in natural logarithm, over its second half is a floor; t^-1 falls by 0.6 there.
_FLAT = 0.2


@dataclass(frozen=True)
class Window:
    """The steps over which a rate is fitted.

    Attributes:
        first: The first step.
        last: The last step, included.
    """

    first: float
    last: float


@dataclass(frozen=True)
class SlopeFit:
    """A straight line through log(error), natural logarithm.

    Attributes:
        slope: Per step (linear decay), or per unit of log(step) (power law: the exponent); negative for a fall.
        low: The lower end of the interval.
        high: The upper end.
        intercept: log(error) of the line at step 0 (linear) or at step 1 (power law).
        scatter: The root mean square of the residuals of log(error).
        autocorrelation: Of these residuals at one row's distance, corrected for bias.
        rows: How many rows were fitted.
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
        """What the error is multiplied with each step, exp(slope), where the decay is linear."""
        return math.exp(self.slope)


@dataclass(frozen=True)
class DecayFit:
    """Both fits on the same rows.

    Attributes:
        window: The steps that were fitted.
        linear: log(error) against the step.
        power: log(error) against log(step).
        better: Which leaves less: both have two parameters, so that any information criterion says the same.
        evidence: The log-likelihood ratio of Gaussian residuals, rows log(scatter of the other / its scatter), not
            negative; an overstatement where residuals follow each other.
    """

    window: Window
    linear: SlopeFit
    power: SlopeFit
    better: Decay
    evidence: float


def fit_slope(x: Num[np.ndarray, " rows"], y: Float[np.ndarray, " rows"], *, confidence: float = 0.95) -> SlopeFit:
    """The slope of y against x by least squares, with an interval that bears autocorrelated residuals (see above).

    Args:
        x: Rising, about evenly spaced in what the residuals' memory is counted in.
        y: Natural logarithms of what falls.
        confidence: Of the interval, above 0 and below 1.

    Raises:
        InputError: When sizes do not agree, rows are fewer than 5, a number is not finite or x does not rise.
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
    left = y - mean - slope * centred
    variance, correlation = _long_run_variance(left)
    half = float(student.ppf((1 + confidence) / 2, rows - 2)) * math.sqrt(variance * rows / (rows - 2) / spread)
    scatter = float(np.sqrt(np.mean(left**2)))
    return SlopeFit(slope, slope - half, slope + half, mean - slope * float(x.mean()), scatter, correlation, rows)


def _long_run_variance(left: np.ndarray) -> tuple[float, float]:
    rows, power = len(left), float(left @ left)
    if power == 0:
        return 0.0, 0.0
    raw = float(left[1:] @ left[:-1]) / power
    most = _LARGEST_AUTOCORRELATION
    correlation = min(max(raw + (2 + 4 * raw) / rows, -most), most)
    fresh = left[1:] - correlation * left[:-1]
    lags = min(int(4 * (rows / 100) ** (2 / 9)), len(fresh) - 1)
    total = float(fresh @ fresh)
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(fresh[lag:] @ fresh[:-lag])
    return total / len(fresh) / (1 - correlation) ** 2, correlation


def fit_window(
    steps: Num[np.ndarray, " rows"],
    errors: Float[np.ndarray, " rows"],
    *,
    start: float = 0.0,
    floor: float | None = None,
    margin: float = 10.0,
) -> Window:
    """The steps from `start` (the end of the burn-in) on that lie before the rounding floor.

    The floor is looked for at the end: the level is the median of the last 5% of the rows (at least 5). If the rows
    from the first within `margin` of it on no longer fall in their second half (a fitted fall below 0.2 in natural
    logarithm), they are the floor and are left out; else the error still falls and the record's end is the window's. A
    power law slower than about t^-0.3 cannot be told from a floor in this way.

    Args:
        steps: The recorded steps, rising.
        errors: What falls, not negative.
        start: Where to begin.
        floor: Its level where that is known; rows up to margin times it are left out.
        margin: How far above the floor the error must be.

    Raises:
        InputError: When sizes do not agree, fewer than 5 rows are left, or the margin is below 1.
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
    """A linear rate and a power law for one curve, and which of both fits it better.

    Both are fitted to the same rows, those of the window with a step above 0. A fitted slope is of what was given: for
    squared errors twice that of the errors.

    Args:
        steps: The recorded steps, rising, counted from the start of the run.
        errors: What falls; positive within the window.
        window: Which steps; by default found by `fit_window` from `start` on.
        start: The end of the burn-in, where no window is given.
        confidence: Of the intervals.

    Raises:
        InputError: When sizes do not agree, an error is not positive or not finite in the window, or it is too short.
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
