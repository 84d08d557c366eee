"""Arguments of `recover` and `recover_robustly`: a whole problem, or an operator and measurements, and limits."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from wnsense.checks import (
    InputError,
    real_number,
    require,
    require_finite,
    require_rank,
    require_share,
    require_size,
    value_text,
    whole_number,
)
from wnsense.sensing.given_matrix import low_rank_from
from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.solvers.catalogue import make_solver
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.solver import Solver

# Below this every seed, and a rank or a round added to it, is one for the generators of torch and NumPy alike.
_SEEDS = 2**63
# Advice for one who has data, but no operator.
_MAKES_OPERATORS = "wnsense.DenseSensing.from_matrices and wnsense.from_numpy_functions make operators"


@dataclass(frozen=True)
class GivenProblem:
    """Problem that arguments describe.

    Attributes:
        problem: Problem.
        warnings: Warnings for the user, in words: masked rows.
    """

    problem: Problem
    warnings: tuple[str, ...]


def problem_from_arguments(
    operator: Operator | Problem,
    measurements: NumbersLike | None,
    *,
    truth: LowRank | NumbersLike | None,
    noise_level: float | None,
    weights: NumbersLike | None,
) -> GivenProblem:
    """Return the problem that the arguments describe.

    Args:
        operator: Operator `M`, or a whole problem.
        measurements: Measurements `y`, (n,); None with a whole problem. Masked ones are left out: their weight is 0.
        truth: True matrix, by its factors or full; None takes that of the problem.
        noise_level: Noise level; None takes that of the problem.
        weights: Weights, (n,); None takes those of the problem.

    Raises:
        InputError: If measurements are given twice or not at all, or sizes or numbers are wrong.
    """
    masked = _masked_rows(measurements, weights)
    if isinstance(operator, Problem):
        require(measurements is None, "a problem alone", "measurements besides", "give the operator and measurements")
        given = operator
        problem = Problem.from_numbers(
            given.operator,
            given.measurements,
            given.truth if truth is None else truth,
            given.noise_level if noise_level is None else noise_level,
            given.weights if weights is None else weights,
        )
    else:
        require(isinstance(operator, Operator), "an operator or a problem", value_text(operator), _MAKES_OPERATORS)
        if measurements is None:
            raise InputError("needed measurements with an operator, got none; give them, or a whole Problem")
        problem = Problem.from_numbers(operator, measurements, truth, noise_level, weights)
    rows = problem.operator.count
    warning = f"{masked} of {rows} measurements are masked, and were left out: their weight is 0"
    return GivenProblem(problem, (warning,) if masked else ())


def _masked_rows(*columns: NumbersLike | None) -> int:
    """Return the number of rows that are masked in one of some columns."""
    masks = [np.ma.getmaskarray(column).reshape(-1) for column in columns if isinstance(column, np.ma.MaskedArray)]
    # Columns of different lengths are refused with the problem.
    return int(np.any(masks, axis=0).sum()) if len({len(mask) for mask in masks}) == 1 else 0


def start_from(start: LowRank | NumbersLike | None, operator: Operator) -> LowRank | None:
    """Return a first point by its factors; None for none.

    Raises:
        InputError: If its size is not the operator's, or it is not finite.
    """
    if start is None:
        return None
    point = low_rank_from("the start", start, operator.space)
    require_size("the start", point.shape, operator.shape)
    for factor in (point.X, point.Theta, point.right):
        require_finite("the start", factor)
    return point


def solver_from(solver: Solver[Any] | str | None) -> Solver[Any]:
    """Return a solver from itself or from its name in the catalogue; None gives `ConjugateWN()`.

    Raises:
        InputError: If no solver has the name, or it is no solver.
    """
    if solver is None:
        return ConjugateWN()
    if isinstance(solver, str):
        return make_solver(solver)
    # A class has the methods of its instances.
    came = f"the class {solver.__name__}" if isinstance(solver, type) else value_text(solver)
    is_solver = not isinstance(solver, type) and hasattr(solver, "start") and hasattr(solver, "step")
    require(is_solver, "a solver, or the name of one", came, "give ConjugateWN() or 'conjugate-wn'")
    return solver


def seed_from(seed: int) -> int:
    """Return a seed, checked.

    Raises:
        InputError: If it is no whole number, negative, or too large for the generators.
    """
    number = whole_number("a seed", seed)
    require(0 <= number < _SEEDS, f"a seed from 0 to below {_SEEDS}", seed)
    return number


@dataclass(frozen=True)
class RecoveryLimits:
    """RecoveryLimits of a recovery, as numbers in range.

    Attributes:
        max_rank: Largest rank to return; None for no limit.
        tolerance: Relative residual at which an answer is exact.
        seed: Seed of the hold-out and of the starts.
        max_applications: Budget in applications; None for no limit.
        max_seconds: Budget in seconds; None for no limit.
    """

    max_rank: int | None
    tolerance: float
    seed: int
    max_applications: int | None
    max_seconds: float | None


def limits_from(
    operator: Operator,
    *,
    max_rank: int | None,
    tolerance: float,
    seed: int,
    max_applications: int | None,
    max_seconds: float | None,
) -> RecoveryLimits:
    """Return the limits of a recovery, checked.

    Raises:
        InputError: If one is no number, or out of range.
    """
    if max_rank is not None:
        max_rank = whole_number("max_rank", max_rank)
        require_rank("max_rank", max_rank, min(operator.shape))
    require_share("a tolerance", tolerance, "it is relative to the measurements: 1e-10 is the default")
    number = seed_from(seed)
    for name, limit in (("max_applications", max_applications), ("max_seconds", max_seconds)):
        require(limit is None or real_number(name, limit) >= 0, f"{name} of at least 0", limit)
    return RecoveryLimits(max_rank, tolerance, number, max_applications, max_seconds)


def require_choices(
    *,
    holdout: float | None,
    callback: object,
    checkpoint: PathLike[str] | str | None,
    resume: object,
    progress: object = False,
) -> None:
    """Check the other arguments of a recovery.

    Raises:
        InputError: If the hold-out is no fraction, the callback is no function, or the checkpoint is no path.
    """
    if holdout is not None:
        is_fraction = 0 <= real_number("a hold-out fraction", holdout) < 1
        require(is_fraction, "a hold-out fraction from 0 to below 1", holdout)
    is_function = callback is None or callable(callback)
    require(is_function, "a callback that is a function of the progress", value_text(callback))
    is_path = checkpoint is None or isinstance(checkpoint, (str, PathLike))
    require(is_path, "a path of a checkpoint", value_text(checkpoint))
    is_switch = isinstance(resume, (bool, int, np.bool_))
    require(is_switch, "resume that is True or False", value_text(resume), "checkpoint names the file")
    advice = "a function that takes the progress is given as callback"
    require(isinstance(progress, bool), "progress that is True or False", value_text(progress), advice)
