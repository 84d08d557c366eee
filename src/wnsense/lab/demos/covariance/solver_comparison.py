"""Comparison of a recovered covariance with the truth, with other solvers on the same data, and with least squares."""

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
from wnsense.running.progress import ProgressCallback
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

# Relative residual at which least squares stops; it is far below the error of the answer.
_LEAST_SQUARES_TOLERANCE = 1e-3

_SOLVERS: dict[str, Solver[Any]] = {
    "preconditioned-wn": PreconditionedWN(),
    "wn": WeightNormalizedGD(),
    "gd": GradientDescent(),
}


@dataclass(frozen=True)
class Truth:
    """True covariance, which only errors are computed from.

    Attributes:
        matrix: Covariance `S` of the centred images.
        values: Eigenvalues of `S`, decreasing.
        vectors: Eigenvectors of `S`, as columns.
    """

    matrix: Float[Tensor, "m m"]
    values: Float[Tensor, " m"]
    vectors: Float[Tensor, "m m"]

    @classmethod
    def of(cls, images: Float[Tensor, "count pixels"]) -> "Truth":
        """Compute the covariance of images in double precision."""
        centred = images.double() - images.double().mean(0)
        matrix = centred.mT @ centred / len(images)
        values, vectors = torch.linalg.eigh(matrix)
        return cls(matrix, values.flip(0), vectors.flip(1))

    @property
    def norm(self) -> float:
        """Norm `||S||_F`."""
        return float(torch.linalg.vector_norm(self.values))

    def error(self, Z: LowRank) -> Float[Tensor, ""]:
        """Return `||Z - S||_F / ||S||_F`, from inner products; errors here are too large for cancellation to matter."""
        point = Z.to(dtype=torch.float64)
        inner = ((self.matrix @ point.X) * (point.X @ point.Theta)).sum()
        return (point.norm().square() - 2 * inner + self.norm**2).clamp(min=0).sqrt() / self.norm

    def dense_error(self, Z: Float[Tensor, "m m"]) -> float:
        """Return `||Z - S||_F / ||S||_F` of a full matrix."""
        return float(torch.linalg.matrix_norm(Z.double() - self.matrix)) / self.norm

    def best_error(self, rank: int) -> float:
        """Return the relative error of the best matrix of a rank (Eckart and Young)."""
        return float(torch.linalg.vector_norm(self.values[rank:])) / self.norm


@dataclass(frozen=True)
class SolverCurve:
    """Error of a method against its cost.

    Attributes:
        applications: Number of applications of `M` and `M*` at each point.
        error: Relative error at each point, in the Frobenius norm.
        status: Text of the status at the end.
    """

    applications: np.ndarray
    error: np.ndarray
    status: str


def compare_solvers(
    operator: PairedRankOneSensing,
    sketches: Float[Tensor, " n"],
    truth: Truth,
    *,
    rank: int,
    seed: int,
    budget: int,
    progress: ProgressCallback,
) -> Iterator[tuple[str, SolverCurve]]:
    """Yield the curve of each solver from one common spectral start, and of least squares, on the same sketches.

    Args:
        operator: Operator that took the sketches.
        sketches: Sketches.
        truth: Covariance that errors are computed from.
        rank: Rank that the solvers are given.
        seed: Seed of the start.
        budget: Number of applications for each method.
        progress: Callback for progress.
    """
    objective = SensingObjective(Problem(operator, sketches), seed=seed)
    start, cost = _spectral_start(objective, rank, seed)
    trace = Trace(error=lambda objective, point: truth.error(objective.to_user(point)))
    for name, solver in _SOLVERS.items():
        stop = Stop(max_applications=budget, callback=relay(progress, f"for comparison, {name}", budget))
        before = objective.calibration.applications + cost
        result = solve(objective, solver, start, stop=stop, trace=trace, applications_before=before)
        raise_if_interrupted(result.status)
        yield name, SolverCurve(result.trace["applications"], result.trace["error"], str(result.status))
    applications, errors, status = [0], [1.0], Status.OUT_OF_BUDGET
    for step in minimum_norm(operator, sketches, tolerance=_LEAST_SQUARES_TOLERANCE, max_steps=budget // 2):
        progress("for comparison, least squares", step.applications, 0)
        applications.append(step.applications)
        errors.append(truth.dense_error(step.matrix))
        status = Status.CONVERGED if step.residual <= _LEAST_SQUARES_TOLERANCE else Status.OUT_OF_BUDGET
    yield "least-squares", SolverCurve(np.array(applications), np.array(errors), str(status))


def informed_error(
    operator: PairedRankOneSensing,
    sketches: Float[Tensor, " n"],
    truth: Truth,
    *,
    rank: int,
    budget: int,
    progress: ProgressCallback,
) -> float:
    """Return the error of a fit that starts at the best matrix of a rank, which is computed from the truth.

    No search from other starts can be expected to have a smaller error from these sketches.
    """
    objective = SensingObjective(Problem(operator, sketches))
    best = LowRank(truth.vectors[:, :rank], torch.diag(truth.values[:rank])).to(dtype=operator.dtype)
    relayed = relay(progress, "for comparison, a fit begun at the truth", budget)
    stop = Stop(stagnation=2, gain=1e-3, max_applications=budget, callback=relayed)
    result = solve(objective, GaussNewton(), objective.from_user(best), stop=stop)
    raise_if_interrupted(result.status)
    return float(truth.error(result.answer))


def _spectral_start(objective: SensingObjective, rank: int, seed: int) -> tuple[LowRank, int]:
    """Return the dominant part of the back-projected sketches, as in `recover`, and its cost in applications."""
    return residual_directions(objective, -objective.target, rank, seed=seed)


def relay(progress: ProgressCallback, words: str = "", total: int = 0) -> Callable[[Progress], None]:
    """Return a callback of a solver that passes its progress on, with the given words or those of the stage."""

    def callback(state: Progress) -> None:
        progress(words or f"recovering: {state.stage}", state.applications, total)

    return callback


def raise_if_interrupted(status: Status) -> None:
    """Raise an interruption again: a solver returns its last point, but a demo has nothing to return.

    Raises:
        KeyboardInterrupt: If the status is INTERRUPTED.
    """
    if status is Status.INTERRUPTED:
        raise KeyboardInterrupt
