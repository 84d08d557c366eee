"""Sparse solution of `A z = y` without settings, with the evidence for it."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import require
from wnsense.running.progress import SearchCallback, searched
from wnsense.running.status import Status
from wnsense.sensing.linear_map import LinearMap
from wnsense.sensing.map_sources import MatrixLike, linear_map
from wnsense.sparse.answer import (
    Answer,
    SparseTask,
    chosen_answer,
    grown_answer,
    guessed_answer,
    noisy_answer,
    unique_answer,
    verified_answer,
)
from wnsense.sparse.noise_fit import HeldOutChoice, choose_support, held_out_rows
from wnsense.sparse.optimality import optimality_gap
from wnsense.sparse.preparation import ColumnUnits, column_units, in_double, measurement_vector
from wnsense.sparse.sparse_recovery import SparseRecovery
from wnsense.sparse.support import ScaledProblem
from wnsense.sparse.support_search import (
    NOISE_RATIOS,
    SearchLog,
    SearchPlan,
    search_support,
    search_weighted_support,
)

# Relative misfits at which a fit is exact, by rounding of either precision times a condition number.
_TOLERANCES = {torch.float64: 1e-11, torch.float32: 1e-5}
# Most steps at each ratio: with rows held out, with all rows, and with weights. Longer runs found one vector more in
# thirty, for half as many products again where there is none.
_STEPS_HELD_OUT, _STEPS, _STEPS_WEIGHTED = 200, 500, 300
# Noise is accepted before weights are tried if one of these pairs applies. The held-out misfit is at most its first
# number, and the entries are at most its second number times the fitted rows. Otherwise the misfit could come from
# missing entries.
_CLEAR_NOISE = ((0.01, 1.0), (0.2, 0.2), (1.0, 1 / 12))
# A gap up to this is not improved. A larger one is improved by a descent at small ratios, within these numbers of
# steps.
_CLOSED = 1e-6
_CERTIFYING = (0.3, 0.03, 0.003)
_FEWEST, _MOST = 50, 150


def sparse_recover(
    A: LinearMap | MatrixLike,
    y: Tensor | np.ndarray | Sequence[float],
    *,
    seed: int = 0,
    callback: SearchCallback | None = None,
    progress: bool = False,
) -> SparseRecovery:
    """Return a sparse `z` with `A z = y`, or close to it where `y` is noisy, and the evidence for it.

    A diagonal linear network with weight normalization descends at smaller and smaller learning-rate ratios. Each ratio
    is set from a lower bound on `||z||_1`, which bounds the excess over the least l1 norm (`potential`). On the way,
    least squares on the largest entries is tried. Some rows are held out. If they show noise, they choose the number of
    entries. If nothing fits, all rows are used, then weights for columns. Every exact answer is checked on rows that
    its coefficients were not fitted to, and its l1 norm against a dual certificate.

    Args:
        A: Matrix or map, (M, N): a torch tensor, a NumPy array, a SciPy sparse matrix, a SciPy `LinearOperator` with
            `rmatvec`, or a `LinearMap`.
        y: Measurements, (M,).
        seed: Seed of the held-out rows.
        callback: Function called with the present stage in words, the products with `A` so far, and the relative
            misfit. Ctrl-C, or a KeyboardInterrupt that the callback raises, ends the search with Status.INTERRUPTED.
        progress: True to show the progress while it runs, in a terminal or a notebook; nothing is written elsewhere.

    Raises:
        InputError: If A or y cannot be used.
    """
    require(callback is None or callable(callback), "a function of words, products and misfit", repr(callback))
    with searched(callback, progress=progress) as watching:
        return _recovered(A, y, seed, watching)


def _recovered(
    A: LinearMap | MatrixLike,
    y: Tensor | np.ndarray | Sequence[float],
    seed: int,
    callback: SearchCallback | None,
) -> SparseRecovery:
    """Return what `sparse_recover` returns."""
    begun = time.perf_counter()
    whole: object = seed
    is_seed = isinstance(whole, int) and 0 <= whole < 2**63
    require(is_seed, "a whole number from 0 to 2^63 - 1 as a seed", repr(seed))
    given = linear_map(A)
    operator = in_double(given)
    measured = measurement_vector(y, given).to(operator.dtype)
    fitted = held_out_rows(len(measured), seed).to(measured)
    log = SearchLog(callback if callback is not None else _silent, words="measuring the columns")
    units, answer = _scaled_answer(operator, measured, fitted, _TOLERANCES[given.dtype], log)
    size = float(measured.norm())
    z = answer.z * size * units.scale
    misfit = float((operator.times(z) - measured).norm())
    everything = ScaledProblem(operator, measured / (size or 1.0), torch.ones_like(fitted), units.scale)
    gap = _gap(everything, answer, log)
    solution = z.to(given.dtype)
    # Entries of an answer may exceed 3e38, the largest number of single precision.
    solution = solution if bool(torch.isfinite(solution).all()) else z
    return SparseRecovery(
        status=answer.status,
        solution=solution,
        support=torch.nonzero(solution).flatten(),
        relative_residual=misfit / size if size > 0 else 0.0,
        optimality_gap=gap,
        held_out=answer.held_out,
        held_out_count=int((1 - fitted).sum()) if answer.held_out is not None else 0,
        rescaled=units.rescaled,
        ratio=log.ratio,
        steps=log.steps,
        products=math.ceil(log.products) + 1,
        seconds=time.perf_counter() - begun,
        measurements=len(measured),
        seed=seed,
    )


def _scaled_answer(
    operator: LinearMap, measured: Tensor, fitted: Tensor, tolerance: float, log: SearchLog
) -> tuple[ColumnUnits, Answer]:
    """Return the units of the columns and the answer in scaled units."""
    zero = measured.new_zeros(operator.shape[1])
    try:
        units = column_units(operator)
    except KeyboardInterrupt:
        plain = ColumnUnits(torch.ones_like(zero), rescaled=False, products=0)
        return plain, Answer(Status.INTERRUPTED, zero, None)
    log.products += units.products
    size = float(measured.norm())
    if size == 0:
        return units, Answer(Status.CONVERGED, zero, None)
    problem = ScaledProblem(operator, measured / size, fitted, units.scale)
    task = SparseTask(problem, replace(problem, fitted=torch.ones_like(fitted)), tolerance, log)
    try:
        return units, _answer(task)
    except KeyboardInterrupt:
        return units, Answer(Status.INTERRUPTED, zero if log.z is None else log.z, None)


def _answer(task: SparseTask) -> Answer:
    """Return the answer of three searches: with rows held out, with all rows, and with weights."""
    M, N = task.problem.A.shape
    unique = unique_answer(task) if M >= N else None
    if unique is not None and unique.status is Status.CONVERGED:
        return unique
    answer, choice = _held_out_answer(task)
    if answer is None:
        answer, z = _answer_of_all_rows(task, choice)
        answer = answer or unique or guessed_answer(task, choice, z)
    return answer


def _held_out_answer(task: SparseTask) -> tuple[Answer | None, HeldOutChoice | None]:
    """Return an answer that held-out rows confirm, or else the support that they choose."""
    problem, log = task.problem, task.log
    if not bool((problem.fitted == 0).any()) or not bool(((problem.fitted * problem.y) != 0).any()):
        return None, None
    log.words = "descending, some rows held out"
    result = search_support(problem, SearchPlan(task.tolerance, _STEPS_HELD_OUT, watch=True), log)
    if result.exact is not None:
        answer = verified_answer(task, result.exact, is_blind=True)
        if answer is not None:
            return answer, None
    log.words = "testing for noise, some rows held out"
    plan = SearchPlan(task.tolerance, _STEPS_HELD_OUT, watch=True, ratios=NOISE_RATIOS, fits=False)
    result = search_support(problem, plan, log)
    log.words = "choosing entries by the rows held out"
    choice = choose_support(replace(problem, most=log.most), result.points)
    log.products += choice.products
    return chosen_answer(task, choice), choice


def _answer_of_all_rows(task: SparseTask, choice: HeldOutChoice | None) -> tuple[Answer | None, Tensor]:
    """Return an answer with all rows fitted, or None, and the last vector of the descent."""
    log, everything = task.log, task.everything
    M, N = task.problem.A.shape
    log.words = "descending on all rows"
    result = search_support(everything, SearchPlan(task.tolerance, _STEPS, watch=False), log)
    z = result.points[-1].z if result.points else task.problem.scale.new_zeros(N)
    if result.exact is not None and (answer := verified_answer(task, result.exact)):
        return answer, z
    if choice is not None and (answer := grown_answer(task, choice)):
        return answer, z
    # Noise is tested after the exact fits: missing entries look like noise where columns are alike. Measurements that
    # as many columns as the rank of A explain to the last digit hold no noise.
    has_noise = choice is not None and choice.significant and log.most is None
    if choice is not None and has_noise and choice.agrees and _is_clear(choice, float(task.problem.fitted.sum())):
        return noisy_answer(task, choice), z
    if M < N and result.points:
        log.words = "descending with weights"
        plan = SearchPlan(task.tolerance, _STEPS_WEIGHTED, watch=False)
        weighted = search_weighted_support(everything, z, plan, log)
        if weighted.exact is not None and (answer := verified_answer(task, weighted.exact)):
            return answer, z
    return (noisy_answer(task, choice) if choice is not None and has_noise and log.most is None else None), z


def _is_clear(choice: HeldOutChoice, rows: float) -> bool:
    share = len(choice.fit.support) / rows
    return any(choice.held_out <= misfit and share <= most for misfit, most in _CLEAR_NOISE)


def _gap(everything: ScaledProblem, answer: Answer, log: SearchLog) -> float:
    """Return the optimality gap among vectors with the same `A z`; for exact answers a descent improves the dual."""
    z = answer.z * everything.scale
    explained = everything.A.times(z)
    weights = 1 / everything.scale
    first = optimality_gap(everything.A, explained, z, weights=weights, dual=log.dual)
    log.products += first.products + 1
    if first.gap <= _CLOSED or answer.status is not Status.CONVERGED:
        return max(0.0, first.gap)
    # About as many steps as the search itself took, at most.
    log.words = "computing a certificate"
    steps = min(max(_FEWEST, log.steps // len(_CERTIFYING)), _MOST)
    plan = SearchPlan(0.0, steps, watch=False, ratios=_CERTIFYING, fits=False)
    descent = replace(log, dual=None)
    try:
        search_support(replace(everything, y=explained), plan, descent)
    except KeyboardInterrupt:
        # The answer stays; only its gap is less sharp.
        return max(0.0, first.gap)
    second = optimality_gap(everything.A, explained, z, weights=weights, dual=descent.dual)
    log.products = descent.products + second.products
    return max(0.0, min(first.gap, second.gap))


def _silent(_words: str, _products: int, _misfit: float) -> None:
    """Do nothing with the progress."""
