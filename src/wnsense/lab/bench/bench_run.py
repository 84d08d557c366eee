"""One run, from its key to its row."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wnsense.lab.bench.cells import drawn, known_truth, oracle_error
from wnsense.lab.bench.contestants import Setting
from wnsense.lab.bench.rows import ACCURACIES, NEVER, Key, Row
from wnsense.recovery import recover
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Trace
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective, relative_error

# Its stubs do not export it.
_LinAlgError: type[RuntimeError] = vars(torch.linalg)["LinAlgError"]

# Where a run ends, below all accuracies that are asked for.
SETTLED = 1e-11
# Whoever is so far away has left for good.
_LOST = 1e8
# A run whose least error has not fallen by this part within this share of its budget is over.
_GAIN = 0.01
_PATIENCE = 1 / 3


@dataclass(frozen=True)
class Run:
    """A run to be made.

    Attributes:
        key: Which row it gives.
        budget: Applications that it may spend.
        setting: The solver and its start; None for recover().
    """

    key: Key
    budget: int
    setting: Setting | None


@dataclass
class _Course:
    """The error along a run, against what was spent; the run is told to stop when there is nothing more to see.

    Knowing the error costs nothing here, and it is no method's own: methods that are judged by when to stop would stop
    later.
    """

    budget: int
    applications: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    least: float = math.inf
    improved: int = 0
    latest: float = math.inf
    status: Status | None = None

    @property
    def spent(self) -> float:
        """Applications so far."""
        return self.applications[-1] if self.applications else 0

    @property
    def seconds_spent(self) -> float:
        """Seconds so far."""
        return self.seconds[-1] if self.seconds else 0.0

    def append(self, applications: float, seconds: float, error: float) -> None:
        """One point more."""
        self.applications.append(applications)
        self.seconds.append(seconds)
        self.errors.append(error)

    def note(self, objective: SensingObjective, point: LowRank) -> Tensor:
        """The metric: the error at a point, remembered until what was spent is known."""
        error = relative_error(objective, point)
        self.latest = float(error)
        return error

    def look(self, progress: Progress) -> bool:
        """The callback: whether to stop."""
        self.append(progress.applications, progress.seconds, self.latest)
        if self.latest < (1 - _GAIN) * self.least:
            self.least, self.improved = self.latest, progress.applications
        if self.latest <= SETTLED:
            self.status = Status.CONVERGED
        elif self.latest > _LOST:
            self.status = Status.DIVERGED
        elif progress.applications - self.improved > _PATIENCE * self.budget:
            self.status = Status.STAGNATED
        return self.status is not None


def measure(run: Run) -> Row:
    """Make a run.

    Raises:
        InputError: When the method does not take the kind.
    """
    return _recovered(run) if run.setting is None else _solved(run, run.setting)


def _solved(run: Run, setting: Setting) -> Row:
    cell, seed = run.key.cell, run.key.seed
    problem = drawn(cell, seed)
    course = _Course(run.budget)
    began = time.perf_counter()
    objective = SensingObjective(problem, seed=seed)
    start, cost = setting.start.begin(objective, cell.cap, seed)
    before = time.perf_counter() - began
    result: Result[Any] | None = None
    try:
        result = solve(
            objective,
            setting.solver,
            start,
            stop=Stop(residual=0.0, max_applications=run.budget, callback=course.look),
            trace=Trace(error=course.note),
            applications_before=objective.calibration.applications + cost,
            seconds_before=before,
        )
    except _LinAlgError:
        # A factorization of numbers that are none, or of a matrix that has none.
        status = Status.DIVERGED
    else:
        if result.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        status = course.status or result.status
    finite = result is not None and math.isfinite(course.latest)
    course.append(course.spent, course.seconds_spent or before, course.latest if finite else math.inf)
    return _row(run, status, result.matrix.rank() if result is not None and finite else 0, course)


def _recovered(run: Run) -> Row:
    """recover() twice: once for its time, as it is called without a truth, and once for its errors.

    They take the same steps, since a truth is only reported.
    """
    cell, seed = run.key.cell, run.key.seed
    problem = drawn(cell, seed)
    operator, measurements = problem.operator, problem.measurements
    spent: list[float] = []
    times: list[float] = []
    began = time.perf_counter()

    def look(progress: Progress) -> None:
        spent.append(progress.applications)
        times.append(time.perf_counter() - began)

    timed = recover(operator, measurements, seed=seed, max_applications=run.budget, callback=look)
    took = time.perf_counter() - began
    recovery = recover(operator, measurements, seed=seed, max_applications=run.budget, truth=known_truth(problem))
    if Status.INTERRUPTED in {timed.status, recovery.status}:
        raise KeyboardInterrupt
    nothing = np.empty(0)
    applications = recovery.trace.get("applications", nothing)
    # The time at which so much had been spent; of the last, all of it.
    seconds = np.append(times, took)[np.searchsorted(spent, applications)]
    error = math.inf if recovery.relative_error is None else recovery.relative_error
    course = _Course(run.budget, applications.tolist(), seconds.tolist(), recovery.trace.get("error", nothing).tolist())
    course.append(recovery.applications, took, error if math.isfinite(error) else math.inf)
    return _row(run, recovery.status, recovery.rank, course)


def _row(run: Run, status: Status, rank: int, course: _Course) -> Row:
    """The row of a run whose course ends with its answer."""
    # A last step may spend more than was left; what it reached was not reached within the budget.
    within = sum(spent <= run.budget for spent in course.applications)
    first = [_first_at(float(accuracy), course.errors[:within]) for accuracy in ACCURACIES]
    error, ratio = course.errors[-1], None
    if run.key.cell.noise > 0:
        ratio = error / oracle_error(run.key.cell, run.key.seed)
    return Row(
        run.key,
        str(status),
        rank,
        error,
        int(course.spent),
        float(course.seconds_spent),
        tuple(NEVER if at is None else float(course.applications[at]) for at in first),
        tuple(NEVER if at is None else float(course.seconds[at]) for at in first),
        ratio,
    )


def _first_at(accuracy: float, errors: Sequence[float]) -> int | None:
    """Where the errors first are at most an accuracy."""
    return next((place for place, error in enumerate(errors) if error <= accuracy), None)
