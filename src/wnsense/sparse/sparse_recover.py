"""`sparse_recover`: a sparse solution of A z = y, with nothing to choose, and what speaks for it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError, require, require_finite, size_text
from wnsense.running.status import Status
from wnsense.sensing.linear_map import DenseMap, LinearMap, PartialCosineMap, SparseMap
from wnsense.sensing.map_sources import MatrixLike, linear_map
from wnsense.sparse.noise_fit import Chosen, choose_support, held_out_rows
from wnsense.sparse.optimality import optimality_gap
from wnsense.sparse.sparse_recovery import SparseRecovery
from wnsense.sparse.support import Fit, Scaled, all_columns, explains_anything, grown_fit, least_squares
from wnsense.sparse.support_search import NOISE_RATIOS, Ledger, Search, search, search_weighted

# Relative misfits at which a fit is exact: roundings of either precision, and of a condition number.
_TOLERANCES = {torch.float64: 1e-11, torch.float32: 1e-5}
# What was exact on fitted rows is predicted on others to this many times the tolerance.
_PREDICTED = 1e3
# Lengths of columns that differ by no more than this are left alone, and the l1 norm with them.
_SPREAD = 4.0
# Lengths known from so many random products only scatter by themselves; there it takes more.
_PROBES = 16
_PROBED_SPREAD = 16.0
# Steps at most at each ratio: with rows held out, with all of them, and with weights. Longer ones found one vector more
# in thirty, for half as many products again where there is none to be found.
_STEPS_WATCHED, _STEPS, _STEPS_WEIGHTED = 200, 500, 300

# Noise is believed before weights are tried where no more than this is left of rows held out, with no more entries than
# such a part of the fitted rows. Else what is left could be entries that were missed.
_BELIEVED = ((0.01, 1.0), (0.2, 0.2), (1.0, 1 / 12))
# What least squares to a rough tolerance may leave of an exact answer.
_NEARLY = 1e-3
# With so little left of rows held out, most of the entries are right, and those that are not there may be small.
_LITTLE = 0.05
# Entries of a unique solution below this part of the largest are roundings.
_ZERO = 1e-9
# A guess that leaves less than this of rows held out is better than one that interpolates all rows.
_PREDICTING = 0.7

# A certificate this good is not improved. Another gets a descent at small ratios, of so many steps each or more.
_CLOSED = 1e-6
_CERTIFYING = (0.3, 0.03, 0.003)
_FEWEST, _MOST = 50, 150

Tell = Callable[[str, int, float], None]


def sparse_recover(
    A: LinearMap | MatrixLike,
    y: Tensor | np.ndarray | Sequence[float],
    *,
    seed: int = 0,
    callback: Tell | None = None,
) -> SparseRecovery:
    """A sparse z with A z = y, or close to it where y is noisy; and whether it can be trusted.

    A diagonal linear network with weight normalization descends at smaller and smaller learning-rate ratios, each set
    from a lower bound on ||z||_1 so that the excess over the least l1 norm is bounded (`potential`). On the way least
    squares on the entries that stand out is tried. Some rows are held out. Where they say that noise is left, they
    choose how many entries are real. Where nothing fits, all rows are used, then weights for columns. Every exact
    answer is checked on rows that its coefficients were not fitted to, and its l1 norm against a dual certificate.

    Args:
        A: (M, N): a torch tensor, a NumPy array, a SciPy sparse matrix or `LinearOperator` (with `rmatvec`), or a map.
        y: M numbers.
        seed: What the rows held out are drawn from.
        callback: Told what is being done, of the products with A so far, and of the relative misfit. Ctrl-C, or a
            KeyboardInterrupt that it raises, ends the search with Status.INTERRUPTED.

    Raises:
        InputError: If A or y cannot be used, in one line.
    """
    begun = time.perf_counter()
    whole: object = seed
    is_seed = isinstance(whole, int) and 0 <= whole < 2**63
    require(is_seed, "a whole number from 0 to 2^63 - 1 as a seed", repr(seed))
    require(callback is None or callable(callback), "a function of words, products and misfit", repr(callback))
    operator = linear_map(A)
    wanted = operator.dtype
    measured = _vector(y, operator)
    operator = _in_double(operator)
    # What a map of single precision that the library cannot widen gives is no more exact than it is.
    tolerance = _TOLERANCES[wanted]
    measured = measured.to(operator.dtype)
    fitted = held_out_rows(len(measured), seed).to(measured)
    ledger = Ledger(callback if callback is not None else _silent, words="looking at the columns")
    size = float(measured.norm())
    zero = measured.new_zeros(operator.shape[1])
    early = None
    try:
        units = _units(operator, ledger)
    except KeyboardInterrupt:
        units, early = _Units(torch.ones_like(zero), rescaled=False), _Answer(Status.INTERRUPTED, zero, None)
    problem = Scaled(operator, measured / (size or 1.0), fitted, units.scale)
    answer = early or (_answered(problem, tolerance, ledger) if size > 0 else _Answer(Status.CONVERGED, zero, None))
    z = answer.z * size * units.scale
    misfit = float((operator.times(z) - measured).norm())
    gap = _gap(replace(problem, fitted=torch.ones_like(fitted)), answer, ledger)
    solution = z.to(wanted)
    # Single precision ends at 3e38, which A's entries need not know of.
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
        ratio=ledger.ratio,
        steps=ledger.steps,
        products=math.ceil(ledger.products) + 1,
        seconds=time.perf_counter() - begun,
        measurements=len(measured),
        seed=seed,
    )


@dataclass(frozen=True)
class _Units:
    """What columns are multiplied with, and whether by their own lengths or by one number."""

    scale: Float[Tensor, " n"]
    rescaled: bool


@dataclass(frozen=True)
class _Answer:
    status: Status
    z: Float[Tensor, " n"]
    held_out: float | None


def _answered(problem: Scaled, tolerance: float, ledger: Ledger) -> _Answer:
    """The answer in scaled units: with rows held out, then with all, then with weights."""
    try:
        return _searched(problem, tolerance, ledger)
    except KeyboardInterrupt:
        z = problem.scale.new_zeros(problem.A.shape[1]) if ledger.z is None else ledger.z
        return _Answer(Status.INTERRUPTED, z, None)


def _searched(problem: Scaled, tolerance: float, ledger: Ledger) -> _Answer:
    M, N = problem.A.shape
    everything = replace(problem, fitted=torch.ones_like(problem.fitted))
    unique = _determined(everything, tolerance, ledger) if M >= N else None
    if unique is not None and unique.status is Status.CONVERGED:
        return unique
    answer, chosen = _held_out_search(problem, everything, tolerance, ledger)
    if answer is None:
        answer, z = _search_of_all_rows(problem, everything, tolerance, ledger, chosen)
        answer = answer or unique or _guess(everything, chosen, z, ledger)
    return answer


def _search_of_all_rows(
    problem: Scaled, everything: Scaled, tolerance: float, ledger: Ledger, chosen: Chosen | None
) -> tuple[_Answer | None, Tensor]:
    """An answer, or None; and the best that was reached in any case."""
    M, N = problem.A.shape
    ledger.words = "descending on all rows"
    found = search(everything, Search(tolerance, _STEPS, watch=False), ledger)
    z = found.places[-1].z if found.places else problem.scale.new_zeros(N)
    if found.exact is not None and (answer := _verified(problem, everything, found.exact, tolerance, ledger)):
        return answer, z
    if chosen is not None and (answer := _grown(problem, everything, chosen, tolerance, ledger)):
        return answer, z
    # Only now: entries that were missed can look like noise where columns are alike. And measurements that as many
    # columns as A has rank explain to the last digit hold no noise.
    is_noise = chosen is not None and chosen.significant and ledger.most is None
    if chosen is not None and is_noise and chosen.agrees and _is_clear(chosen, float(problem.fitted.sum())):
        return _noisy(everything, chosen, ledger), z
    if M < N and found.places:
        ledger.words = "descending with weights"
        weighted = search_weighted(everything, z, Search(tolerance, _STEPS_WEIGHTED, watch=False), ledger)
        if weighted.exact is not None and (answer := _verified(problem, everything, weighted.exact, tolerance, ledger)):
            return answer, z
    return (_noisy(everything, chosen, ledger) if chosen is not None and is_noise and ledger.most is None else None), z


def _grown(problem: Scaled, everything: Scaled, chosen: Chosen, tolerance: float, ledger: Ledger) -> _Answer | None:
    """An exact answer from entries of which most are right, by letting small ones in."""
    if not chosen.held_out < _LITTLE:
        return None
    ledger.words = "letting columns in"
    fit = grown_fit(replace(everything, most=ledger.most), chosen.fit, tolerance=tolerance)
    ledger.products += fit.products
    if float(fit.misfit.norm()) > tolerance * float(everything.y.norm()) or _says_nothing(everything, fit, ledger):
        return None
    return _verified(problem, everything, fit, tolerance, ledger)


def _determined(everything: Scaled, tolerance: float, ledger: Ledger) -> _Answer | None:
    """The one vector that there is, where no fewer rows than columns agree on it: least squares on all columns.

    More rows than columns that agree to the last digits check each other. As many rows as columns check nothing.
    """
    ledger.words = "solving for all columns"
    M, N = everything.A.shape
    fit, is_unique = all_columns(everything, tolerance=tolerance / 100)
    ledger.products += fit.products
    size = float(everything.y.norm())
    if not is_unique or float(fit.misfit.norm()) > _PREDICTED * tolerance * size:
        return None
    # Zeros are known to the accuracy of the others only.
    z = torch.where(fit.values.abs() > _ZERO * fit.values.abs().max(), fit.values, torch.zeros_like(fit.values))
    return _Answer(Status.CONVERGED if M > N else Status.TOO_FEW_MEASUREMENTS, z, None)


def _guess(everything: Scaled, chosen: Chosen | None, z: Tensor, ledger: Ledger) -> _Answer:
    """What is left to say where nothing is sure: never a vector that explains less than none does."""
    M, N = everything.A.shape
    held_out = None if chosen is None else chosen.held_out
    status = Status.TOO_FEW_MEASUREMENTS if M < 2 * N else Status.NO_LOW_RANK_FIT
    cleaned = _cleaned(z)
    left = float((everything.A.times(cleaned * everything.scale) - everything.y).norm() / everything.y.norm())
    ledger.products += 1
    # Where few entries predict rows held out, an interpolation of all rows has fitted their noise.
    if chosen is not None and (chosen.held_out < _PREDICTING or not left <= 1):
        final = least_squares(everything, chosen.fit.support, chosen.fit.values, tolerance=1e-12)
        ledger.products += final.products
        if float(final.misfit.norm()) <= float(everything.y.norm()):
            return _Answer(status, final.answer(N), held_out)
    return _Answer(status, cleaned if left <= 1 else torch.zeros_like(z), held_out)


def _held_out_search(
    problem: Scaled, everything: Scaled, tolerance: float, ledger: Ledger
) -> tuple[_Answer | None, Chosen | None]:
    """An answer that rows held out are sure of; and the support that they and a penalty choose, where there is none."""
    if not bool((problem.fitted == 0).any()) or not bool(((problem.fitted * problem.y) != 0).any()):
        return None, None
    ledger.words = "descending, some rows held out"
    found = search(problem, Search(tolerance, _STEPS_WATCHED, watch=True), ledger)
    if found.exact is not None:
        answer = _verified(problem, everything, found.exact, tolerance, ledger, seen_blindly=True)
        if answer is not None:
            return answer, None
    ledger.words = "looking for noise, some rows held out"
    noisy = Search(tolerance, _STEPS_WATCHED, watch=True, ratios=NOISE_RATIOS, fits=False)
    found = search(problem, noisy, ledger)
    ledger.words = "choosing entries by the rows held out"
    chosen = choose_support(replace(problem, most=ledger.most), found.places)
    ledger.products += chosen.products
    return _exactly(problem, everything, chosen, tolerance, ledger), chosen


def _is_clear(chosen: Chosen, rows: float) -> bool:
    share = len(chosen.fit.support) / rows
    return any(chosen.held_out <= left and share <= few for left, few in _BELIEVED)


def _exactly(problem: Scaled, everything: Scaled, chosen: Chosen, tolerance: float, ledger: Ledger) -> _Answer | None:
    """The chosen support as an exact answer, where it is one: letting entries in and out finds some that fits miss."""
    if chosen.held_out > _NEARLY:
        return None
    fit = least_squares(problem, chosen.fit.support, chosen.fit.values, tolerance=tolerance / 10)
    ledger.products += fit.products
    missed = float((problem.fitted * fit.misfit).norm() / (problem.fitted * problem.y).norm())
    if missed > tolerance or _says_nothing(problem, fit, ledger):
        return None
    return _verified(problem, everything, fit, tolerance, ledger, seen_blindly=True)


def _says_nothing(problem: Scaled, fit: Fit, ledger: Ledger) -> bool:
    says_nothing, products = explains_anything(problem, fit.support)
    ledger.products += products
    return says_nothing


def _verified(
    problem: Scaled, everything: Scaled, exact: Fit, tolerance: float, ledger: Ledger, *, seen_blindly: bool = False
) -> _Answer | None:
    """The exact answer, refined on all rows, if the same support fitted without some rows predicts those."""
    held = 1 - problem.fitted
    if not bool(held.any()) or len(exact.support) >= int(problem.fitted.sum()):
        return None
    # From zero, so that it shows where the rows do not determine the columns: these were found with all of the rows.
    start = torch.zeros_like(exact.values)
    blind = exact if seen_blindly else least_squares(problem, exact.support, start, tolerance=tolerance / 10)
    size = float((held * problem.y).norm())
    missed = float((held * blind.misfit).norm())
    final = least_squares(everything, exact.support, exact.values, tolerance=tolerance / 100)
    ledger.products += final.products + (0 if seen_blindly else blind.products)
    bound = _PREDICTED * tolerance
    # Rows of a sparse matrix may hold nothing of what is there: then their size is that of all.
    root = float(held.sum() / len(held)) ** 0.5
    if missed > bound * max(size, root * float(problem.y.norm())) or float(final.misfit.norm()) > bound:
        return None
    held_out = missed / size if size > 0 else missed
    return _Answer(Status.CONVERGED, final.answer(problem.A.shape[1]), held_out)


def _noisy(everything: Scaled, chosen: Chosen, ledger: Ledger) -> _Answer:
    """The chosen support, fitted to all rows."""
    fit = chosen.fit
    final = least_squares(everything, fit.support, fit.values, tolerance=1e-12)
    ledger.products += final.products
    return _Answer(Status.REACHED_NOISE_FLOOR, final.answer(everything.A.shape[1]), chosen.held_out)


def _cleaned(z: Tensor) -> Tensor:
    """Without the entries that the descent has only not brought to zero yet."""
    return torch.where(z.abs() > 1e-3 * z.abs().max(), z, torch.zeros_like(z))


def _gap(everything: Scaled, answer: _Answer, ledger: Ledger) -> float:
    """The optimality gap among vectors with the same A z; for an exact answer the network helps with a dual vector."""
    z = answer.z * everything.scale
    explained = everything.A.times(z)
    weights = 1 / everything.scale
    found = optimality_gap(everything.A, explained, z, weights=weights, dual=ledger.dual)
    ledger.products += found.products + 1
    if found.gap <= _CLOSED or answer.status is not Status.CONVERGED:
        return max(0.0, found.gap)
    # No more than the search itself has cost, more or less.
    ledger.words = "looking for a certificate"
    steps = min(max(_FEWEST, ledger.steps // len(_CERTIFYING)), _MOST)
    plan = Search(0.0, steps, watch=False, ratios=_CERTIFYING, fits=False)
    kept = replace(ledger, dual=None)
    try:
        search(replace(everything, y=explained), plan, kept)
    except KeyboardInterrupt:
        # The answer is there; only less is known of it.
        return max(0.0, found.gap)
    better = optimality_gap(everything.A, explained, z, weights=weights, dual=kept.dual)
    ledger.products = kept.products + better.products
    return max(0.0, min(found.gap, better.gap))


def _vector(y: Tensor | np.ndarray | Sequence[float], operator: LinearMap) -> Float[Tensor, " m"]:
    """The measurements as a finite vector of the map's length."""
    if isinstance(y, Tensor):
        values = y.detach()
    else:
        require(
            not np.ma.is_masked(y), "measurements that are all there", "a masked array", "leave their rows of A out"
        )
        array = np.asarray(y)
        require(array.dtype.kind in "biufc", "numbers in y", f"an array of dtype {array.dtype}")
        wide = array if array.dtype.kind == "c" else array.astype(np.float64)
        values = torch.from_numpy(np.ascontiguousarray(wide))
    require(not values.is_complex(), "real numbers in y", values.dtype, "stack real and imaginary parts as rows")
    M = operator.shape[0]
    fits = values.numel() == M and max(values.shape, default=0) == M
    advice = f"A is {size_text(operator.shape)}, one measurement for each row"
    require(fits, f"y of {M} numbers", f"size {size_text(values.shape)}", advice)
    values = values.reshape(-1).to(dtype=torch.float64, device=operator.device)
    require_finite("y", values)
    largest = float(values.abs().max())
    require(
        largest == 0 or 1e-150 < largest < 1e150,
        "y between 1e-150 and 1e150 in size",
        f"{largest:.3g}",
        "change its unit",
    )
    return values


def _in_double(operator: LinearMap) -> LinearMap:
    """The same map in double precision, where the library knows how it is held."""
    if operator.dtype == torch.float64:
        return operator
    if isinstance(operator, DenseMap):
        return DenseMap(operator.matrix.double())
    if isinstance(operator, SparseMap):
        return SparseMap(operator.values.double(), operator.rows, operator.columns, operator.shape)
    if isinstance(operator, PartialCosineMap):
        return replace(operator, dtype=torch.float64)
    return operator


def _units(operator: LinearMap, ledger: Ledger) -> _Units:
    """Columns brought to one length where lengths differ much; else to length 1 on the whole, all by one number."""
    squares, spread = _squared_lengths(operator, ledger)
    require_finite("the lengths of the columns", squares)
    positive = squares[squares > 0]
    if not len(positive):
        raise InputError("needed a matrix that measures something, got one of zeros only; check how it was made")
    differ = float(positive.max() / positive.min()) > spread**2
    if differ:
        lengths = torch.where(squares > 0, squares, positive.max()).sqrt()
        return _Units(1 / lengths, rescaled=True)
    return _Units(torch.full_like(squares, 1 / float(positive.mean().sqrt())), rescaled=False)


def _squared_lengths(operator: LinearMap, ledger: Ledger) -> tuple[Tensor, float]:
    """The squared lengths of the columns, and the factor from which on they are said to differ."""
    M, N = operator.shape
    if isinstance(operator, DenseMap):
        return operator.matrix.square().sum(0), _SPREAD
    if isinstance(operator, SparseMap):
        return torch.zeros(N, dtype=operator.dtype, device=operator.device).index_add_(
            0, operator.columns, operator.values.square()
        ), _SPREAD
    # E (A^T v)_n^2 = ||a_n||^2 for random signs v.
    generator = torch.Generator().manual_seed(0)
    squares = torch.zeros(N, dtype=operator.dtype, device=operator.device)
    for _ in range(_PROBES):
        signs = torch.randint(2, (M,), generator=generator).to(operator.device, operator.dtype) * 2 - 1
        squares += operator.transpose_times(signs).square() / _PROBES
    ledger.products += _PROBES
    return squares, _PROBED_SPREAD


def _silent(_words: str, _products: int, _misfit: float) -> None:
    """Tell nobody."""
