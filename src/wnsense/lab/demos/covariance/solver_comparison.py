"""What the recovered covariance is held against: the truth, other solvers on the same data, and least squares."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.lab.demos.covariance.least_norm import minimum_norm
from wnsense.recovery.evidence.spectral_rank import residual_directions
from wnsense.running.loop import solve
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Trace
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.solver import Solver
from wnsense.solvers.weight_norm import WeightNormalizedGD

# What a person is told while it runs: what is being done, how much of it is done, of how much (0 where nobody knows).
Tell = Callable[[str, int, int], None]

# Far below the error that least squares is left with.
_LEAST_SQUARES_TOLERANCE = 1e-3

_SOLVERS: dict[str, Solver[Any]] = {
    "preconditioned-wn": PreconditionedWN(),
    "wn": WeightNormalizedGD(),
    "gd": GradientDescent(),
}


@dataclass(frozen=True)
class Truth:
    """The covariance that the sensor never had, to judge by.

    Attributes:
        matrix: S, the covariance of the centred images.
        values: Its eigenvalues, falling.
        vectors: Its eigenvectors, as columns.
    """

    matrix: Float[Tensor, "m m"]
    values: Float[Tensor, " m"]
    vectors: Float[Tensor, "m m"]

    @classmethod
    def of(cls, images: Float[Tensor, "count pixels"]) -> "Truth":
        """The covariance of images, in double precision."""
        centred = images.double() - images.double().mean(0)
        matrix = centred.mT @ centred / len(images)
        values, vectors = torch.linalg.eigh(matrix)
        return cls(matrix, values.flip(0), vectors.flip(1))

    @property
    def norm(self) -> float:
        """||S||_F."""
        return float(torch.linalg.vector_norm(self.values))

    def error(self, Z: LowRank) -> Float[Tensor, ""]:
        """||Z - S||_F / ||S||_F, from inner products: errors here are far from those that cancellation would spoil."""
        point = Z.to(dtype=torch.float64)
        inner = ((self.matrix @ point.X) * (point.X @ point.Theta)).sum()
        return (point.norm().square() - 2 * inner + self.norm**2).clamp(min=0).sqrt() / self.norm

    def dense_error(self, Z: Float[Tensor, "m m"]) -> float:
        """The same of a full matrix."""
        return float(torch.linalg.matrix_norm(Z.double() - self.matrix)) / self.norm

    def best_error(self, rank: int) -> float:
        """The error of the best matrix of a rank: what the eigenvalues beyond it weigh (Eckart and Young)."""
        return float(torch.linalg.vector_norm(self.values[rank:])) / self.norm


@dataclass(frozen=True)
class Way:
    """The error along one method's way.

    Attributes:
        applications: Applications of M and M*.
        error: Relative error, in the Frobenius norm.
        status: How it ended.
    """

    applications: np.ndarray
    error: np.ndarray
    status: str


def compared(
    operator: PairedRankOneSensing,
    sketches: Float[Tensor, " n"],
    truth: Truth,
    *,
    rank: int,
    seed: int,
    budget: int,
    tell: Tell,
) -> Iterator[tuple[str, Way]]:
    """Each solver from one and the same spectral start, and least squares, all on the same sketches.

    Args:
        operator: What took the sketches.
        sketches: The sketches.
        truth: What errors are against.
        rank: The rank that the solvers are given.
        seed: Of the start.
        budget: Applications for each of them.
        tell: Told what is being done.
    """
    objective = SensingObjective(Problem(operator, sketches), seed=seed)
    start, cost = _spectral_start(objective, rank, seed)
    trace = Trace(error=lambda objective, point: truth.error(objective.to_user(point)))
    for name, solver in _SOLVERS.items():
        stop = Stop(max_applications=budget, callback=relay(tell, f"for comparison, {name}", budget))
        before = objective.calibration.applications + cost
        result = solve(objective, solver, start, stop=stop, trace=trace, applications_before=before)
        raise_if_interrupted(result.status)
        yield name, Way(result.trace["applications"], result.trace["error"], str(result.status))
    applications, errors, status = [0], [1.0], Status.OUT_OF_BUDGET
    for step in minimum_norm(operator, sketches, tolerance=_LEAST_SQUARES_TOLERANCE, max_steps=budget // 2):
        tell("for comparison, least squares", step.applications, 0)
        applications.append(step.applications)
        errors.append(truth.dense_error(step.matrix))
        status = Status.CONVERGED if step.residual <= _LEAST_SQUARES_TOLERANCE else Status.OUT_OF_BUDGET
    yield "least-squares", Way(np.array(applications), np.array(errors), str(status))


def informed_error(
    operator: PairedRankOneSensing, sketches: Float[Tensor, " n"], truth: Truth, *, rank: int, budget: int, tell: Tell
) -> float:
    """The error of a fit of a rank that begins at the best matrix of that rank, which only the truth tells.

    It is what the sketches leave open, however well one searches.
    """
    objective = SensingObjective(Problem(operator, sketches))
    best = LowRank(truth.vectors[:, :rank], torch.diag(truth.values[:rank])).to(dtype=operator.dtype)
    relayed = relay(tell, "for comparison, a fit begun at the truth", budget)
    stop = Stop(stagnation=2, gain=1e-3, max_applications=budget, callback=relayed)
    result = solve(objective, GaussNewton(), objective.from_user(best), stop=stop)
    raise_if_interrupted(result.status)
    return float(truth.error(result.matrix))


def _spectral_start(objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
    """The dominant part of the back-projected sketches, where `recover` begins too; and its cost in applications."""
    return residual_directions(objective, -objective.target, rank, seed=seed)


def relay(tell: Tell, words: str = "", total: int = 0) -> Callable[[Progress], None]:
    """What tells a person of a run's progress, in words of its own or the run's."""

    def callback(progress: Progress) -> None:
        tell(words or f"recovering: {progress.stage}", progress.applications, total)

    return callback


def raise_if_interrupted(status: Status) -> None:
    """Pass on an interruption: a solver keeps what it has, a demo has nothing to keep.

    Raises:
        KeyboardInterrupt: When the status says so.
    """
    if status is Status.INTERRUPTED:
        raise KeyboardInterrupt
