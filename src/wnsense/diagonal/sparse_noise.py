"""Where measurements hold noise: how many entries are real, told by rows that were held out."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.diagonal.potential import Place
from wnsense.diagonal.support import Fit, Scaled, least_squares, most_columns

# Support sizes that are tried: each so many times the one before, then more finely about the best.
_COARSE, _FINE = 2.0, 1.2
# What least squares leaves undone is far below what the noise does.
_TOLERANCE = 1e-4
# A correlation that chance gives once in 3e5 times (one-sided), as elsewhere in the library.
_SIGNIFICANT = 4.5
# A smaller support is taken where it predicts held-out rows as well but for this many deviations of chance.
_PARSIMONY = 0.5
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
    """The support, among the largest entries of some answers, whose least-squares fit predicts held-out rows best.

    Args:
        problem: With rows held out.
        places: Answers, each where it predicted them best.
    """
    best = min(places, key=lambda place: _held(problem, place.misfit))
    fits = _support_fits(problem, best.z)
    products = sum(fit.products for fit in fits)
    count = int((1 - problem.fitted).sum())
    least = min(_held(problem, fit.misfit) for fit in fits)
    allowed = least * (1 + _PARSIMONY * math.sqrt(2 / count)) ** 0.5
    fit = min((fit for fit in fits if _held(problem, fit.misfit) <= allowed), key=lambda fit: len(fit.support))
    held = _held(problem, fit.misfit)
    size = float(((1 - problem.fitted) * problem.y).norm())
    return Chosen(
        fit,
        held / size if size > 0 else math.inf,
        held < size and _score(problem, fit.misfit) > _SIGNIFICANT,
        _agrees(problem, fit),
        products,
    )


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


def _score(problem: Scaled, misfit: Tensor) -> float:
    """Correlation of prediction and measurement on held-out rows, times the root of their number."""
    rows = problem.fitted == 0
    y = problem.y[rows]
    predicted = y + misfit[rows]
    sizes = float(y.norm() * predicted.norm())
    return float(y @ predicted) / sizes * math.sqrt(len(y)) if sizes > 0 else 0.0


def _agrees(problem: Scaled, fit: Fit) -> bool:
    fitted, held = float(problem.fitted.sum()), float((1 - problem.fitted).sum())
    freedom = fitted - len(fit.support)
    if freedom <= 0 or held <= 0:
        return False
    expected = float((problem.fitted * fit.misfit).norm()) ** 2 / freedom
    seen = _held(problem, fit.misfit) ** 2 / held
    # Variances of the two means of squares, were they of normal numbers.
    return seen <= expected * (1 + _AGREEMENT * math.sqrt(2 / held + 2 / freedom))


def score_possible(held_out: int) -> bool:
    """Whether so few rows could be predicted well enough to be significant at all."""
    return math.sqrt(held_out) > _SIGNIFICANT


def held_out_rows(count: int, seed: int) -> Tensor:
    """1 for rows to fit and 0 for rows held out: a tenth, or 30 where that is at most a fifth; none of a single row."""
    held = 0 if count < 2 else min(max(math.ceil(count / 10), min(30, max(1, count // 5))), 4000)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    fitted = torch.ones(count, dtype=torch.float64)
    fitted[order[:held]] = 0
    return fitted
