"""Runs of Algorithm 1 at a grid point: end of the burn-in, and rate afterwards."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.files.tables import is_table
from wnsense.lab.analysis.course import end_of_burn_in
from wnsense.lab.analysis.decay import Window, fit_decay
from wnsense.lab.analysis.reduced_population import in_own_units, population_objective, reduced_frame
from wnsense.lab.studies.exponents.specification import ExponentPart, Point, exponent_part_key
from wnsense.linalg import frobenius_norm, haar_frame
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import solve
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.combining.compression import compress
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank, require_truth
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State
from wnsense.solvers.weight_norm import WeightNormalizedGD
from wnsense.theory.step_size_form import burn_in_of_start, expected_burn_in

# Problems and starts have different seeds, so that starts and truths are independent.
_DATA_SEEDS = 2_000_000
_START_MAGNITUDE = 0.1
_MAGNITUDE_STEP_SIZE = 2.0

# Window of errors of the linear phase: far below `sigma_{r_A}`, and above rounding.
_WINDOW_FROM, _WINDOW_TO = 1e-4, 1e-9
_STOP_AT = 2e-10
# Rows in an expected burn-in, and in the steps that a fall by a factor of e takes.
_ROWS_IN_BURN_IN, _ROWS_IN_A_FALL = 100, 4
# Factor by which one start in thousands is slower than the expected one.
_SLOWEST = 300
_FEWEST_ROWS = 5


@dataclass(frozen=True)
class StartedProblem:
    """Problem with its starts.

    Attributes:
        objective: Objective of the descent.
        start: Batch of starts, one for each seed.
        gram: Gram matrices `Phi Phi^T` of the starts.
    """

    objective: SensingObjective
    start: LowRank
    gram: Float[Tensor, "s k k"]


def draw_problem(part: ExponentPart) -> StartedProblem:
    """Draw the problem and the starts of a part."""
    point = part.point
    frames = [
        haar_frame(point.size, point.rank, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for seed in part.seeds
    ]
    X = torch.stack(frames)
    if point.measurements is None:
        X = reduced_frame(X, point.true_rank)
        objective = population_objective(2 * point.true_rank, point.true_rank, point.condition)
        Phi = X[:, : point.true_rank]
    else:
        objective = sampled_objective(point, point.measurements, part.seeds[0])
        Phi = require_truth(objective.problem).X.mH @ X
    Theta = _START_MAGNITUDE * torch.eye(X.shape[-1], dtype=X.dtype).expand(len(X), -1, -1)
    return StartedProblem(objective, LowRank(X, Theta.clone()), Phi @ Phi.mH)


def sampled_objective(point: Point, measurements: int, seed: int) -> SensingObjective:
    """Draw Gaussian measurements in the units of the theorem, compressed to fewer rows if that is possible."""
    generator = torch.Generator().manual_seed(_DATA_SEEDS + seed)
    truth = low_rank(point.size, point.true_rank, point.condition, generator=generator)
    operator = GaussianSensing.draw(measurements, point.size, generator=generator)
    return in_own_units(compress(Problem.measure(operator, truth)).problem)


def measure(part: ExponentPart, checkpoint: Path) -> tuple[Mapping[str, np.ndarray], float]:
    """Run a part, from its checkpoint if there is one.

    Args:
        part: Specification of the part.
        checkpoint: File of the checkpoint; the caller removes it when the arrays are stored.

    Returns:
        Columns with a number for each start, NaN if the budget was too small, and the seconds of the steps. The columns
        are `burn_in` in steps, at least 1; `contraction`, the part by which `||X Theta X^T - A||_F` falls in a step,
        with the ends of its interval, `contraction_low` and `contraction_high`; and `law`, the burn-in by the law of
        escape.

    Raises:
        KeyboardInterrupt: If interrupted; the checkpoint is written.
    """
    point = part.point
    drawn = draw_problem(part)
    solver = WeightNormalizedGD(point.step_size, _MAGNITUDE_STEP_SIZE)
    run_checkpoint: Checkpoint[State] = Checkpoint(
        checkpoint, drawn.objective.problem, solver, (exponent_part_key(part),), resume=is_table(checkpoint)
    )
    every = _every(point)
    result = solve(
        drawn.objective,
        solver,
        drawn.start,
        stop=Stop(residual=_STOP_AT, max_steps=_budget(point), check_every=every),
        trace=Trace(every=every, error=_error, metrics={"alignment_trace": _alignment_trace}),
        checkpoint=run_checkpoint,
    )
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    steps, trace, error = (result.trace[name] for name in ("step", "alignment_trace", "error"))
    starts = [_start_row(point, steps, trace[:, k], error[:, k]) for k in range(len(part.seeds))]
    arrays = {name: np.array([row[name] for row in starts]) for name in starts[0]}
    law = burn_in_of_start(drawn.gram, require_truth(drawn.objective.problem).Theta.diagonal(), point.step_size)
    return {**arrays, "law": law.numpy()}, result.snapshot.seconds


def _error(objective: SensingObjective, point: LowRank) -> Tensor:
    """Return `||X Theta X^T - A||_F`; the matrices are small enough to be formed."""
    return frobenius_norm(point.dense() - require_truth(objective.problem).dense())


def _alignment_trace(objective: SensingObjective, point: LowRank) -> Tensor:
    """Return `Tr(Phi Phi^T)`; the columns of `X` and of `U` are orthonormal."""
    return frobenius_norm(require_truth(objective.problem).X.mH @ point.X).square()


def _start_row(point: Point, steps: np.ndarray, trace: np.ndarray, error: np.ndarray) -> dict[str, float]:
    """Return the measurements of one start."""
    burn_in = end_of_burn_in(steps, trace, point.true_rank)
    row = {"burn_in": math.nan if burn_in is None else float(max(burn_in, 1))}
    late = np.flatnonzero((error <= _WINDOW_FROM / point.condition) & (error >= _WINDOW_TO))
    rates = [math.nan] * 3
    if len(late) >= _FEWEST_ROWS and error[-1] <= _WINDOW_TO:
        # Rows are evenly spaced, except the last one, which lies below the window.
        line = fit_decay(steps, error, window=Window(float(steps[late[0]]), float(steps[late[-1]]))).linear
        rates = [-math.expm1(slope) for slope in (line.slope, line.high, line.low)]
    return row | dict(zip(("contraction", "contraction_low", "contraction_high"), rates, strict=True))


def _every(point: Point) -> int:
    """Return the number of steps between rows."""
    burn_in = expected_burn_in(point.setting, point.step_size) / _ROWS_IN_BURN_IN
    fall = point.condition**2 / point.step_size / _ROWS_IN_A_FALL
    return max(1, int(min(burn_in, fall)))


def _budget(point: Point) -> int:
    """Return the number of steps within which all but the slowest starts end."""
    fall = point.condition**2 / point.step_size
    return int(_SLOWEST * expected_burn_in(point.setting, point.step_size) + 3 * fall * -math.log(_STOP_AT))
