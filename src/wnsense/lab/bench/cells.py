"""A cell of the benchmark's grid: what is to be recovered, from what, and how a problem of it is drawn."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch

from wnsense.checks import InputError, require, require_rank
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.ensembles.transforms import DCTSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective, relative_error

Draw = Callable[[int, int, Kind, torch.Generator], Operator]

# From the number of measurements, the side and the kind.
ENSEMBLES: Mapping[str, Draw] = {
    "gaussian": lambda n, m, kind, g: GaussianSensing.draw(n, (m, m), kind=kind, generator=g),
    "rank-one": lambda n, m, kind, g: RankOneSensing.draw(n, m, kind=kind, generator=g),
    "dct": lambda n, m, kind, g: DCTSensing.draw(n, m, kind=kind, generator=g),
    "entries": lambda n, m, kind, g: EntrySensing.draw(n, (m, m), kind=kind, generator=g),
}

# They draw no coordinate twice.
_DISTINCT = {"dct", "entries"}


@dataclass(frozen=True, order=True)
class Cell:
    """One set of circumstances.

    Attributes:
        ensemble: What measures, a name of `ENSEMBLES`.
        kind: Of the unknown.
        size: m, the side of the matrix.
        rank: r_A, its rank.
        cap: The working rank that every method but recover() is given; r_A where they are told the rank.
        condition: kappa; eigenvalues are evenly spaced from 1 to 1/kappa.
        oversampling: n over the degrees of freedom of a matrix of rank r_A.
        noise: Its standard deviation over the root mean square of the measurements.
    """

    ensemble: str
    kind: Kind
    size: int
    rank: int
    cap: int
    condition: float
    oversampling: float
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no problem can be drawn of."""
        require(self.ensemble in ENSEMBLES, f"an ensemble of {', '.join(ENSEMBLES)}", repr(self.ensemble))
        require_rank("the rank", self.rank, self.size)
        require_rank("the rank cap", self.cap, self.size)

    @property
    def degrees_of_freedom(self) -> int:
        """Of a matrix of this rank."""
        return self.kind.degrees_of_freedom((self.size, self.size), self.rank, is_complex=self.kind is Kind.HERMITIAN)

    @property
    def measurements(self) -> int:
        """How many, n."""
        return math.ceil(self.oversampling * self.degrees_of_freedom)

    @property
    def is_possible(self) -> bool:
        """Whether so many can be drawn: ensembles of different coordinates have no more than the matrix."""
        if self.ensemble not in _DISTINCT:
            return True
        is_complex = self.kind is Kind.HERMITIAN
        return self.measurements <= self.kind.dimension((self.size, self.size), is_complex=is_complex)

    def problem(self, seed: int) -> Problem:
        """The problem of a seed, with its truth."""
        generator = torch.Generator().manual_seed(seed)
        truth = low_rank(self.size, self.rank, self.condition, kind=self.kind, generator=generator)
        operator = ENSEMBLES[self.ensemble](self.measurements, self.size, self.kind, generator)
        return Problem.measure(operator, truth, self.noise, generator=generator)


def known_truth(problem: Problem) -> LowRank:
    """The truth, which every problem of a cell has.

    Raises:
        InputError: When it has none.
    """
    if problem.truth is None:
        raise InputError("needed a problem with a truth, got one without")
    return problem.truth


# Runs of one problem follow one another, so that it need not be drawn for each.
@lru_cache(maxsize=2)
def drawn(cell: Cell, seed: int) -> Problem:
    """The problem of a cell and a seed, the latest two kept."""
    return cell.problem(seed)


@lru_cache(maxsize=2)
def oracle_error(cell: Cell, seed: int) -> float:
    """The relative error of the least-squares fit of rank r_A to all measurements, started at the truth."""
    problem = drawn(cell, seed)
    # Least squares as it is, all measurements alike; only the scale is the library's.
    alike = torch.full_like(problem.measurements, problem.operator.count**-0.5)
    objective = SensingObjective(
        problem, given=Calibration(alike, None, 1.0, SensingObjective(problem).scale, applications=0)
    )
    result = solve(
        objective,
        GaussNewton(),
        objective.from_user(known_truth(problem)),
        stop=Stop(stagnation=3, gain=1e-8, max_steps=100),
        trace=Trace(error=relative_error),
    )
    return float(result.trace["error"][-1])
