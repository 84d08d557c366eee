"""Cells of the benchmark's grid and the problems that are drawn from them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch

from wnsense.checks import require, require_rank
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.ensembles.transforms import DCTSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank, require_truth
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective, relative_error

Draw = Callable[[int, int, Kind, torch.Generator], Operator]

# Each function takes the number of measurements, the side, the kind and a generator.
ENSEMBLES: Mapping[str, Draw] = {
    "gaussian": lambda n, m, kind, g: GaussianSensing.draw(n, (m, m), kind=kind, generator=g),
    "rank-one": lambda n, m, kind, g: RankOneSensing.draw(n, m, kind=kind, generator=g),
    "dct": lambda n, m, kind, g: DCTSensing.draw(n, m, kind=kind, generator=g),
    "entries": lambda n, m, kind, g: EntrySensing.draw(n, (m, m), kind=kind, generator=g),
}

# Ensembles that draw each coordinate at most once.
_DISTINCT = {"dct", "entries"}


@dataclass(frozen=True, order=True)
class Cell:
    """One combination of ensemble, size, rank, conditioning, oversampling and noise.

    Attributes:
        ensemble: Name of the measurement ensemble, a key of `ENSEMBLES`.
        kind: Kind of the unknown matrix.
        size: Side of the matrix, `m`.
        rank: Rank of the matrix, `r_A`.
        cap: Working rank of every method except `recover()`; `r_A` where these methods are given the true rank.
        condition: Condition number `kappa`; the eigenvalues are evenly spaced from 1 to `1 / kappa`.
        oversampling: Number of measurements `n` over the degrees of freedom of a matrix of rank `r_A`.
        noise: Standard deviation of the noise over the root mean square of the measurements.
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
        """Check that a problem can be drawn.

        Raises:
            InputError: If the ensemble is not in `ENSEMBLES`, or a rank does not fit the size.
        """
        require(self.ensemble in ENSEMBLES, f"an ensemble of {', '.join(ENSEMBLES)}", repr(self.ensemble))
        require_rank("the rank", self.rank, self.size)
        require_rank("the rank cap", self.cap, self.size)

    @property
    def degrees_of_freedom(self) -> int:
        """Degrees of freedom of a matrix of rank `r_A`."""
        return self.kind.degrees_of_freedom((self.size, self.size), self.rank, is_complex=self.kind is Kind.HERMITIAN)

    @property
    def measurements(self) -> int:
        """Number of measurements, `n`."""
        return math.ceil(self.oversampling * self.degrees_of_freedom)

    @property
    def is_possible(self) -> bool:
        """True if `n` measurements can be drawn.

        Ensembles that draw each coordinate at most once have no more rows than the matrix has dimensions.
        """
        if self.ensemble not in _DISTINCT:
            return True
        is_complex = self.kind is Kind.HERMITIAN
        return self.measurements <= self.kind.dimension((self.size, self.size), is_complex=is_complex)

    def problem(self, seed: int) -> Problem:
        """Draw the problem of a seed, with its truth."""
        generator = torch.Generator().manual_seed(seed)
        truth = low_rank(self.size, self.rank, self.condition, kind=self.kind, generator=generator)
        operator = ENSEMBLES[self.ensemble](self.measurements, self.size, self.kind, generator)
        return Problem.measure(operator, truth, self.noise, generator=generator)


# Runs of one problem follow each other; the cache saves drawing it for each of them.
@lru_cache(maxsize=2)
def cell_problem(cell: Cell, seed: int) -> Problem:
    """Return the problem of a cell and a seed from a cache of the latest two."""
    return cell.problem(seed)


@lru_cache(maxsize=2)
def oracle_error(cell: Cell, seed: int) -> float:
    """Return the relative error of the least-squares fit of rank `r_A`, started at the truth."""
    problem = cell_problem(cell, seed)
    # Plain least squares: all measurements have the same weight, and only the scale is the library's.
    uniform = torch.full_like(problem.measurements, problem.operator.count**-0.5)
    objective = SensingObjective(
        problem, given=Calibration(uniform, None, 1.0, SensingObjective(problem).calibration.scale, applications=0)
    )
    result = solve(
        objective,
        GaussNewton(),
        objective.from_user(require_truth(problem)),
        stop=Stop(stagnation=3, gain=1e-8, max_steps=100),
        trace=Trace(error=relative_error),
    )
    return float(result.trace["error"][-1])
