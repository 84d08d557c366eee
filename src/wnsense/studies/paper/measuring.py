"""One run of a study, from its specification to its arrays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import InputError
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import Result, solve
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.tables import read_table
from wnsense.running.trace import Trace
from wnsense.sensing.compression import compress
from wnsense.sensing.dense import GaussianSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import Solver, State
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD
from wnsense.studies.paper.specification import Case, Method, Run

# Its stubs do not export it.
_LinAlgError: type[RuntimeError] = vars(torch.linalg)["LinAlgError"]

# Problems and starts are drawn from different seeds, so that no start knows anything of a truth.
_DATA_SEEDS = 1_000_000

# Steps between words about how far a run is.
_TELL_EVERY = 20

# Told how many steps of a run are done.
TellSteps = Callable[[int], None]


@dataclass(frozen=True)
class Course:
    """What is kept of a run.

    Attributes:
        arrays: `step`, `applications`, `seconds`, (points,); `error`, (points, starts): ||X Theta X^T - A||_F^2 with
            ||A||_2 = 1, infinite from where a start diverged. Seconds are of all starts together. Under noise also
            `oracle`, (1,): the same of the least-squares fit of rank r_A started at the truth.
        diverged: For each start, whether it did.
    """

    arrays: Mapping[str, np.ndarray]
    diverged: tuple[bool, ...]


# Runs of one problem follow one another, so that it need not be drawn for each.
@lru_cache(maxsize=1)
def drawn(case: Case) -> SensingObjective:
    """The objective of a case, in the paper's own units: nothing is probed, since ||A||_2 = 1 and E M*M = 1."""
    generator = torch.Generator().manual_seed(_DATA_SEEDS + case.seed)
    dtype = torch.float64 if case.dtype == "float64" else torch.float32
    truth = low_rank(case.size, case.rank, case.condition, generator=generator, dtype=dtype)
    operator = GaussianSensing.draw(case.measurements, case.size, generator=generator, dtype=dtype)
    problem = Problem.measure(operator, truth, case.noise, generator=generator)
    if case.compressed:
        problem = compress(problem).problem
    return SensingObjective(problem, given=Calibration(torch.ones_like(problem.measurements), None, 1.0, 1.0, 0))


def squared_error(objective: SensingObjective, point: LowRank) -> Tensor:
    """||Z - A||_F^2.

    Raises:
        InputError: When the problem has no truth.
    """
    truth = objective.problem.truth
    if truth is None:
        raise InputError("needed a problem with a truth, got one without")
    return objective.to_user(point).distance(truth).square()


@lru_cache(maxsize=64)
def oracle_error(case: Case) -> float:
    """||Z - A||_F^2 of the least-squares fit of rank r_A, started at the truth."""
    objective = drawn(case)
    truth = objective.problem.truth
    if truth is None:
        raise InputError("needed a problem with a truth, got one without")
    stop = Stop(stagnation=3, gain=1e-8, max_steps=100)
    result = solve(objective, GaussNewton(), truth, stop=stop, trace=Trace(error=squared_error))
    return float(result.trace["error"][-1])


def measure(run: Run, checkpoint: Path, *, tell: TellSteps = lambda _: None) -> Course:
    """Make a run, going on from its checkpoint where there is one; the caller removes it once the course is kept.

    Starts in one batch end together; when one of them diverges, each is run by itself.

    Raises:
        KeyboardInterrupt: When interrupted, the checkpoint being written.
    """
    course = _made(run, checkpoint, tell)
    if not any(course.diverged) or len(run.seeds) == 1:
        return course
    alone = [replace(run, seeds=(seed,)) for seed in run.seeds]
    checkpoints = [checkpoint.with_name(f"{one.key}.part.npz") for one in alone]
    courses = [_made(one, path, tell) for one, path in zip(alone, checkpoints, strict=True)]
    arrays = dict(courses[0].arrays)
    arrays["seconds"] = np.sum([of.arrays["seconds"] for of in courses], axis=0)
    arrays["error"] = np.concatenate([of.arrays["error"] for of in courses], axis=1)
    # Not before all are made: what is interrupted between two of them reads the first again.
    for path in checkpoints:
        path.unlink(missing_ok=True)
    return Course(arrays, tuple(diverged for of in courses for diverged in of.diverged))


def _made(run: Run, checkpoint: Path, tell: TellSteps) -> Course:
    objective, solver = drawn(run.case), _solver(run)
    recorder: Checkpoint[State] = Checkpoint(
        checkpoint, objective.problem, solver, (run.key,), resume=_is_readable(checkpoint)
    )

    def look(progress: Progress) -> None:
        if progress.step % _TELL_EVERY == 0:
            tell(progress.step)

    result: Result[State] | None = None
    try:
        result = solve(
            objective,
            solver,
            _starts(objective, run),
            # To the last step, whatever the residual: all starts and all methods are seen over the same stretch.
            stop=Stop(residual=0.0, max_steps=run.steps, callback=look),
            trace=Trace(error=squared_error, at=run.recorded_steps()),
            recorder=recorder,
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


def _course(run: Run, result: Result[State] | None) -> Course:
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
    arrays = {"step": steps, "applications": applications, "seconds": seconds, "error": error}
    if run.case.noise > 0:
        arrays["oracle"] = np.array([oracle_error(run.case)])
    return Course(arrays, tuple(bool(last) for last in ~np.isfinite(error[-1])))


def _solver(run: Run) -> Solver[State]:
    if run.method is Method.GD:
        return GradientDescent(run.step_sizes.direction)
    return WeightNormalizedGD(run.step_sizes.direction, run.step_sizes.magnitude, run.retraction)


def _starts(objective: SensingObjective, run: Run) -> LowRank:
    """A start for each seed, the same whether they are run together or alone."""
    starts = [haar_start(objective, run.width, generator=torch.Generator().manual_seed(seed)) for seed in run.seeds]
    return LowRank(torch.stack([start.X for start in starts]), torch.stack([start.Theta for start in starts]))
