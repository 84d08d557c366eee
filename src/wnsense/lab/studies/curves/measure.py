"""One run of a study, from its specification to its arrays."""

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
from wnsense.files.tables import read_table
from wnsense.lab.studies.curves.problem import drawn, oracle_error, squared_error
from wnsense.lab.studies.curves.specification import CurveMethod, CurveRun
from wnsense.linalg import symmetric_part
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

# Its stubs do not export it.
_LinAlgError: type[RuntimeError] = vars(torch.linalg)["LinAlgError"]

# What ScaledGD(lambda) starts from: Y Y^H of this size, against 1 for the truth (arXiv 2302.01186: as small as may be).
_SMALL = 1e-12

# Steps that are timed where runs share their sweeps.
_TIMED_STEPS = 3

# Steps between two reports of progress.
_REPORT_EVERY = 20


@dataclass(frozen=True)
class CurveCourse:
    """What is kept of a run.

    Attributes:
        arrays: `step`, `applications`, `seconds`, (points,); `error`, (points, starts): ||X Theta X^T - A||_F^2 with
            ||A||_2 = 1, infinite from where a start diverged; `least`, (points, starts): the least eigenvalue of
            X Theta X^H on the span of X, NaN for rectangular unknowns. Seconds are of all starts together. Under noise
            also `oracle`, (1,): the same of the least-squares fit of rank r_A started at the truth.
        diverged: For each start, whether it did.
    """

    arrays: Mapping[str, np.ndarray]
    diverged: tuple[bool, ...]


def measure(run: CurveRun, checkpoint: Path, *, progress: StepCallback = no_steps) -> CurveCourse:
    """Make a run, going on from its checkpoint where there is one; the caller removes it once the course is kept.

    Starts in one batch end together; when one of them diverges, each is run by itself.

    Raises:
        KeyboardInterrupt: When interrupted, the checkpoint being written.
    """
    course = _made(run, checkpoint, progress)
    if not any(course.diverged) or len(run.seeds) == 1:
        return course
    alone = [replace(run, seeds=(seed,)) for seed in run.seeds]
    checkpoints = [checkpoint.with_name(f"{one.key}.part.npz") for one in alone]
    courses = [_made(one, path, progress) for one, path in zip(alone, checkpoints, strict=True)]
    arrays = dict(courses[0].arrays)
    arrays["seconds"] = np.sum([of.arrays["seconds"] for of in courses], axis=0)
    for name in ("error", "least"):
        arrays[name] = np.concatenate([of.arrays[name] for of in courses], axis=1)
    # Not before all are made: what is interrupted between two of them reads the first again.
    for path in checkpoints:
        path.unlink(missing_ok=True)
    return CurveCourse(arrays, tuple(diverged for of in courses for diverged in of.diverged))


def measure_together(
    runs: Sequence[CurveRun],
    checkpoint: Callable[[CurveRun], Path],
    ended: Callable[[CurveRun, CurveCourse], None],
    progress: StepCallback,
) -> None:
    """Make several runs on one problem of dense rows, every sweep over them serving all runs.

    Seconds are those of a step alone, measured before, times the steps: what the runs share cannot be told apart.

    Args:
        runs: All of one case.
        checkpoint: Where a run under way is kept.
        ended: Told of each course when its run ends.
        progress: Callback that takes the steps that all runs have made.

    Raises:
        InputError: When the rows of the case are not dense.
        KeyboardInterrupt: When interrupted, the checkpoints being written.
    """
    objective = drawn(runs[0].case)
    operator = objective.problem.operator
    if not isinstance(operator, PackedSensing):
        raise InputError(f"needed dense rows for runs to share, got {operator}")
    alone = [_seconds_of_a_step(objective, run) for run in runs]
    made = dict.fromkeys(runs, 0)

    def job_of(run: CurveRun, seconds: float) -> Callable[[Operator], None]:
        def told(steps: int) -> None:
            made[run] = steps
            progress(sum(made.values()))

        def job(shared: Operator) -> None:
            problem = replace(objective.problem, operator=shared)
            course = _made(run, checkpoint(run), told, SensingObjective(problem, given=objective.calibration))
            steps = course.arrays["step"].astype(float)
            seconds_then = np.where(np.isfinite(course.arrays["seconds"]), steps * seconds, np.nan)
            ended(run, replace(course, arrays={**course.arrays, "seconds": seconds_then}))

        return job

    gather(operator, [job_of(run, seconds) for run, seconds in zip(runs, alone, strict=True)])


def _seconds_of_a_step(objective: SensingObjective, run: CurveRun) -> float:
    """The median of a few steps, alone on the machine as far as this process goes."""
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
        checkpoint, objective.problem, solver, (run.key,), resume=_is_readable(checkpoint)
    )

    def look(state: Progress) -> None:
        if state.step % _REPORT_EVERY == 0:
            progress(state.step)

    result: Result[State] | None = None
    try:
        result = solve(
            objective,
            solver,
            _starts(objective, run),
            # To the last step, whatever the residual: all starts and all methods are seen over the same stretch.
            stop=Stop(residual=0.0, max_steps=run.steps, callback=look),
            trace=Trace(error=squared_error, metrics=_METRICS, at=run.recorded_steps()),
            checkpoint=run_checkpoint,
        )
    except _LinAlgError:
        # A factorization of numbers that are none: nothing is left of the run but that it diverged.
        return _course(run, None)
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    return _course(run, result)


def _is_readable(checkpoint: Path) -> bool:
    """Whether there is a whole checkpoint; a damaged one costs its run alone."""
    try:
        read_table(checkpoint)
    except InputError:
        return False
    return True


def _course(run: CurveRun, result: Result[State] | None) -> CurveCourse:
    """The columns of a result at all steps that were to be written down; those never reached count as infinite."""
    steps = np.array(sorted(run.recorded_steps()))
    error = np.full((len(steps), len(run.seeds)), np.inf)
    applications, seconds = np.full(len(steps), np.nan), np.full(len(steps), np.nan)
    if result is not None:
        known = {int(step): place for place, step in enumerate(result.trace["step"])}
        found = [(to, known[int(step)]) for to, step in enumerate(steps) if int(step) in known]
        to, place = (np.array(side) for side in zip(*found, strict=True))
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
        case CurveMethod.WN:
            return WeightNormalizedGD(eta, mu, run.retraction, run.magnitude_set)
        case CurveMethod.GD:
            return GradientDescent(eta)
        case CurveMethod.PRECGD:
            return PreconditionedGD(eta, damping)
        case CurveMethod.SCALEDGD_LAMBDA:
            return DampedScaledGD(eta, damping)
        case CurveMethod.PRECONDITIONED_WN:
            # Its states know more than those of the others, which only its own steps see.
            return cast("Solver[State]", PreconditionedWN(eta, mu, damping))


def _starts(objective: SensingObjective, run: CurveRun) -> LowRank:
    """A start for each seed, the same whether they are run together or alone.

    All methods begin at the same matrices but ScaledGD(lambda), which is made for a small start and has its published
    one.
    """
    begin = partial(gaussian_start, magnitude=_SMALL) if run.method is CurveMethod.SCALEDGD_LAMBDA else haar_start
    starts = [begin(objective, run.width, generator=torch.Generator().manual_seed(seed)) for seed in run.seeds]
    right = [start.Y for start in starts if start.Y is not None]
    return LowRank(
        torch.stack([start.X for start in starts]),
        torch.stack([start.Theta for start in starts]),
        torch.stack(right) if right else None,
    )


def _least_magnitude(objective: SensingObjective, point: LowRank) -> Tensor:
    """The least eigenvalue of X Theta X^H on the span of X, in the paper's units: below zero outside of the cone."""
    if not objective.kind.is_symmetric:
        return torch.full(point.batch, torch.nan, dtype=objective.problem.operator.real_dtype)
    # Factors of the others need not be orthonormal; R Theta R^H of X = Q R has the eigenvalues.
    R = torch.linalg.qr(point.X).R
    magnitude = R @ point.Theta @ R.mH * objective.scale
    least: Tensor = torch.linalg.eigvalsh(symmetric_part(magnitude))[..., 0]
    return least


_METRICS: Mapping[str, Metric] = {"least": _least_magnitude}
