"""Measurement of a run of a study of curves."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import InputError
from wnsense.files.tables import is_table
from wnsense.lab.studies.curves.random_problem import drawn, oracle_error, squared_error
from wnsense.lab.studies.curves.specification import CurveRun, run_key
from wnsense.lab.studies.study_methods import StudyMethod
from wnsense.linalg import FactorizationError, symmetric_part
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import Result, solve
from wnsense.running.progress import StepCallback, no_steps
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Metric, Trace
from wnsense.sensing.ensembles.gathered import gather
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.scaled_gradient import DampedScaledGD, PreconditionedGD
from wnsense.solvers.solver import Solver, State
from wnsense.solvers.starts import gaussian_start, haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

# Size of the start `Y Y^H` of ScaledGD(lambda), against 1 for the truth (arXiv 2302.01186 asks for a small start).
_SMALL = 1e-12

# Steps that are timed if runs share their sweeps.
_TIMED_STEPS = 3

# Steps between two reports of progress.
_REPORT_EVERY = 20


@dataclass(frozen=True)
class CurveCourse:
    """Arrays of a run.

    Attributes:
        arrays: `step`, `applications`, `seconds`, (points,), seconds those of all starts together; `error`,
            (points, starts), `||X Theta X^T - A||_F^2` for `||A||_2 = 1`, infinite after divergence; `least`,
            (points, starts), the least eigenvalue of `X Theta X^H` on the span of X, NaN for rectangular unknowns.
            With noise also `oracle`, (1,), the squared error of least squares of rank `r_A` from the truth.
        diverged: For each start, True if it diverged.
    """

    arrays: Mapping[str, np.ndarray]
    diverged: tuple[bool, ...]


def measure(run: CurveRun, checkpoint: Path, *, progress: StepCallback = no_steps) -> CurveCourse:
    """Run a method, from its checkpoint if there is one; the caller removes the checkpoint.

    The starts of a batch end together: if one of them diverges, each is run alone.

    Raises:
        KeyboardInterrupt: If interrupted; the checkpoint is written before.
    """
    course = _made(run, checkpoint, progress)
    if not any(course.diverged) or len(run.seeds) == 1:
        return course
    alone = [replace(run, seeds=(seed,)) for seed in run.seeds]
    checkpoints = [checkpoint.with_name(f"{run_key(one)}.part.npz") for one in alone]
    courses = [_made(one, path, progress) for one, path in zip(alone, checkpoints, strict=True)]
    arrays = dict(courses[0].arrays)
    arrays["seconds"] = np.sum([course.arrays["seconds"] for course in courses], axis=0)
    for name in ("error", "least"):
        arrays[name] = np.concatenate([course.arrays[name] for course in courses], axis=1)
    # Checkpoints are removed last: after an interruption between two runs the first is read again.
    for path in checkpoints:
        path.unlink(missing_ok=True)
    return CurveCourse(arrays, tuple(diverged for course in courses for diverged in course.diverged))


def measure_together(
    runs: Sequence[CurveRun],
    checkpoint: Callable[[CurveRun], Path],
    ended: Callable[[CurveRun, CurveCourse], None],
    progress: StepCallback,
) -> None:
    """Make several runs on one problem of dense rows; each sweep over the rows serves all runs.

    The time of a run is that of a step alone, measured before, times the steps: the shared time cannot be divided.

    Args:
        runs: Runs of one case.
        checkpoint: Returns the path of the checkpoint of a run.
        ended: Callback that takes each run with its course when it ends.
        progress: Callback that takes the steps that all runs have made.

    Raises:
        InputError: If the rows of the case are not dense.
        KeyboardInterrupt: If interrupted; the checkpoints are written before.
    """
    objective = drawn(runs[0].case)
    operator = objective.problem.operator
    if not isinstance(operator, PackedSensing):
        raise InputError(f"needed dense rows for runs to share, got {operator}")
    alone = [_seconds_of_a_step(objective, run) for run in runs]
    steps_done = dict.fromkeys(runs, 0)

    def job_of(run: CurveRun, seconds: float) -> Callable[[Operator], None]:
        def report(steps: int) -> None:
            steps_done[run] = steps
            progress(sum(steps_done.values()))

        def job(shared: Operator) -> None:
            problem = replace(objective.problem, operator=shared)
            course = _made(run, checkpoint(run), report, SensingObjective(problem, given=objective.calibration))
            steps = course.arrays["step"].astype(float)
            seconds_then = np.where(np.isfinite(course.arrays["seconds"]), steps * seconds, np.nan)
            ended(run, replace(course, arrays={**course.arrays, "seconds": seconds_then}))

        return job

    gather(operator, [job_of(run, seconds) for run, seconds in zip(runs, alone, strict=True)])


def _seconds_of_a_step(objective: SensingObjective, run: CurveRun) -> float:
    """Return the median time of a few steps, in seconds, while this process does nothing else."""
    solver = _solver(run)
    state, spent = solver.start(objective, _starts(objective, run)), []
    for _ in range(_TIMED_STEPS):
        began = time.perf_counter()
        state = solver.step(objective, state)
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def _made(
    run: CurveRun, checkpoint: Path, progress: StepCallback, given: SensingObjective | None = None
) -> CurveCourse:
    objective, solver = given or drawn(run.case), _solver(run)
    run_checkpoint: Checkpoint[State] = Checkpoint(
        checkpoint, objective.problem, solver, (run_key(run),), resume=is_table(checkpoint)
    )

    def look(state: Progress) -> None:
        if state.step % _REPORT_EVERY == 0:
            progress(state.step)

    result: Result[State, LowRank] | None = None
    try:
        result = solve(
            objective,
            solver,
            _starts(objective, run),
            # The run goes to its last step whatever the residual, so that all curves have the same length.
            stop=Stop(residual=0.0, max_steps=run.steps, callback=look),
            trace=Trace(error=squared_error, metrics=_METRICS, at=run.recorded_steps()),
            checkpoint=run_checkpoint,
        )
    except FactorizationError:
        # A matrix with NaN or infinity was to be factorized: the run diverged.
        return _course(run, None)
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    return _course(run, result)


def _course(run: CurveRun, result: Result[State, LowRank] | None) -> CurveCourse:
    """Return the columns of a result at all recorded steps; the error is infinite at steps that were not reached."""
    steps = np.array(sorted(run.recorded_steps()))
    error = np.full((len(steps), len(run.seeds)), np.inf)
    applications, seconds = np.full(len(steps), np.nan), np.full(len(steps), np.nan)
    if result is not None:
        _, to, place = np.intersect1d(steps, result.trace["step"], return_indices=True)
        applications[to], seconds[to] = result.trace["applications"][place], result.trace["seconds"][place]
        error[to] = np.nan_to_num(result.trace["error"][place], nan=np.inf)
    least = np.full_like(error, np.nan)
    if result is not None:
        least[to] = result.trace["least"][place]
    arrays = {"step": steps, "applications": applications, "seconds": seconds, "error": error, "least": least}
    if run.case.noise > 0:
        arrays["oracle"] = np.array([oracle_error(run.case)])
    return CurveCourse(arrays, tuple(bool(last) for last in ~np.isfinite(error[-1])))


def _solver(run: CurveRun) -> Solver[State]:
    eta, mu, damping = run.step_sizes.direction, run.step_sizes.magnitude, run.step_sizes.damping
    match run.method:
        case StudyMethod.WN:
            return WeightNormalizedGD(eta, mu, run.retraction, run.magnitude_set)
        case StudyMethod.GD:
            return GradientDescent(eta)
        case StudyMethod.PRECGD:
            return PreconditionedGD(eta, damping)
        case StudyMethod.SCALEDGD_LAMBDA:
            return DampedScaledGD(eta, damping)
        case StudyMethod.PRECONDITIONED_WN:
            # Its states have more fields than those of the others; only its own steps use them.
            return cast("Solver[State]", PreconditionedWN(eta, mu, damping))


def _starts(objective: SensingObjective, run: CurveRun) -> LowRank:
    """Return a start for each seed; it is the same in a batch and alone.

    All methods begin at the same matrices, except ScaledGD(lambda): it begins at its published, small start.
    """
    begin = partial(gaussian_start, magnitude=_SMALL) if run.method is StudyMethod.SCALEDGD_LAMBDA else haar_start
    starts = [begin(objective, run.width, generator=torch.Generator().manual_seed(seed)) for seed in run.seeds]
    right = [start.Y for start in starts if start.Y is not None]
    return LowRank(
        torch.stack([start.X for start in starts]),
        torch.stack([start.Theta for start in starts]),
        torch.stack(right) if right else None,
    )


def _least_magnitude(objective: SensingObjective, point: LowRank) -> Tensor:
    """Return the least eigenvalue of `X Theta X^H` on the span of X, in the units of the paper."""
    if not objective.kind.is_symmetric:
        return torch.full(point.batch, torch.nan, dtype=objective.problem.operator.real_dtype)
    # Factors of the other methods are not orthonormal: with X = Q R the eigenvalues are those of R Theta R^H.
    R = torch.linalg.qr(point.X).R
    magnitude = R @ point.Theta @ R.mH * objective.calibration.scale
    least: Tensor = torch.linalg.eigvalsh(symmetric_part(magnitude))[..., 0]
    return least


_METRICS: Mapping[str, Metric] = {"least": _least_magnitude}
