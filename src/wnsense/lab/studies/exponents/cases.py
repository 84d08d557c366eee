"""Values of the study of exponents: grids that vary one variable of Theorem 3.2 around a base point."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from wnsense.lab.studies.exponents.specification import ExponentSpecification, ExponentSweep, Point
from wnsense.lab.studies.theorem_cases import Varied
from wnsense.theory.convergence import step_size

# Largest step of a sweep whose `eta` follows the theorem; in the population WN is stable up to `eta = 2`.
_LARGEST_STEP = 1.0

Move = Callable[[Point, float], Point]

_MOVES: dict[Varied, Move] = {
    Varied.CONDITION: lambda at, value: replace(at, condition=value),
    Varied.SIZE: lambda at, value: replace(at, size=int(value)),
    Varied.RANK: lambda at, value: replace(at, rank=int(value)),
    Varied.TRUE_RANK: lambda at, value: replace(at, true_rank=int(value)),
    Varied.RATIO: lambda at, value: replace(at, true_rank=int(value), rank=round(value * at.rank / at.true_rank)),
    Varied.STEP_SIZE: lambda at, value: replace(at, step_size=value),
    Varied.MEASUREMENTS: lambda at, value: replace(at, measurements=int(value)),
}


def _held(base: Point, varied: Varied, values: Sequence[float], seeds: int) -> ExponentSweep:
    """Return a sweep with constant `eta`."""
    return ExponentSweep(varied, tuple(_MOVES[varied](base, value) for value in values), seeds)


def _following(base: Point, varied: Varied, values: Sequence[float], seeds: int) -> ExponentSweep:
    """Return a sweep with the `eta` of the theorem; its constant makes the largest one `_LARGEST_STEP`."""
    points = [_MOVES[varied](base, value) for value in values]
    steps = [step_size(point.setting, constant=1.0) for point in points]
    scale = _LARGEST_STEP / max(steps)
    moved = (replace(point, step_size=scale * step) for point, step in zip(points, steps, strict=True))
    return ExponentSweep(varied, tuple(moved), seeds, follows=True)


_QUICK = Point(size=40, rank=8, true_rank=2, condition=3.0, step_size=0.5)
_BASE = Point(size=100, rank=12, true_rank=4, condition=5.0, step_size=0.5)
_SAMPLED = Point(size=24, rank=6, true_rank=2, condition=3.0, step_size=0.5, measurements=4_000)
_STARTS, _PROBLEMS = 24, 4

EXPONENTS_STUDY = ExponentSpecification(
    "exponents",
    "Burn-in and rate of Algorithm 1 beside the exponents of Theorem 3.2",
    "With eta = O((r-r_A)^4/(kappa^2 m^2 r^2 r_A)) the burn-in takes at most O(kappa^4 m^4 r^4 r_A^2/(r-r_A)^8) steps, "
    "and then the error falls by a part of at least O((r-r_A)^4/(kappa^4 m^2 r^2 r_A)) a step; constants are not "
    "published.",
    quick=(
        _held(_QUICK, Varied.CONDITION, (2, 3, 5), 8),
        _held(_QUICK, Varied.SIZE, (20, 40, 80), 8),
        _held(_QUICK, Varied.STEP_SIZE, (0.25, 0.5, 1.0), 8),
        _following(_QUICK, Varied.CONDITION, (2, 3, 4), 8),
        _held(replace(_QUICK, size=24, rank=4, measurements=800), Varied.CONDITION, (2, 3, 4), 3),
    ),
    paper=(
        _held(_BASE, Varied.CONDITION, (2, 3, 5, 8, 13, 20), _STARTS),
        _held(_BASE, Varied.SIZE, (25, 50, 100, 200, 400, 800), _STARTS),
        _held(_BASE, Varied.RANK, (6, 8, 12, 20, 32, 50), _STARTS),
        _held(_BASE, Varied.TRUE_RANK, (2, 3, 4, 6, 8), _STARTS),
        _held(_BASE, Varied.RATIO, (2, 4, 8, 12), _STARTS),
        _held(_BASE, Varied.STEP_SIZE, (0.1, 0.2, 0.5, 1.0), _STARTS),
        _following(_BASE, Varied.CONDITION, (2, 3, 4, 6), _STARTS),
        _following(_BASE, Varied.SIZE, (50, 71, 100), _STARTS),
        _following(_BASE, Varied.RANK, (17, 24, 34), _STARTS),
        _following(_BASE, Varied.TRUE_RANK, (2, 3, 4), _STARTS),
        _held(_SAMPLED, Varied.CONDITION, (2, 3, 5), _PROBLEMS),
        _held(_SAMPLED, Varied.SIZE, (16, 24, 34), _PROBLEMS),
        _held(_SAMPLED, Varied.MEASUREMENTS, (300, 1_200, 4_000, 16_000), _PROBLEMS),
    ),
    choices=(
        "base points and grids; r + r_A <= m, so that no start has a direction of span(U) for sure",
        "eigenvalues are evenly spaced from 1 to 1/kappa, X_0 is Haar-distributed, Theta_0 = 0.1 I, mu = 2",
        "burn-in: the first recorded step with Tr(Phi Phi^T) >= r_A - 0.5, at least 1; a row every hundredth or so",
        "rate: the slope of log ||X Theta X^T - A||_F over evenly spaced rows, from 1e-4 sigma_{r_A} down to 1e-9",
        "exponents: each seed's least-squares slope on logarithmic axes, their mean and its 95% interval over seeds",
        "where eta follows the theorem, its constant is such that the largest eta of the sweep is 1",
        "sampled: Gaussian rows, compressed to m(m+1)/2 where there are more; truth, rows and start anew for each seed",
    ),
)
