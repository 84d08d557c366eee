"""Session of a recovery: budget, cost, checkpoint and trace of its runs."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wnsense.linalg import orthonormal_factor, random_normal
from wnsense.recovery.recovery_checkpoint import RecoveryCheckpoint
from wnsense.recovery.result import Stage
from wnsense.recovery.spectrum_columns import SPECTRUM, one_column_each, recorded_spectrum
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Callback, Stop
from wnsense.running.trace import Columns, Trace
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.solvers.catalogue import solver_name
from wnsense.solvers.objective import Evaluation, SensingObjective, relative_error
from wnsense.solvers.solver import Solver


@dataclass(frozen=True)
class Budget:
    """Budget of a recovery; None is no limit.

    Attributes:
        max_applications: Largest number of applications of `M` and `M*`.
        max_seconds: Largest time in seconds, without the time for metrics.
        callback: Function called with the progress; if it returns True, the recovery stops.
    """

    max_applications: int | None = None
    max_seconds: float | None = None
    callback: Callback | None = None

    def spent(self, applications: int, seconds: float) -> bool:
        """Return True if the budget is spent."""
        return (self.max_applications is not None and applications >= self.max_applications) or (
            self.max_seconds is not None and seconds >= self.max_seconds
        )


class EndedEarlyError(Exception):
    """End of a run that ends the recovery: interrupted, stopped, out of budget or diverged.

    Attributes:
        status: Status of the run.
    """

    def __init__(self, status: Status) -> None:
        """Keep the status."""
        super().__init__(str(status))
        self.status = status


@dataclass
class Session:
    """Budget, cost and trace of one recovery under way.

    Attributes:
        problem: Problem that is solved.
        budget: Budget of the whole recovery.
        checkpoint: Checkpoint that holds the runs.
        applications: Applications so far; probes and starts are added by the caller, runs by `run`.
        seconds: Seconds so far.
        steps: Steps so far.
        stages: Runs so far.
        traces: Traces of the runs so far.
        latest: Answer of the latest run, in the user's units.
    """

    problem: Problem
    budget: Budget
    checkpoint: RecoveryCheckpoint
    applications: int = 0
    seconds: float = 0.0
    steps: int = 0
    stages: list[Stage] = field(default_factory=list)
    traces: list[Columns] = field(default_factory=list)
    latest: LowRank | None = None

    @property
    def applications_left(self) -> int | None:
        """Applications that the budget leaves; None without a limit."""
        most = self.budget.max_applications
        return None if most is None else max(most - self.applications, 0)

    def run(
        self,
        objective: SensingObjective,
        solver: Solver[Any],
        point: LowRank,
        stop: Stop,
        stage: str,
        *,
        is_search: bool = False,
    ) -> Evaluation:
        """Run a solver within the rest of the budget, save the run in the checkpoint and count its cost.

        Args:
            objective: Objective of the run.
            solver: Solver of the run.
            point: First point.
            stop: Stopping rules, within the budget.
            stage: Name of the run in progress reports.
            is_search: True if the points of the run are no answers unless they are exact.

        Returns:
            The evaluation at the answer.

        Raises:
            EndedEarlyError: If the run was interrupted, stopped or diverged, or the budget is spent.
        """
        result: Result[Any, LowRank] = solve(
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
        self.seconds += result.snapshot.seconds
        self.steps += result.steps
        self.stages.append(Stage(stage, solver_name(solver), result.answer.width, result.steps))
        length = len(result.trace["step"])
        labels = {"stage": np.full(length, len(self.traces)), "rank": np.full(length, result.answer.width)}
        self.traces.append(Columns({**labels, **one_column_each(result.trace)}))
        if result.status is Status.DIVERGED:
            # Numbers that are not finite are of no use; the latest finite matrix stays.
            raise EndedEarlyError(Status.DIVERGED)
        if not is_search:
            self.latest = result.answer
        if result.status in {Status.INTERRUPTED, Status.STOPPED_BY_USER}:
            raise EndedEarlyError(result.status)
        if self.budget.spent(self.applications, self.seconds):
            raise EndedEarlyError(Status.OUT_OF_BUDGET)
        answer: Evaluation = result.snapshot.state.answer
        return answer

    def trace(self) -> Columns:
        """Return the traces one after another; a column that a stage lacks is NaN there."""
        names = list(dict.fromkeys(name for trace in self.traces for name in trace))

        def column(trace: Columns, name: str) -> np.ndarray:
            return trace[name] if name in trace else np.full(len(trace["step"]), np.nan)

        return Columns({name: np.concatenate([column(trace, name) for trace in self.traces]) for name in names})


def zero_matrix(operator: Operator) -> LowRank:
    """Return the matrix 0 of rank 1."""
    m1, m2 = operator.shape

    def column(rows: int) -> Tensor:
        return torch.eye(rows, 1, dtype=operator.dtype, device=operator.device)

    nothing = torch.zeros(1, 1, dtype=operator.dtype, device=operator.device)
    return LowRank(column(m1), nothing, None if operator.kind.is_symmetric else column(m2))


def resized(point: LowRank, width: int) -> LowRank:
    """Return the point with orthonormal factors of this width: truncated, or padded with directions of weight 0."""
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
    # The padding keeps the first columns up to sign. Theta is computed from the new frames, which keeps the matrix.
    right = X if Y is None else Y
    return LowRank(X, (X.mH @ Z.X) @ Z.Theta @ (Z.right.mH @ right), Y)
