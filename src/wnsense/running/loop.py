"""The one loop: it takes steps, records a trace, checks when to stop, and can be interrupted at any time."""

import time
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from wnsense.checks import InputError
from wnsense.running.contract import AnyObjective, AnySolver, P, S
from wnsense.running.layout import canonical
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Columns, Row, Trace
from wnsense.values import by_value

A = TypeVar("A")

_GPU_CHECK_EVERY = 10


@dataclass(frozen=True)
@by_value
class Snapshot(Generic[S]):
    """State of a run after a whole step.

    Each step replaces it whole, so that an interruption never leaves half of a step.

    Attributes:
        state: State of the solver.
        steps: Number of steps taken.
        seconds: Time spent, without the time for metrics.
        best: Least monitored residual that counted as an improvement.
        best_step: Step at which `best` was reached.
        rows: Trace so far; new rows are appended in place.
    """

    state: S
    steps: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    best_step: int = 0
    rows: list[Row] = field(default_factory=list, repr=False)


@runtime_checkable
class RunCheckpoint(Protocol[S]):
    """Place where the loop saves snapshots and from which a run is resumed."""

    def load(self) -> tuple[Snapshot[S], Status | None] | None:
        """Return the snapshot to resume from and the status if the run had ended; None to start anew."""
        ...

    def due(self) -> bool:
        """Return True if it is time to save."""
        ...

    def save(self, snapshot: Snapshot[S], status: Status | None) -> None:
        """Save a snapshot, with the status if the run has ended."""
        ...


@dataclass(frozen=True)
@by_value
class Result(Generic[S, A]):
    """Status, answer and trace of a run.

    Attributes:
        status: Reason why the run ended.
        snapshot: Last state, with counts.
        trace: Recorded columns.
        answer: Answer, in the user's units: for a `SensingObjective` the recovered matrix.
        residual: Relative residual of the answer on the fitted rows.
        applications: Applications of the map and its adjoint, including those that set up the objective.
    """

    status: Status
    snapshot: Snapshot[S]
    trace: Columns
    answer: A
    residual: Tensor
    applications: int

    @property
    def steps(self) -> int:
        """Number of steps taken."""
        return self.snapshot.steps


def solve(
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
) -> Result[S, A]:
    """Run a solver from a first point until a stopping rule holds.

    Ctrl-C ends the run with status INTERRUPTED and the result of the last whole step. An exception of the
    operator or of the callback passes through, with a note of the step, after the checkpoint is saved.

    Args:
        objective: Function to minimize, of matrices (`SensingObjective`) or of any points that its solver moves.
        solver: Rule by which the point moves.
        start: First point, in the objective's scaled units.
        stop: Stopping rules; by default a relative residual of 1e-10.
        trace: Choice of what is recorded; by default every step.
        checkpoint: Place to save snapshots and to resume from.
        stage: Name of this run in progress reports.
        applications_before: Applications spent before this run; by default those that set up the objective.
        seconds_before: Seconds spent before this run.

    Raises:
        InputError: If the solver cannot treat the objective.
    """
    loop = _Loop(
        objective,
        stop or Stop(),
        trace or Trace(),
        stage,
        objective.applications if applications_before is None else applications_before,
        seconds_before,
    )
    snapshot, status = _first_snapshot(objective, solver, start, checkpoint)
    if status is not None:
        # It is saved already. Saving it again would drop the later runs of a `RecoveryCheckpoint`.
        return loop.result(snapshot, status)
    try:
        while status is None:
            is_regular = loop.is_regular(snapshot)
            if is_regular or loop.is_last(snapshot):
                reading = loop.read(snapshot)
                progress = loop.progress(snapshot, reading)
                if is_regular:
                    snapshot = loop.recorded(snapshot, reading, progress)
                status = loop.verdict(snapshot, progress)
                if status is not None:
                    break
            if checkpoint is not None and checkpoint.due():
                checkpoint.save(snapshot, None)
            snapshot = _next_snapshot(objective, solver, snapshot)
    except KeyboardInterrupt:
        _save(checkpoint, snapshot, None)
        return loop.result(snapshot, Status.INTERRUPTED)
    except Exception as error:
        # From a function of the user: the exception stays what it is, and the steps so far are kept.
        _note_failure(error, loop, snapshot, checkpoint)
        raise
    # Saved before the last row: a run that is resumed with a larger budget does not have that row.
    _save(checkpoint, snapshot, status)
    return loop.result(snapshot, status)


def _save(checkpoint: RunCheckpoint[S] | None, snapshot: Snapshot[S], status: Status | None) -> None:
    if checkpoint is not None:
        checkpoint.save(snapshot, status)


def _note_failure(
    error: Exception, loop: "_Loop[Any]", snapshot: Snapshot[S], checkpoint: RunCheckpoint[S] | None
) -> None:
    """Note stage and step in an error, and save the snapshot; another note tells if the file cannot be written."""
    spent = loop.applications_before + snapshot.state.applications
    steps = f"after {snapshot.steps} steps and {spent} applications of the operator"
    error.add_note(f"raised in stage {loop.stage!r} {steps}")
    try:
        _save(checkpoint, snapshot, None)
    except InputError as unsaved:
        error.add_note(f"the checkpoint was not written: {unsaved}")


def _first_snapshot(
    objective: AnyObjective[P, A], solver: AnySolver[Any, P, S], start: P, checkpoint: RunCheckpoint[S] | None
) -> tuple[Snapshot[S], Status | None]:
    """Return the snapshot of the checkpoint, or that of the first point."""
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is not None:
        return saved
    began = time.perf_counter()
    state = canonical(solver.start(objective, start))
    return Snapshot(state, seconds=time.perf_counter() - began), None


def _next_snapshot(objective: AnyObjective[P, A], solver: AnySolver[Any, P, S], snapshot: Snapshot[S]) -> Snapshot[S]:
    """Return the snapshot after one more step."""
    began = time.perf_counter()
    state = canonical(solver.step(objective, snapshot.state))
    seconds = snapshot.seconds + (time.perf_counter() - began)
    return replace(snapshot, state=state, steps=snapshot.steps + 1, seconds=seconds)


@dataclass(frozen=True)
class _Reading:
    """Relative residuals of a state.

    Attributes:
        residual: Residual on the fitted rows, (...).
        held: Residual on the rows held out, (...); None if there are none.
    """

    residual: Tensor
    held: Tensor | None


@dataclass(frozen=True)
class _Loop(Generic[A]):
    """Objective and settings of one run, and what follows from a snapshot."""

    objective: AnyObjective[Any, A]
    stop: Stop
    trace: Trace
    stage: str
    applications_before: int
    seconds_before: float

    def is_regular(self, snapshot: Snapshot[S]) -> bool:
        """Return True if the residual is read at this step, whatever the budget."""
        every = self.stop.check_every
        if every is None:
            every = 1 if self.objective.device.type == "cpu" else _GPU_CHECK_EVERY
        return snapshot.steps % every == 0

    def is_last(self, snapshot: Snapshot[S]) -> bool:
        """Return True if the budget allows no further step."""
        return self.stop.max_steps is not None and snapshot.steps >= self.stop.max_steps

    def read(self, snapshot: Snapshot[S]) -> _Reading:
        """Return the relative residuals at a snapshot."""
        residual = snapshot.state.evaluation.residual
        return _Reading(self.objective.relative_residual(residual), self.objective.holdout_residual(residual))

    def progress(self, snapshot: Snapshot[S], reading: _Reading) -> Progress:
        """Return the progress at a snapshot; this waits for the device."""
        held = reading.held
        return Progress(
            self.stage,
            snapshot.steps,
            self.applications_before + snapshot.state.applications,
            self.seconds_before + snapshot.seconds,
            float(reading.residual.max()),
            None if held is None else float(held.max()),
        )

    def recorded(self, snapshot: Snapshot[S], reading: _Reading, progress: Progress) -> Snapshot[S]:
        """Return the snapshot with its trace row written and its least residual updated."""
        monitored = progress.residual
        if not self.stop.watch_holdout:
            monitored = float(snapshot.state.evaluation.misfit.max())
        elif progress.holdout_residual is not None:
            monitored = progress.holdout_residual
        if monitored < (1 - self.stop.gain) * snapshot.best:
            snapshot = replace(snapshot, best=monitored, best_step=snapshot.steps)
        if self.trace.is_due(snapshot.steps):
            self.write_row(snapshot, reading)
        return snapshot

    def verdict(self, snapshot: Snapshot[S], progress: Progress) -> Status | None:
        """Return the status if the run ends at this snapshot, else None."""
        idle = snapshot.steps - snapshot.best_step
        status = self.stop.verdict(progress, idle, snapshot.state.answer)
        return Status.STAGNATED if status is None and snapshot.state.is_at_rest else status

    def write_row(self, snapshot: Snapshot[S], reading: _Reading) -> None:
        """Append the trace row of the snapshot's step, unless it is written already."""
        if snapshot.rows and snapshot.rows[-1]["step"] == snapshot.steps:
            return
        row: dict[str, Tensor | float] = {
            "step": snapshot.steps,
            "applications": self.applications_before + snapshot.state.applications,
            "seconds": self.seconds_before + snapshot.seconds,
            "residual": reading.residual,
        }
        if reading.held is not None:
            row["holdout_residual"] = reading.held
        row |= self.trace.measure(self.objective, snapshot.state.evaluation.point)
        snapshot.rows.append(row)

    def result(self, snapshot: Snapshot[S], status: Status) -> Result[S, A]:
        """Return the result, with a last trace row."""
        self.write_row(snapshot, self.read(snapshot))
        answer = snapshot.state.answer
        return Result(
            status,
            snapshot,
            Columns.from_rows(snapshot.rows),
            self.objective.to_user(answer.point),
            self.objective.relative_residual(answer.residual),
            self.applications_before + snapshot.state.applications,
        )
