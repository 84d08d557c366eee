"""Answers of a sparse recovery from fits on a support, each with the check that its status needs."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.running.status import Status
from wnsense.sparse.noise_fit import HeldOutChoice
from wnsense.sparse.support import Fit, ScaledProblem, all_columns, explains_anything, grown_fit, least_squares
from wnsense.sparse.support_search import SearchLog

# A fit that is exact on fitted rows must predict other rows to this many times the tolerance.
_PREDICTED = 1e3
# Largest held-out misfit of a rough fit that can still be an exact answer.
_NEARLY = 1e-3
# Below this held-out misfit most entries of the support are right, and the missing ones may be small.
_LITTLE = 0.05
# Entries of a unique solution below this share of the largest are rounding errors.
_ZERO = 1e-9
# A support with less held-out misfit than this is a better guess than an interpolation of all rows.
_PREDICTING = 0.7
# Entries below this share of the largest are those that the descent has not yet brought to zero.
_UNFINISHED = 1e-3


@dataclass(frozen=True)
class Answer:
    """Answer in scaled units.

    Attributes:
        status: Verdict.
        z: Solution, (N,).
        held_out: Misfit on held-out rows; None if there are none.
    """

    status: Status
    z: Float[Tensor, " n"]
    held_out: float | None


@dataclass(frozen=True)
class SparseTask:
    """Problem of one recovery.

    Attributes:
        problem: Problem with some rows held out.
        everything: The same problem with all rows fitted.
        tolerance: Relative misfit at which a fit is exact.
        log: Log of the search, which counts products.
    """

    problem: ScaledProblem
    everything: ScaledProblem
    tolerance: float
    log: SearchLog


def unique_answer(task: SparseTask) -> Answer | None:
    """Return the answer of least squares on all columns if the rows determine it and agree, else None.

    With more rows than columns, agreement to the last digits proves the answer. With as many rows, nothing does.
    """
    task.log.words = "solving for all columns"
    M, N = task.everything.A.shape
    fit, is_unique = all_columns(task.everything, tolerance=task.tolerance / 100)
    task.log.products += fit.products
    size = float(task.everything.y.norm())
    if not is_unique or float(fit.misfit.norm()) > _PREDICTED * task.tolerance * size:
        return None
    # Zeros are as precise as the other entries only.
    z = torch.where(fit.values.abs() > _ZERO * fit.values.abs().max(), fit.values, torch.zeros_like(fit.values))
    return Answer(Status.CONVERGED if M > N else Status.TOO_FEW_MEASUREMENTS, z, None)


def grown_answer(task: SparseTask, choice: HeldOutChoice) -> Answer | None:
    """Return an exact answer by adding small entries to a support that is mostly right, or None."""
    if not choice.held_out < _LITTLE:
        return None
    task.log.words = "adding columns"
    everything = task.everything
    fit = grown_fit(replace(everything, most=task.log.most), choice.fit, tolerance=task.tolerance)
    task.log.products += fit.products
    if float(fit.misfit.norm()) > task.tolerance * float(everything.y.norm()):
        return None
    if _is_uninformative(everything, fit, task.log):
        return None
    return verified_answer(task, fit)


def chosen_answer(task: SparseTask, choice: HeldOutChoice) -> Answer | None:
    """Return the chosen support as an exact answer, or None if it is not exact."""
    if choice.held_out > _NEARLY:
        return None
    problem = task.problem
    fit = least_squares(problem, choice.fit.support, choice.fit.values, tolerance=task.tolerance / 10)
    task.log.products += fit.products
    misfit = float((problem.fitted * fit.misfit).norm() / (problem.fitted * problem.y).norm())
    if misfit > task.tolerance or _is_uninformative(problem, fit, task.log):
        return None
    return verified_answer(task, fit, is_blind=True)


def verified_answer(task: SparseTask, exact: Fit, *, is_blind: bool = False) -> Answer | None:
    """Return the exact answer, refined on all rows, if a fit of its support without some rows predicts those.

    Args:
        task: Problem of the recovery.
        exact: Fit that explains its rows to the tolerance.
        is_blind: True if the fit itself is one without the held-out rows.
    """
    problem = task.problem
    held = 1 - problem.fitted
    if not bool(held.any()) or len(exact.support) >= int(problem.fitted.sum()):
        return None
    # The fit starts from zero: `exact` was computed from all rows, and would hide columns that the fitted rows do not
    # determine.
    start = torch.zeros_like(exact.values)
    blind = exact if is_blind else least_squares(problem, exact.support, start, tolerance=task.tolerance / 10)
    size = float((held * problem.y).norm())
    misfit = float((held * blind.misfit).norm())
    final = least_squares(task.everything, exact.support, exact.values, tolerance=task.tolerance / 100)
    task.log.products += final.products + (0 if is_blind else blind.products)
    bound = _PREDICTED * task.tolerance
    # Held-out rows of a sparse matrix may be zero on the support; their size is then that of all rows.
    root = float(held.sum() / len(held)) ** 0.5
    if misfit > bound * max(size, root * float(problem.y.norm())) or float(final.misfit.norm()) > bound:
        return None
    held_out = misfit / size if size > 0 else misfit
    return Answer(Status.CONVERGED, final.answer(problem.A.shape[1]), held_out)


def noisy_answer(task: SparseTask, choice: HeldOutChoice) -> Answer:
    """Return the chosen support, fitted to all rows, as an answer up to noise."""
    final = least_squares(task.everything, choice.fit.support, choice.fit.values, tolerance=1e-12)
    task.log.products += final.products
    return Answer(Status.REACHED_NOISE_FLOOR, final.answer(task.everything.A.shape[1]), choice.held_out)


def guessed_answer(task: SparseTask, choice: HeldOutChoice | None, z: Tensor) -> Answer:
    """Return the best guess where nothing is certain; it never has a larger misfit than `z = 0`."""
    everything = task.everything
    M, N = everything.A.shape
    held_out = None if choice is None else choice.held_out
    status = Status.TOO_FEW_MEASUREMENTS if M < 2 * N else Status.NO_LOW_RANK_FIT
    cleaned = torch.where(z.abs() > _UNFINISHED * z.abs().max(), z, torch.zeros_like(z))
    misfit = float((everything.A.times(cleaned * everything.scale) - everything.y).norm() / everything.y.norm())
    task.log.products += 1
    # If few entries predict the held-out rows, an interpolation of all rows has fitted their noise.
    if choice is not None and (choice.held_out < _PREDICTING or not misfit <= 1):
        final = least_squares(everything, choice.fit.support, choice.fit.values, tolerance=1e-12)
        task.log.products += final.products
        if float(final.misfit.norm()) <= float(everything.y.norm()):
            return Answer(status, final.answer(N), held_out)
    return Answer(status, cleaned if misfit <= 1 else torch.zeros_like(z), held_out)


def _is_uninformative(problem: ScaledProblem, fit: Fit, log: SearchLog) -> bool:
    """Return True if the columns of a fit explain any measurements, so that an exact fit proves nothing."""
    is_uninformative, products = explains_anything(problem, fit.support)
    log.products += products
    return is_uninformative
