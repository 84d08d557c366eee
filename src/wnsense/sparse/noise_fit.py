"""Choice of the support under noise, by a penalized misfit and by held-out rows."""

import math
from dataclasses import dataclass

import torch
from scipy.special import stdtr
from torch import Tensor

from wnsense.sparse.potential import NetworkPoint
from wnsense.sparse.support import Fit, ScaledProblem, least_squares, most_columns

# Ratios between the support sizes that are tried: first coarse ones, then fine ones around the best.
_COARSE, _FINE = 2.0, 1.2
# Under noise least squares ends before this tolerance, once the misfit is orthogonal to the columns.
_TOLERANCE = 1e-9
# Probability of a correlation by chance, once in 3e5 times (one-sided), as elsewhere in the library.
_CHANCE = 3.4e-6
# Supports whose held-out misfit is within this many deviations of the least one are compared on fitted rows.
_INDIFFERENT = 1.0
# Factor by which an entry must explain more than the best of all others explains by chance. Selection under unknown
# noise has a bound for factors above 1 (Baraud, Giraud and Huet, 2009); between 1.1 and 2.5 errors were least at 2.
_PENALTY = 2.0
# Most rounds of adding and dropping entries.
_EXCHANGES = 12
# Deviations by which the held-out misfit may exceed that of the fitted rows, per degree of freedom.
_AGREEMENT = 4.0


@dataclass(frozen=True)
class HeldOutChoice:
    """Support that held-out rows choose, with their evidence.

    Attributes:
        fit: Least squares on the fitted rows.
        held_out: `||A z - y|| / ||y||` on held-out rows.
        significant: True if held-out rows are predicted far better than by chance.
        agrees: True if the misfits on held-out and on fitted rows agree, per degree of freedom. They do for noise. They
            do not for missing entries, since other entries were chosen to replace them on the fitted rows.
        products: Products with `A` and its transpose.
    """

    fit: Fit
    held_out: float
    significant: bool
    agrees: bool
    products: float


def choose_support(problem: ScaledProblem, points: tuple[NetworkPoint, ...]) -> HeldOutChoice:
    """Return the support of the least penalized misfit among those that predict held-out rows about best.

    Few rows are held out, so that they decide only if the difference of two supports is beyond chance. Otherwise the
    penalized misfit on fitted rows decides (`penalized_misfit`). The candidates are the largest entries of the answer
    that predicted the held-out rows best, in several sizes, and supports with entries added and dropped from there.

    Args:
        problem: Problem with rows held out.
        points: Points of the network, one for each ratio.
    """
    best = min(points, key=lambda point: _held(problem, point.misfit))
    fits = _support_fits(problem, best.z)
    nested = min(fits, key=lambda fit: penalized_misfit(problem, fit))
    fits += exchanged(problem, nested)
    products = sum(fit.products for fit in fits)
    count = int((1 - problem.fitted).sum())
    least = min(_held(problem, fit.misfit) for fit in fits)
    allowed = least * (1 + _INDIFFERENT * math.sqrt(2 / count)) ** 0.5
    fit = min(
        (fit for fit in fits if _held(problem, fit.misfit) <= allowed), key=lambda fit: penalized_misfit(problem, fit)
    )
    held = _held(problem, fit.misfit)
    size = float(((1 - problem.fitted) * problem.y).norm())
    return HeldOutChoice(
        fit,
        held / size if size > 0 else math.inf,
        # The probability is multiplied by the number of candidates.
        held < size and len(fits) * _chance(problem, fit.misfit) < _CHANCE,
        _agrees(problem, fit),
        products,
    )


def penalized_misfit(problem: ScaledProblem, fit: Fit) -> float:
    """Return `log ||A z - y||^2 + 2 pen / (m - k)`, `pen = 2 log (N choose k)`, for `m` fitted rows and `k` entries.

    A further entry lowers this if it explains more than about `4 log(N / k)` times the variance of the noise. The best
    of the others explains half of that by chance. The noise level is estimated from the misfit.
    """
    m, N, k = float(problem.fitted.sum()), problem.A.shape[1], len(fit.support)
    rest = float((problem.fitted * fit.misfit).square().sum())
    if k >= m or rest == 0:
        return math.inf if k >= m else -math.inf
    return math.log(rest) + _PENALTY * 2 * _log_choices(N, k) / (m - k)


def _log_choices(N: int, k: int) -> float:
    """Return the logarithm of `N choose k`, continued as `k log(e N / k)` beyond `N / 2` so that it keeps rising."""
    few = min(k, N // 2)
    choices = math.lgamma(N + 1) - math.lgamma(few + 1) - math.lgamma(N - few + 1)
    return choices if k == few else choices + _rough_log_choices(N, k) - _rough_log_choices(N, max(few, 1))


def _rough_log_choices(N: int, k: int) -> float:
    return k * (1 + math.log(N / k))


def exchanged(problem: ScaledProblem, fit: Fit) -> list[Fit]:
    """Return a sequence of fits, each with entries added that correlate with the misfit and small entries dropped.

    The limit for both is `sqrt(2 log(N / k))` deviations of the noise in the misfit, for columns of length 1. The fits
    are candidates, which `penalized_misfit` compares.
    """
    M, N = problem.A.shape
    m = float(problem.fitted.sum())
    most, tried, fits = most_columns(problem), [_entries(fit)], list[Fit]()
    for _ in range(_EXCHANGES):
        k = len(fit.support)
        rest = problem.fitted * fit.misfit
        noise = float(rest.norm()) / math.sqrt(max(m - k, 1.0))
        limit = noise * math.sqrt(2 * math.log(max(N / max(k, 1), 2.0)))
        # The misfit has no part in the k columns of the fit, a share k / m; entries scatter the more for it.
        remainder, length = math.sqrt(max(1 - k / m, 1e-3)), math.sqrt(m / M)
        pull = (problem.A.transpose_times(rest) * problem.scale).abs() / length
        pull[fit.support] = 0
        is_large = fit.values.abs() * length > limit / remainder
        room = max(0, most - int(is_large.sum()))
        more = pull.topk(min(room, int((pull > limit * remainder).sum()))).indices
        support = torch.cat([fit.support[is_large], more])
        key = frozenset(support.tolist())
        if not len(support) or key in tried:
            break
        tried.append(key)
        start = torch.cat([fit.values[is_large], fit.values.new_zeros(len(more))])
        fit = least_squares(problem, support, start, tolerance=_TOLERANCE)
        fits.append(fit)
    return fits


def _entries(fit: Fit) -> frozenset[int]:
    return frozenset(fit.support.tolist())


def _support_fits(problem: ScaledProblem, z: Tensor) -> list[Fit]:
    most = min(most_columns(problem), int((z != 0).sum()))
    order = z.abs().topk(max(1, most)).indices
    fits: dict[int, Fit] = {}

    def fit(size: int) -> None:
        if size not in fits:
            support = order[:size]
            fits[size] = least_squares(problem, support, z[support], tolerance=_TOLERANCE)

    for power in range(math.ceil(math.log(max(most, 2), _COARSE)) + 1):
        fit(max(1, min(most, round(_COARSE**power))))
    best = min(fits.values(), key=lambda one: _held(problem, one.misfit))
    reach = math.ceil(math.log(_COARSE, _FINE))
    for power in range(-reach, reach + 1):
        fit(max(1, min(most, round(len(best.support) * _FINE**power))))
    return list(fits.values())


def _held(problem: ScaledProblem, misfit: Tensor) -> float:
    return float(((1 - problem.fitted) * misfit).norm())


def _chance(problem: ScaledProblem, misfit: Tensor) -> float:
    """Return the probability that unrelated measurements correlate as well with the prediction on held-out rows.

    Let `r` be the cosine of a vector of `n` independent normal numbers and any other vector. Then
    `r sqrt((n - 1) / (1 - r^2))` has Student's distribution of `n - 1` degrees of freedom.
    """
    rows = problem.fitted == 0
    y = problem.y[rows]
    predicted = y + misfit[rows]
    sizes = float(y.norm() * predicted.norm())
    if len(y) < 2 or not sizes > 0:
        return 1.0
    cosine = float(y @ predicted) / sizes
    # 1 - r^2 without cancellation: the distance between the two unit vectors.
    apart = float((y / y.norm() - predicted / predicted.norm()).norm()) ** 2 / 2
    remainder = max(apart * (2 - apart), 1e-300)
    return float(stdtr(len(y) - 1, -cosine * math.sqrt((len(y) - 1) / remainder)))


def _agrees(problem: ScaledProblem, fit: Fit) -> bool:
    fitted, held = float(problem.fitted.sum()), float((1 - problem.fitted).sum())
    freedom = fitted - len(fit.support)
    if freedom <= 0 or held <= 0:
        return False
    expected = float((problem.fitted * fit.misfit).norm()) ** 2 / freedom
    actual = _held(problem, fit.misfit) ** 2 / held
    # The deviation is that of two means of squares of normal numbers.
    return actual <= expected * (1 + _AGREEMENT * math.sqrt(2 / held + 2 / freedom))


def held_out_rows(count: int, seed: int) -> Tensor:
    """Return 1 for rows to fit and 0 for held-out rows: a tenth, or 30 if that is at most a fifth; none of one row."""
    held = 0 if count < 2 else min(max(math.ceil(count / 10), min(30, max(1, count // 5))), 4000)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    fitted = torch.ones(count, dtype=torch.float64)
    fitted[order[:held]] = 0
    return fitted
