"""Where measurements hold noise: how many entries are real, told by rows that were held out."""

import math
from dataclasses import dataclass

import torch
from scipy.special import stdtr
from torch import Tensor

from wnsense.sparse.potential import Place
from wnsense.sparse.support import Fit, Scaled, least_squares, most_columns

# Support sizes that are tried: each so many times the one before, then more finely about the best.
_COARSE, _FINE = 2.0, 1.2
# Noise ends least squares earlier, wherever there is more of it: what is left is then orthogonal to the columns.
_TOLERANCE = 1e-9
# A correlation that chance gives once in 3e5 times (one-sided), as elsewhere in the library.
_CHANCE = 3.4e-6
# Among supports that predict held-out rows as well as the best but for this many deviations of chance, what fitted rows
# say decides.
_INDIFFERENT = 1.0
# What an entry must explain, over what the best of all others does by chance. Selection with unknown noise has a bound
# for factors above 1 (Baraud, Giraud and Huet, 2009); between 1.1 and 2.5 errors were least at 2.
_PENALTY = 2.0
# Rounds of entries in and out.
_EXCHANGES = 12
# What is left on held-out rows may exceed what is left on fitted ones, by degrees of freedom, by so many deviations.
_AGREEMENT = 4.0


@dataclass(frozen=True)
class Chosen:
    """A support, with what rows held out say of it.

    Attributes:
        fit: Least squares on fitted rows.
        held_out: ||A z - y|| / ||y|| on rows held out.
        significant: Whether held-out rows are predicted far better than by chance.
        agrees: Whether what is left on held-out rows is as large as what is left on fitted ones says it should be.
            Noise is; entries that were missed are not, since others were chosen to make up for them.
        products: With A and its transpose.
    """

    fit: Fit
    held_out: float
    significant: bool
    agrees: bool
    products: float


def choose_support(problem: Scaled, places: tuple[Place, ...]) -> Chosen:
    """The support that fitted rows say is the best, among those that predict held-out rows about as well as any.

    Few rows are held out, and what they say of two supports scatters; so that they decide only where the difference is
    beyond chance. Otherwise the penalized misfit on fitted rows does (`penalized_misfit`). Candidates are the largest
    entries of the answer that predicted held-out rows best, as many as they may be, then those with entries let in and
    out by what least squares says of them.

    Args:
        problem: With rows held out.
        places: Answers, each where it predicted them best.
    """
    best = min(places, key=lambda place: _held(problem, place.misfit))
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
    return Chosen(
        fit,
        held / size if size > 0 else math.inf,
        # Of as many as were tried, one agrees so well by chance as many times as often.
        held < size and len(fits) * _chance(problem, fit.misfit) < _CHANCE,
        _agrees(problem, fit),
        products,
    )


def penalized_misfit(problem: Scaled, fit: Fit) -> float:
    """The number log ||A z - y||^2 + 2 pen / (m - k), pen = 2 log (N choose k), over m fitted rows, for k entries.

    To let one entry more in pays where it explains about 4 log(N / k) times the variance of the noise; the best of the
    others would explain half of that by chance. The noise need not be known: it is what is left.
    """
    m, N, k = float(problem.fitted.sum()), problem.A.shape[1], len(fit.support)
    rest = float((problem.fitted * fit.misfit).square().sum())
    if k >= m or rest == 0:
        return math.inf if k >= m else -math.inf
    return math.log(rest) + _PENALTY * 2 * _log_choices(N, k) / (m - k)


def _log_choices(N: int, k: int) -> float:
    """The logarithm of N choose k; beyond N / 2, where fewer choices would make entries free, as k log(e N / k)."""
    few = min(k, N // 2)
    choices = math.lgamma(N + 1) - math.lgamma(few + 1) - math.lgamma(N - few + 1)
    return choices if k == few else choices + _simple(N, k) - _simple(N, max(few, 1))


def _simple(N: int, k: int) -> float:
    return k * (1 + math.log(N / k))


def exchanged(problem: Scaled, fit: Fit) -> list[Fit]:
    """Fits one after the other, each with entries let in that correlate with what is left, and noise let out.

    Correlations and entries count against sqrt(2 log(N / k)) deviations of the noise that is left, at columns of length
    1: a proposal, which `penalized_misfit` judges.
    """
    M, N = problem.A.shape
    m = float(problem.fitted.sum())
    most, seen, fits = most_columns(problem), [_places(fit)], list[Fit]()
    for _ in range(_EXCHANGES):
        k = len(fit.support)
        rest = problem.fitted * fit.misfit
        noise = float(rest.norm()) / math.sqrt(max(m - k, 1.0))
        limit = noise * math.sqrt(2 * math.log(max(N / max(k, 1), 2.0)))
        # Of what is left, a part of k / m lies in the columns already; entries scatter the more for it.
        left, length = math.sqrt(max(1 - k / m, 1e-3)), math.sqrt(m / M)
        pull = (problem.A.transpose_times(rest) * problem.scale).abs() / length
        pull[fit.support] = 0
        kept = fit.values.abs() * length > limit / left
        room = max(0, most - int(kept.sum()))
        more = pull.topk(min(room, int((pull > limit * left).sum()))).indices
        support = torch.cat([fit.support[kept], more])
        key = frozenset(support.tolist())
        if not len(support) or key in seen:
            break
        seen.append(key)
        start = torch.cat([fit.values[kept], fit.values.new_zeros(len(more))])
        fit = least_squares(problem, support, start, tolerance=_TOLERANCE)
        fits.append(fit)
    return fits


def _places(fit: Fit) -> frozenset[int]:
    return frozenset(fit.support.tolist())


def _support_fits(problem: Scaled, z: Tensor) -> list[Fit]:
    most = min(most_columns(problem), int((z != 0).sum()))
    order = z.abs().topk(max(1, most)).indices
    fits: dict[int, Fit] = {}

    def fit(size: int) -> None:
        if size not in fits:
            support = order[:size]
            fits[size] = least_squares(problem, support, z[support], tolerance=_TOLERANCE)

    for power in range(math.ceil(math.log(max(most, 2), _COARSE)) + 1):
        fit(max(1, min(most, round(_COARSE**power))))
    about = min(fits.values(), key=lambda one: _held(problem, one.misfit))
    reach = math.ceil(math.log(_COARSE, _FINE))
    for power in range(-reach, reach + 1):
        fit(max(1, min(most, round(len(about.support) * _FINE**power))))
    return list(fits.values())


def _held(problem: Scaled, misfit: Tensor) -> float:
    return float(((1 - problem.fitted) * misfit).norm())


def _chance(problem: Scaled, misfit: Tensor) -> float:
    """How often measurements of no relation to the prediction would correlate with it so well on held-out rows.

    For a vector of n independent normal numbers and any other, r sqrt((n - 1) / (1 - r^2)), r their cosine, has
    Student's distribution of n - 1 degrees of freedom.
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
    left = max(apart * (2 - apart), 1e-300)
    return float(stdtr(len(y) - 1, -cosine * math.sqrt((len(y) - 1) / left)))


def _agrees(problem: Scaled, fit: Fit) -> bool:
    fitted, held = float(problem.fitted.sum()), float((1 - problem.fitted).sum())
    freedom = fitted - len(fit.support)
    if freedom <= 0 or held <= 0:
        return False
    expected = float((problem.fitted * fit.misfit).norm()) ** 2 / freedom
    seen = _held(problem, fit.misfit) ** 2 / held
    # Variances of the two means of squares, were they of normal numbers.
    return seen <= expected * (1 + _AGREEMENT * math.sqrt(2 / held + 2 / freedom))


def held_out_rows(count: int, seed: int) -> Tensor:
    """1 for rows to fit and 0 for rows held out: a tenth, or 30 where that is at most a fifth; none of a single row."""
    held = 0 if count < 2 else min(max(math.ceil(count / 10), min(30, max(1, count // 5))), 4000)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    fitted = torch.ones(count, dtype=torch.float64)
    fitted[order[:held]] = 0
    return fitted
