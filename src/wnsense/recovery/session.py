"""What a recovery spends and writes down while it makes one run after another."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wnsense.linalg import orthonormal_factor, random_normal
from wnsense.recovery.recovery_checkpoint import RecoveryCheckpoint
from wnsense.recovery.spectrum_columns import SPECTRUM, one_column_each, recorded_spectrum
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Callback, Stop
from wnsense.running.trace import Columns, Trace
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem
from wnsense.solvers.objective import Evaluation, SensingObjective, relative_error
from wnsense.solvers.solver import Solver


@dataclass(frozen=True)
class Budget:
    """What may be spent; None is no limit.

    Attributes:
        max_applications: Applications of M and M*.
        max_seconds: Seconds, metrics not counted.
        callback: Told of progress; returning True stops.
    """

    max_applications: int | None = None
    max_seconds: float | None = None
    callback: Callback | None = None

    def spent(self, applications: int, seconds: float) -> bool:
        """Whether nothing is left."""
        return (self.max_applications is not None and applications >= self.max_applications) or (
            self.max_seconds is not None and seconds >= self.max_seconds
        )


class EndedEarlyError(Exception):
    """A run ended in a way that ends the recovery: interrupted, stopped, out of budget, diverged.

    Attributes:
        status: How.
    """

    def __init__(self, status: Status) -> None:
        """Keep the status."""
        super().__init__(str(status))
        self.status = status


@dataclass
class Session:
    """One recovery under way.

    Attributes:
        problem: What is recovered.
        budget: What may be spent.
        checkpoint: Where runs are kept.
        applications: Spent so far; probes and starts add to it, runs do so themselves.
        seconds: Spent so far.
        steps: Taken so far.
        traces: Of the runs so far.
        latest: The answer of the latest run, in the user's units.
    """

    problem: Problem
    budget: Budget
    checkpoint: RecoveryCheckpoint
    applications: int = 0
    seconds: float = 0.0
    steps: int = 0
    traces: list[Columns] = field(default_factory=list)
    latest: LowRank | None = None

    def run(
        self, objective: SensingObjective, solver: Solver[Any], point: LowRank, stop: Stop, stage: str
    ) -> Evaluation:
        """One run of the loop within what is left of the budget, kept in the checkpoint and counted.

        Returns:
            The evaluation at its answer.

        Raises:
            EndedEarlyError: If the run was interrupted or stopped or diverged, or nothing is left of the budget.
        """
        result: Result[Any] = solve(
            objective,
            solver,
            point,
            stop=replace(
                stop,
                max_applications=self.budget.max_applications,
                max_seconds=self.budget.max_seconds,
                callback=self.budget.callback,
            ),
            trace=Trace(
                error=None if self.problem.truth is None else relative_error, metrics={SPECTRUM: recorded_spectrum}
            ),
            checkpoint=self.checkpoint.run(solver),
            stage=stage,
            applications_before=self.applications,
            seconds_before=self.seconds,
        )
        self.applications = result.applications
        self.seconds += result.seconds
        self.steps += result.steps
        length = len(result.trace["step"])
        labels = {"stage": np.full(length, len(self.traces)), "rank": np.full(length, point.width)}
        self.traces.append(Columns({**labels, **one_column_each(result.trace)}))
        if result.status is Status.DIVERGED:
            # Nothing can be built on numbers that are none; the latest sound matrix is kept.
            raise EndedEarlyError(Status.DIVERGED)
        self.latest = result.matrix
        if result.status in {Status.INTERRUPTED, Status.STOPPED_BY_USER}:
            raise EndedEarlyError(result.status)
        if self.budget.spent(self.applications, self.seconds):
            raise EndedEarlyError(Status.OUT_OF_BUDGET)
        answer: Evaluation = result.state.answer
        return answer

    def trace(self) -> Columns:
        """The traces end to end; a column that a stage lacks is NaN there."""
        names = list(dict.fromkeys(name for trace in self.traces for name in trace))

        def column(trace: Columns, name: str) -> np.ndarray:
            return trace[name] if name in trace else np.full(len(trace["step"]), np.nan)

        return Columns({name: np.concatenate([column(trace, name) for trace in self.traces]) for name in names})


def resized(point: LowRank, width: int) -> LowRank:
    """The point with orthonormal factors of exactly this width: truncated, or padded with directions of no weight."""
    Z = point.truncate(width) if point.width > width else point.orthonormal()
    missing = width - Z.width
    if missing == 0:
        return Z
    generator = torch.Generator().manual_seed(width)

    def pad(Q: Tensor) -> Tensor:
        extra = random_normal((Q.shape[0], missing), generator=generator, dtype=Q.dtype, device=Q.device)
        return orthonormal_factor(torch.cat([Q, extra], dim=-1))

    X = pad(Z.X)
    Y = None if Z.Y is None else pad(Z.Y)
    # The padding keeps the first columns up to sign; reading Theta off the new frames keeps the matrix itself.
    right = X if Y is None else Y
    return LowRank(X, (X.mH @ Z.X) @ Z.Theta @ (Z.right.mH @ right), Y)
