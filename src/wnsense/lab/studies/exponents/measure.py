"""Algorithm 1 run at a grid point: when its burn-in ends, and how fast it is afterwards."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError
from wnsense.files.tables import is_table
from wnsense.lab.analysis.course import end_of_burn_in
from wnsense.lab.analysis.decay import Window, fit_decay
from wnsense.lab.analysis.reduced_population import in_own_units, population_objective, reduced_frame
from wnsense.lab.studies.exponents.specification import Part, Point
from wnsense.linalg import frobenius_norm, haar_frame
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import solve
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.combining.compression import compress
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State
from wnsense.solvers.weight_norm import WeightNormalizedGD
from wnsense.theory.step_size_form import burn_in_of_start, expected_burn_in

# Problems and starts are drawn from different seeds, so that no start knows anything of a truth.
_DATA_SEEDS = 2_000_000
_START_MAGNITUDE = 0.1
_MAGNITUDE_STEP_SIZE = 2.0

# The late window: far enough below sigma_{r_A} for the linear phase, and above rounding.
_WINDOW_FROM, _WINDOW_TO = 1e-4, 1e-9
_STOP_AT = 2e-10
# Rows in an expected burn-in, and in the steps that a fall by a factor of e takes.
_ROWS_IN_BURN_IN, _ROWS_IN_A_FALL = 100, 4
# A start with a chance of one in thousands is slower than the expected one by this.
_SLOWEST = 300
_FEWEST_ROWS = 5


@dataclass(frozen=True)
class Begun:
    """A problem with its starts.

    Attributes:
        objective: What is descended.
        start: One for each seed.
        gram: Phi Phi^T of each.
    """

    objective: SensingObjective
    start: LowRank
    gram: Float[Tensor, "s k k"]


def begin(part: Part) -> Begun:
    """Draw what a part needs."""
    at = part.point
    frames = [
        haar_frame(at.size, at.rank, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for seed in part.seeds
    ]
    X = torch.stack(frames)
    if at.measurements is None:
        X = reduced_frame(X, at.true_rank)
        objective = population_objective(2 * at.true_rank, at.true_rank, at.condition)
        Phi = X[:, : at.true_rank]
    else:
        objective = sampled_objective(at, at.measurements, part.seeds[0])
        Phi = _truth(objective).X.mH @ X
    Theta = _START_MAGNITUDE * torch.eye(X.shape[-1], dtype=X.dtype).expand(len(X), -1, -1)
    return Begun(objective, LowRank(X, Theta.clone()), Phi @ Phi.mH)


def sampled_objective(point: Point, measurements: int, seed: int) -> SensingObjective:
    """Gaussian measurements in the theorem's own units; the same least squares on fewer rows where that is possible."""
    generator = torch.Generator().manual_seed(_DATA_SEEDS + seed)
    truth = low_rank(point.size, point.true_rank, point.condition, generator=generator)
    operator = GaussianSensing.draw(measurements, point.size, generator=generator)
    return in_own_units(compress(Problem.measure(operator, truth)).problem)


def measure(part: Part, checkpoint: Path) -> tuple[Mapping[str, np.ndarray], float]:
    """Run a part, going on from its checkpoint where there is one.

    Args:
        part: What to run.
        checkpoint: Where it is kept on its way; the caller removes it once the arrays are kept.

    Returns:
        Columns with a number for each start, NaN where the budget was too small: `burn_in` in steps, at least 1;
        `contraction`, by what part ||X Theta X^T - A||_F falls a step, with its ends `contraction_low` and
        `contraction_high`; `law`, the burn-in that the law of escape gives for the start. And the seconds that steps
        took.

    Raises:
        KeyboardInterrupt: When interrupted, the checkpoint being written.
    """
    point = part.point
    begun = begin(part)
    solver = WeightNormalizedGD(point.step_size, _MAGNITUDE_STEP_SIZE)
    run_checkpoint: Checkpoint[State] = Checkpoint(
        checkpoint, begun.objective.problem, solver, (part.key,), resume=is_table(checkpoint)
    )
    every = _every(point)
    result = solve(
        begun.objective,
        solver,
        begun.start,
        stop=Stop(residual=_STOP_AT, max_steps=_budget(point), check_every=every),
        trace=Trace(every=every, error=_error, metrics={"alignment_trace": _alignment_trace}),
        checkpoint=run_checkpoint,
    )
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    steps, trace, error = (result.trace[name] for name in ("step", "alignment_trace", "error"))
    starts = [_start_row(point, steps, trace[:, k], error[:, k]) for k in range(len(part.seeds))]
    arrays = {name: np.array([row[name] for row in starts]) for name in starts[0]}
    law = burn_in_of_start(begun.gram, _truth(begun.objective).Theta.diagonal(), point.step_size)
    return {**arrays, "law": law.numpy()}, result.seconds


def _truth(objective: SensingObjective) -> LowRank:
    truth = objective.problem.truth
    if truth is None:
        raise InputError("needed a problem with a truth, got one without")
    return truth


def _error(objective: SensingObjective, point: LowRank) -> Tensor:
    """||X Theta X^T - A||_F, of matrices this small entry by entry."""
    return frobenius_norm(point.dense() - _truth(objective).dense())


def _alignment_trace(objective: SensingObjective, point: LowRank) -> Tensor:
    """Tr(Phi Phi^T): the solver keeps the columns of X orthonormal, as those of U are."""
    return frobenius_norm(_truth(objective).X.mH @ point.X).square()


def _start_row(point: Point, steps: np.ndarray, trace: np.ndarray, error: np.ndarray) -> dict[str, float]:
    """What is measured of one start."""
    burn_in = end_of_burn_in(steps, trace, point.true_rank)
    found = {"burn_in": math.nan if burn_in is None else float(max(burn_in, 1))}
    late = np.flatnonzero((error <= _WINDOW_FROM / point.condition) & (error >= _WINDOW_TO))
    rates = [math.nan] * 3
    if len(late) >= _FEWEST_ROWS and error[-1] <= _WINDOW_TO:
        # Evenly spaced rows; the last one, written at whatever step the run ends, lies below the window.
        line = fit_decay(steps, error, window=Window(float(steps[late[0]]), float(steps[late[-1]]))).linear
        rates = [-math.expm1(slope) for slope in (line.slope, line.high, line.low)]
    return found | dict(zip(("contraction", "contraction_low", "contraction_high"), rates, strict=True))


def _every(point: Point) -> int:
    """Steps between rows."""
    burn_in = expected_burn_in(point.setting, point.step_size) / _ROWS_IN_BURN_IN
    fall = point.condition**2 / point.step_size / _ROWS_IN_A_FALL
    return max(1, int(min(burn_in, fall)))


def _budget(point: Point) -> int:
    """Steps that all but the unluckiest start end within."""
    fall = point.condition**2 / point.step_size
    return int(_SLOWEST * expected_burn_in(point.setting, point.step_size) + 3 * fall * -math.log(_STOP_AT))
