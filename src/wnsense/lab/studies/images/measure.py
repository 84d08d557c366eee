"""One run of the study of images, from its specification to its arrays."""

import statistics
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.files.tables import is_table
from wnsense.lab.studies.frame.specification import hashed
from wnsense.lab.studies.images.photographs import as_rectangular, best_approximation, lifted
from wnsense.lab.studies.images.quality import signal_to_noise, structural_similarity
from wnsense.lab.studies.images.specification import ImageRun, ImageSetting, Scene
from wnsense.lab.studies.study_methods import StudyMethod
from wnsense.linalg import FactorizationError
from wnsense.recovery import Recovery, recover
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import Result, solve
from wnsense.running.progress import StepCallback, no_steps
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Trace
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import Solver, State
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

# Measurements and starts are drawn from different seeds, so that starts are independent of them.
_DATA_SEEDS = 2_000_000
_REPORT_EVERY = 10
_BRIGHTEST = 255.0
# Applications of a first state and of a step.
AT_START = 2
A_STEP = {StudyMethod.WN: 4, StudyMethod.GD: 2}

Arrays = Mapping[str, np.ndarray]


# Runs of one scene follow one another, so that one scene in memory is enough.
@lru_cache(maxsize=1)
def drawn(scene: Scene) -> SensingObjective:
    """Return the objective of a scene."""
    picture = scene.photograph.pixels()
    rank = scene.kept or scene.rank_limit
    truth = as_rectangular(picture, rank) if scene.model is Kind.RECTANGULAR else lifted(picture, rank)
    generator = torch.Generator().manual_seed(_DATA_SEEDS + scene.seed)
    dtype = torch.float32
    size = scene.shape if scene.model is Kind.RECTANGULAR else scene.shape[0]
    operator = GaussianSensing.draw(scene.measurements, size, kind=scene.model, generator=generator, dtype=dtype)
    # The truth is not part of the problem, because no metric needs it.
    measured = operator.measure(truth.to(dtype=dtype))
    return SensingObjective(Problem(operator, measured))


@lru_cache(maxsize=4)
def reference(scene: Scene) -> Float[np.ndarray, "m1 m2"]:
    """Return the picture that is measured, as it is shown."""
    picture = scene.photograph.pixels()
    return shown(picture if scene.kept is None else best_approximation(picture, scene.kept))


def oracle(scene: Scene) -> Float[np.ndarray, "m1 m2"]:
    """Return the best approximation of rank `r` of the picture, as it is shown."""
    rank = min(scene.width, scene.kept or scene.rank_limit)
    return shown(best_approximation(scene.photograph.pixels(), rank))


def shown(values: Float[np.ndarray, "*batch m1 m2"]) -> Float[np.ndarray, "*batch m1 m2"]:
    """Return brightness as a screen shows it: cut to 0 to 1, and black for NaN and infinity."""
    brightness: np.ndarray = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).clip(0, 1)
    return brightness


def picture_of(scene: Scene, matrix: LowRank) -> Float[np.ndarray, "*batch m1 m2"]:
    """Return the picture in a matrix of the model of the scene, as it is shown."""
    rows, columns = scene.photograph.rows, scene.photograph.columns
    left, right = matrix.X, matrix.right
    if scene.model is Kind.PSD:
        left, right = left[..., :rows, :], right[..., rows : rows + columns, :]
    return shown((left @ matrix.Theta @ right.mH).double().numpy())


def as_bytes(picture: Float[np.ndarray, "*batch m1 m2"]) -> np.ndarray:
    """Return brightness from 0 to 1 as bytes from 0 to 255, as pictures are kept."""
    pixels: np.ndarray = (picture * _BRIGHTEST).round().astype(np.uint8)
    return pixels


def steps_within(scene: Scene, method: StudyMethod, budget: int) -> int:
    """Return the number of steps of a method within a budget of applications, calibration and first state included."""
    remaining = budget - drawn(scene).calibration.applications - AT_START
    return max(0, remaining // A_STEP[method])


def solver_of(scene: Scene, method: StudyMethod, setting: ImageSetting) -> Solver[State]:
    """Return a method with its step sizes."""
    if method is StudyMethod.GD:
        return GradientDescent(setting.step_size)
    return WeightNormalizedGD(setting.step_size, scene.magnitude_step_size)


def seconds_a_step(scene: Scene, settings: Mapping[StudyMethod, ImageSetting], steps: int) -> dict[StudyMethod, float]:
    """Return the median processor time of a step of each method with one start; steps of the methods alternate."""
    objective = drawn(scene)
    solvers = {method: solver_of(scene, method, setting) for method, setting in settings.items()}
    states = {method: solver.start(objective, _start(scene, settings[method], 0)) for method, solver in solvers.items()}
    spent: dict[StudyMethod, list[float]] = {method: [] for method in solvers}
    # The first step is not counted, because it loads compiled code.
    for _ in range(steps + 1):
        for method, solver in solvers.items():
            began = time.process_time()
            states[method] = solver.step(objective, states[method])
            spent[method].append(time.process_time() - began)
    return {method: statistics.median(seconds[1:]) for method, seconds in spent.items()}


def measure(
    run: ImageRun, checkpoint: Path | None = None, *, progress: StepCallback = no_steps
) -> dict[str, np.ndarray]:
    """Run a method, from its checkpoint if there is one; the caller removes the checkpoint.

    Returns:
        `step` and `applications`, (points,); `psnr` and `ssim`, (points, starts); `pictures`, those of the first start
        at the wanted steps, (wanted, m1, m2), as bytes. A run that diverged shows black from then on.

    Raises:
        KeyboardInterrupt: If interrupted; the checkpoint is written before.
    """
    objective, scene, target = drawn(run.scene), run.scene, reference(run.scene)
    solver = solver_of(scene, run.method, run.setting)

    def pictures(at: SensingObjective, point: LowRank) -> np.ndarray:
        return picture_of(scene, at.to_user(point))

    def psnr(at: SensingObjective, point: LowRank) -> Tensor:
        return torch.tensor([signal_to_noise(one, target) for one in pictures(at, point)])

    def ssim(at: SensingObjective, point: LowRank) -> Tensor:
        return torch.tensor([structural_similarity(one, target) for one in pictures(at, point)])

    def first(at: SensingObjective, point: LowRank) -> Tensor:
        return torch.from_numpy(as_bytes(pictures(at, point)[0]))

    def look(state: Progress) -> None:
        if state.step % _REPORT_EVERY == 0:
            progress(state.step)

    starts = [_start(scene, run.setting, seed) for seed in run.seeds]
    result: Result[State, LowRank] | None = None
    try:
        result = solve(
            objective,
            solver,
            _stacked(starts),
            stop=Stop(residual=0.0, max_steps=run.steps, callback=look),
            trace=Trace(metrics={"psnr": psnr, "ssim": ssim, "picture": first}, at=run.recorded_steps()),
            checkpoint=None if checkpoint is None else _run_checkpoint(objective, solver, run, checkpoint),
        )
    except FactorizationError:
        # A matrix with NaN or infinity was to be factorized: the run diverged.
        result = None
    if result is not None and result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    return _course(run, result)


def recovered(
    scene: Scene, limit: int | None, checkpoint: Path, *, progress: StepCallback = no_steps
) -> tuple[Recovery, dict[str, np.ndarray]]:
    """Return the result of `recover()` within a limit of applications, with its picture, PSNR, SSIM and time.

    Raises:
        KeyboardInterrupt: If interrupted; the checkpoint is written before.
    """
    problem = drawn(scene).problem

    def look(state: Progress) -> None:
        progress(state.applications)

    began = time.process_time()
    recovery = recover(
        problem.operator,
        problem.measurements,
        max_applications=limit,
        callback=look,
        checkpoint=checkpoint,
        resume=is_table(checkpoint),
    )
    if recovery.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    spent = time.process_time() - began
    picture, target = picture_of(scene, recovery.matrix), reference(scene)
    return recovery, {
        "picture": as_bytes(picture),
        "psnr": np.array(signal_to_noise(picture, target)),
        "ssim": np.array(structural_similarity(picture, target)),
        "applications": np.array(float(recovery.applications)),
        "seconds": np.array(spent),
    }


def _start(scene: Scene, setting: ImageSetting, seed: int) -> LowRank:
    generator = torch.Generator().manual_seed(seed)
    return haar_start(drawn(scene), scene.width, magnitude=setting.magnitude, generator=generator)


def _stacked(points: list[LowRank]) -> LowRank:
    Y = None if points[0].Y is None else torch.stack([point.right for point in points])
    return LowRank(torch.stack([point.X for point in points]), torch.stack([point.Theta for point in points]), Y)


def _run_checkpoint(objective: SensingObjective, solver: Solver[State], run: ImageRun, path: Path) -> Checkpoint[State]:
    return Checkpoint(path, objective.problem, solver, (hashed(run),), resume=is_table(path))


def _course(run: ImageRun, result: Result[State, LowRank] | None) -> dict[str, np.ndarray]:
    """Return the columns of a result at all recorded steps; pictures of steps that were not reached are black."""
    target = reference(run.scene)
    black = np.zeros_like(target)
    steps = np.array(sorted(run.recorded_steps()))
    shape = (len(steps), len(run.seeds))
    psnr = np.full(shape, signal_to_noise(black, target))
    ssim = np.full(shape, structural_similarity(black, target))
    images = np.zeros((len(steps), *target.shape), dtype=np.uint8)
    if result is not None:
        _, to, place = np.intersect1d(steps, result.trace["step"], return_indices=True)
        psnr[to], ssim[to] = result.trace["psnr"][place], result.trace["ssim"][place]
        images[to] = result.trace["picture"][place]
    before = drawn(run.scene).calibration.applications + AT_START
    return {
        "step": steps,
        "applications": before + A_STEP[run.method] * steps,
        "psnr": psnr,
        "ssim": ssim,
        "pictures": images[np.searchsorted(steps, run.wanted)],
    }
