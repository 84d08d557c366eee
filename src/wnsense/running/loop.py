"""The only loop: it steps, looks, writes down, stops, and can be interrupted at any moment."""

import time
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from wnsense.running.contract import AnyObjective, AnySolver, P, S
from wnsense.running.layout import canonical
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Columns, Row, Trace
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import Solver, State

A = TypeVar("A")
M = TypeVar("M", bound=State)

_GPU_CHECK_EVERY = 10


@dataclass(frozen=True)
class Snapshot(Generic[S]):
    """All that a run must remember, replaced whole at every step, so that an interruption never sees half of one.

    Attributes:
        state: The solver's.
        steps: Steps taken.
        seconds: Time spent, metrics not counted.
        best: The least monitored residual that counted as an improvement.
        best_step: The step it came at.
        rows: The trace so far, appended to in place.
    """

    state: S
    steps: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    best_step: int = 0
    rows: list[Row] = field(default_factory=list, repr=False)


@runtime_checkable
class RunCheckpoint(Protocol[S]):
    """Where snapshots are kept."""

    def load(self) -> tuple[Snapshot[S], Status | None] | None:
        """The snapshot to go on from, with how the run ended if it had; None to begin."""
        ...

    def due(self) -> bool:
        """Whether it is time to save."""
        ...

    def save(self, snapshot: Snapshot[S], status: Status | None) -> None:
        """Keep a snapshot; the status once the run has ended."""
        ...


@dataclass(frozen=True)
class Outcome(Generic[S, A]):
    """How a run ended and where.

    Attributes:
        status: Why it ended.
        snapshot: The last state, with counts.
        trace: What was written down, as columns.
        answer: The answer, in the user's units.
        residual: Its relative residual on the fitted rows.
        applications: Applications of the map and its adjoint, the objective's own included.
    """

    status: Status
    snapshot: Snapshot[S]
    trace: Columns
    answer: A
    residual: Tensor
    applications: int

    @property
    def state(self) -> S:
        """The solver's last state."""
        return self.snapshot.state

    @property
    def steps(self) -> int:
        """Steps taken."""
        return self.snapshot.steps

    @property
    def seconds(self) -> float:
        """Time spent, metrics not counted."""
        return self.snapshot.seconds


@dataclass(frozen=True)
class Result(Outcome[M, LowRank], Generic[M]):
    """How a run on matrices ended and where; see `Outcome`."""

    @property
    def matrix(self) -> LowRank:
        """The answer, in the user's units."""
        return self.answer


def solve(
    objective: SensingObjective,
    solver: Solver[M],
    start: LowRank,
    *,
    stop: Stop | None = None,
    trace: Trace | None = None,
    checkpoint: RunCheckpoint[M] | None = None,
    stage: str = "solving",
    applications_before: int | None = None,
    seconds_before: float = 0.0,
) -> Result[M]:
    """Run a solver from a start until something stops it.

    Ctrl-C ends the run with status INTERRUPTED and everything computed up to the last whole step.

    Args:
        objective: What is minimized.
        solver: How the point moves.
        start: The first point, in the objective's scaled units.
        stop: When to end; a relative residual of 1e-10 by default.
        trace: What to write down; every step by default.
        checkpoint: Where to keep and find snapshots, so that the run can be resumed.
        stage: What to call this run in progress.
        applications_before: What to count from; the objective's calibration by default.
        seconds_before: The same for time.

    Raises:
        InputError: When the solver cannot treat the objective.
    """
    outcome = run(
        objective,
        solver,
        start,
        stop=stop,
        trace=trace,
        checkpoint=checkpoint,
        stage=stage,
        applications_before=applications_before,
        seconds_before=seconds_before,
    )
    return Result(
        outcome.status, outcome.snapshot, outcome.trace, outcome.answer, outcome.residual, outcome.applications
    )


def run(
    objective: AnyObjective[P, A],
    solver: AnySolver[Any, P, S],
    start: P,
    *,
    stop: Stop | None = None,
    trace: Trace | None = None,
    checkpoint: RunCheckpoint[S] | None = None,
    stage: str = "solving",
    applications_before: int | None = None,
    seconds_before: float = 0.0,
) -> Outcome[S, A]:
    """The same for any objective that the loop can look at: the one loop, which `solve` is too.

    Args:
        objective: What is minimized.
        solver: How the point moves; one for such objectives and points.
        start: The first point.
        stop: When to end; a relative residual of 1e-10 by default.
        trace: What to write down; every step by default.
        checkpoint: Where to keep and find snapshots, so that the run can be resumed.
        stage: What to call this run in progress.
        applications_before: What to count from; what the objective cost by default.
        seconds_before: The same for time.
    """
    course = _Loop(
        objective,
        stop or Stop(),
        trace or Trace(),
        stage,
        objective.applications if applications_before is None else applications_before,
        seconds_before,
    )
    snapshot, status = _first_snapshot(objective, solver, start, checkpoint)
    if status is not None:
        # All of it is kept already: to save it again would drop the runs that a journal holds after it.
        return course.result(snapshot, status)
    try:
        while status is None:
            regular = course.is_regular(snapshot)
            if regular or course.is_last(snapshot):
                progress = course.progress(snapshot)
                if regular:
                    snapshot = course.recorded(snapshot, progress)
                idle = snapshot.steps - snapshot.best_step
                status = course.stop.verdict(progress, idle, snapshot.state.answer)
                if status is not None:
                    break
            if checkpoint is not None and checkpoint.due():
                checkpoint.save(snapshot, None)
            began = time.perf_counter()
            state = canonical(solver.step(objective, snapshot.state))
            spent = time.perf_counter() - began
            snapshot = replace(snapshot, state=state, steps=snapshot.steps + 1, seconds=snapshot.seconds + spent)
    except KeyboardInterrupt:
        if checkpoint is not None:
            checkpoint.save(snapshot, None)
        return course.result(snapshot, Status.INTERRUPTED)
    if checkpoint is not None:
        # Before the last row, which a run that goes on with a larger budget would not have.
        checkpoint.save(snapshot, status)
    return course.result(snapshot, status)


def _first_snapshot(
    objective: AnyObjective[P, A], solver: AnySolver[Any, P, S], start: P, checkpoint: RunCheckpoint[S] | None
) -> tuple[Snapshot[S], Status | None]:
    """What the checkpoint holds, or else the start."""
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is not None:
        return saved
    began = time.perf_counter()
    state = canonical(solver.start(objective, start))
    return Snapshot(state, seconds=time.perf_counter() - began), None


@dataclass(frozen=True)
class _Loop(Generic[A]):
    """What stays the same during one run."""

    objective: AnyObjective[Any, A]
    stop: Stop
    trace: Trace
    stage: str
    applications_before: int
    seconds_before: float

    def is_regular(self, snapshot: Snapshot[S]) -> bool:
        """Whether this step is one at which the residual is asked for, whatever the budget."""
        every = self.stop.check_every
        if every is None:
            every = 1 if self.objective.device.type == "cpu" else _GPU_CHECK_EVERY
        return snapshot.steps % every == 0

    def is_last(self, snapshot: Snapshot[S]) -> bool:
        """Whether no step is left."""
        return self.stop.max_steps is not None and snapshot.steps >= self.stop.max_steps

    def progress(self, snapshot: Snapshot[S]) -> Progress:
        """Where the run is; asks the device."""
        residual = snapshot.state.evaluation.residual
        held = self.objective.holdout_residual(residual)
        return Progress(
            self.stage,
            snapshot.steps,
            self.applications_before + snapshot.state.applications,
            self.seconds_before + snapshot.seconds,
            float(self.objective.relative_residual(residual).max()),
            None if held is None else float(held.max()),
        )

    def recorded(self, snapshot: Snapshot[S], progress: Progress) -> Snapshot[S]:
        """The snapshot with its trace row and its least residual brought up to date."""
        monitored = progress.residual
        if not self.stop.watch_holdout:
            monitored = float(snapshot.state.evaluation.misfit.max())
        elif progress.holdout_residual is not None:
            monitored = progress.holdout_residual
        if monitored < (1 - self.stop.gain) * snapshot.best:
            snapshot = replace(snapshot, best=monitored, best_step=snapshot.steps)
        if self.trace.is_due(snapshot.steps):
            self.write_row(snapshot)
        return snapshot

    def write_row(self, snapshot: Snapshot[S]) -> None:
        """Write the trace row for the snapshot's step, unless it is there."""
        if snapshot.rows and snapshot.rows[-1]["step"] == snapshot.steps:
            return
        residual = snapshot.state.evaluation.residual
        row: dict[str, Tensor | float] = {
            "step": snapshot.steps,
            "applications": self.applications_before + snapshot.state.applications,
            "seconds": self.seconds_before + snapshot.seconds,
            "residual": self.objective.relative_residual(residual),
        }
        held = self.objective.holdout_residual(residual)
        if held is not None:
            row["holdout_residual"] = held
        row |= self.trace.measure(self.objective, snapshot.state.point)
        snapshot.rows.append(row)

    def result(self, snapshot: Snapshot[S], status: Status) -> Outcome[S, A]:
        """The result, with a last row."""
        self.write_row(snapshot)
        answer = snapshot.state.answer
        return Outcome(
            status,
            snapshot,
            Columns.from_rows(snapshot.rows),
            self.objective.to_user(answer.point),
            self.objective.relative_residual(answer.residual),
            self.applications_before + snapshot.state.applications,
        )
