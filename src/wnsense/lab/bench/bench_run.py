"""One run of the benchmark: from a method and a problem to a row of the table."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from wnsense.lab.bench.cells import cell_problem, oracle_error
from wnsense.lab.bench.contestants import Configuration
from wnsense.lab.bench.rows import ACCURACIES, NEVER, Key, Row
from wnsense.linalg import FactorizationError
from wnsense.recovery import recover
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Trace
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import require_truth
from wnsense.solvers.objective import SensingObjective, relative_error

# Relative error at which a run ends; it is below all `ACCURACIES`.
SETTLED = 1e-11
# Relative error from which a run is considered as diverged.
_LOST = 1e8
# A run stagnates if its least error has not fallen by the part `_GAIN` within the share `_PATIENCE` of its budget.
_GAIN = 0.01
_PATIENCE = 1 / 3


@dataclass(frozen=True)
class GridRun:
    """A method on a problem, not yet run.

    Attributes:
        key: Key of the row that the run gives.
        budget: Number of applications that the run may spend.
        configuration: Solver and start; None for `recover()`.
    """

    key: Key
    budget: int
    configuration: Configuration | None


@dataclass
class _ErrorCurve:
    """True error of a run against its cost, which also decides when the run stops.

    The true error is not part of any method, and computing it is not counted. A method that stops by its own rule
    would stop later.
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
        """Number of applications so far."""
        return self.applications[-1] if self.applications else 0

    @property
    def seconds_spent(self) -> float:
        """Number of seconds so far."""
        return self.seconds[-1] if self.seconds else 0.0

    def append(self, applications: float, seconds: float, error: float) -> None:
        """Add a point to the curve."""
        self.applications.append(applications)
        self.seconds.append(seconds)
        self.errors.append(error)

    def error_at(self, objective: SensingObjective, point: LowRank) -> Tensor:
        """Return the error at a point, the metric of the run; `is_over` adds it to the curve."""
        error = relative_error(objective, point)
        self.latest = float(error)
        return error

    def is_over(self, progress: Progress) -> bool:
        """Add the latest error to the curve and return True if the run is to stop; the callback of the run."""
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


def make_row(run: GridRun) -> Row:
    """Run a method on a problem and return its row.

    Raises:
        InputError: If the method does not take the kind of matrix.
    """
    return _recover_row(run) if run.configuration is None else _solver_row(run, run.configuration)


def _solver_row(run: GridRun, configuration: Configuration) -> Row:
    cell, seed = run.key.cell, run.key.seed
    problem = cell_problem(cell, seed)
    curve = _ErrorCurve(run.budget)
    began = time.perf_counter()
    objective = SensingObjective(problem, seed=seed)
    start, cost = configuration.start.begin(objective, cell.cap, seed)
    before = time.perf_counter() - began
    result: Result[Any, LowRank] | None = None
    try:
        result = solve(
            objective,
            configuration.solver,
            start,
            stop=Stop(residual=0.0, max_applications=run.budget, callback=curve.is_over),
            trace=Trace(error=curve.error_at),
            applications_before=objective.calibration.applications + cost,
            seconds_before=before,
        )
    except FactorizationError:
        # The matrix has entries that are not finite, or it has no such factorization.
        status = Status.DIVERGED
    else:
        if result.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        status = curve.status or result.status
    finite = result is not None and math.isfinite(curve.latest)
    curve.append(curve.spent, curve.seconds_spent or before, curve.latest if finite else math.inf)
    return _row(run, status, result.answer.rank() if result is not None and finite else 0, curve)


def _recover_row(run: GridRun) -> Row:
    """Return the row of `recover()`, which is called twice.

    The first call has no truth and gives the times; the second has the truth and gives the errors. Both take the same
    steps, since the truth is used in reports only.
    """
    cell, seed = run.key.cell, run.key.seed
    problem = cell_problem(cell, seed)
    operator, measurements = problem.operator, problem.measurements
    spent: list[float] = []
    times: list[float] = []
    began = time.perf_counter()

    def record_cost(progress: Progress) -> None:
        spent.append(progress.applications)
        times.append(time.perf_counter() - began)

    timed = recover(operator, measurements, seed=seed, max_applications=run.budget, callback=record_cost)
    duration = time.perf_counter() - began
    recovery = recover(operator, measurements, seed=seed, max_applications=run.budget, truth=require_truth(problem))
    if Status.INTERRUPTED in {timed.status, recovery.status}:
        raise KeyboardInterrupt
    nothing = np.empty(0)
    applications = recovery.trace.get("applications", nothing)
    # The time at each number of applications; at the last one, the whole duration.
    seconds = np.append(times, duration)[np.searchsorted(spent, applications)]
    error = math.inf if recovery.relative_error is None else recovery.relative_error
    errors = recovery.trace.get("error", nothing).tolist()
    curve = _ErrorCurve(run.budget, applications.tolist(), seconds.tolist(), errors)
    curve.append(recovery.applications, duration, error if math.isfinite(error) else math.inf)
    return _row(run, recovery.status, recovery.rank, curve)


def _row(run: GridRun, status: Status, rank: int, curve: _ErrorCurve) -> Row:
    """Return the row of a run; the last point of its curve is its answer."""
    # The last step may exceed the budget; the accuracy that it reaches does not count.
    within = sum(spent <= run.budget for spent in curve.applications)
    first = [_first_at(float(accuracy), curve.errors[:within]) for accuracy in ACCURACIES]
    error, ratio = curve.errors[-1], None
    if run.key.cell.noise > 0:
        ratio = error / oracle_error(run.key.cell, run.key.seed)
    return Row(
        run.key,
        str(status),
        rank,
        error,
        int(curve.spent),
        float(curve.seconds_spent),
        tuple(NEVER if place is None else float(curve.applications[place]) for place in first),
        tuple(NEVER if place is None else float(curve.seconds[place]) for place in first),
        ratio,
    )


def _first_at(accuracy: float, errors: Sequence[float]) -> int | None:
    """Return the index of the first error that is at most an accuracy, or None if there is none."""
    return next((place for place, error in enumerate(errors) if error <= accuracy), None)
