"""Least squares on a few columns, and the choice of these columns, which makes a near answer exact."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wnsense.sensing.linear_map import DenseMap, LinearMap

# Conjugate gradients halve the error in a step or two if columns are few against rows; correlated ones take longer.
_MOST_STEPS = 400
# Least squares ends once the misfit is orthogonal to the columns up to this ratio, since no step makes it smaller. If
# the columns explain everything, the ratio stays above their least singular value instead.
_ORTHOGONAL = 1e-2
# The same ratio for columns that are nearly as many as rows, or correlated.
_STRICTLY_ORTHOGONAL = 1e-4
# Largest share of columns in the fitted rows, so that an exact fit is not one of dimension counting.
_SHARE = 0.5
_LARGE_SHARE = 0.8
_ROUNDS = 8
# A round of exchanged columns that leaves more than this share of the misfit is the last one.
_ROUND_GAIN = 0.7
# A fit with at most this misfit will be exact: small entries are then cut, since fewer columns need fewer steps.
_ROUGH = 1e-6
# Entries below these shares of the largest are set to zero, if the fit stays exact without them.
_ROUGH_CUT = 1e-5
_CUTS = (1e-8, 1e-10)
# Fewer columns than the rank leave far more than this share of the measurements of a dense vector.
_EXPLAINED = 1e-3
_PROBING_SEED = 1
# Columns are added one by one, or, where there are many, this fraction of the present ones at a time.
_GROWTH = 32


@dataclass(frozen=True)
class ScaledProblem:
    """Measurements with fitted rows and scaled columns.

    Attributes:
        A: Map.
        y: Measurements, (M,).
        fitted: 1 for rows to fit, 0 for held-out rows, (M,).
        scale: Factor of each column, (N,).
        most: Largest number of columns to fit, since more explain any measurements; None without such a limit.
    """

    A: LinearMap
    y: Float[Tensor, " m"]
    fitted: Float[Tensor, " m"]
    scale: Float[Tensor, " n"]
    most: int | None = None

    def columns(self, support: Int[Tensor, " k"]) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        """Return the products with the scaled columns of a support and with their transpose, over all rows."""
        if isinstance(self.A, DenseMap):
            columns = self.A.matrix[:, support] * self.scale[support]
            return (lambda x: columns @ x), (lambda v: v @ columns)
        scale, size = self.scale[support], self.A.shape[1]

        def times(x: Tensor) -> Tensor:
            z = x.new_zeros(size)
            z[support] = x * scale
            return self.A.times(z)

        return times, lambda v: self.A.transpose_times(v)[support] * scale


@dataclass(frozen=True)
class Fit:
    """Least squares on a support.

    Attributes:
        support: Indices of the columns, (k,).
        values: Entries in scaled units, (k,).
        misfit: `A z - y` on all rows, (M,).
        products: Products with `A` or its transpose, each 1; products with some columns count in proportion.
    """

    support: Int[Tensor, " k"]
    values: Float[Tensor, " k"]
    misfit: Float[Tensor, " m"]
    products: float

    def answer(self, size: int) -> Float[Tensor, " n"]:
        """Return the whole vector in scaled units."""
        z = self.values.new_zeros(size)
        z[self.support] = self.values
        return z


def least_squares(
    problem: ScaledProblem,
    support: Int[Tensor, " k"],
    start: Float[Tensor, " k"],
    *,
    tolerance: float,
    orthogonal: float = _ORTHOGONAL,
) -> Fit:
    """Return `min ||A_S x - y||` over fitted rows, by conjugate gradients (CGLS), restarted once against rounding.

    From a start in the row space it gives the answer of least norm if columns are dependent.

    Args:
        problem: Problem with its fitted rows.
        support: Columns `S`, (k,).
        start: First `x`, (k,).
        tolerance: Ratio `||A_S x - y|| / ||y||` on fitted rows at which it ends.
        orthogonal: Ratio of `||A_S^T misfit||` to the norms of `A_S` and the misfit at which it ends as well.
    """
    times, back = problem.columns(support)
    weight = len(support) / problem.A.shape[1] if isinstance(problem.A, DenseMap) else 1.0
    size = float((problem.fitted * problem.y).norm())
    x, count = start, 0
    for _ in range(2):
        residual = problem.fitted * (problem.y - times(x))
        change, used = _conjugate(problem.fitted, (times, back), residual, tolerance * size, orthogonal)
        x, count = x + change, count + used
    return Fit(support, x, times(x) - problem.y, weight * (2 * count + 3))


def _conjugate(
    fitted: Tensor,
    products: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]],
    residual: Tensor,
    goal: float,
    orthogonal: float,
) -> tuple[Tensor, int]:
    """Return the change of `x` and the number of steps."""
    times, back = products
    gradient = back(residual)
    x = torch.zeros_like(gradient)
    toward, square, largest = gradient, float(gradient @ gradient), 0.0
    for step in range(_MOST_STEPS):
        length = float(residual.norm())
        # `largest` is a lower bound on the largest singular value, by the directions so far.
        if length <= goal or square == 0 or square**0.5 <= orthogonal * largest * length:
            return x, step
        image = fitted * times(toward)
        energy = float(image @ image)
        if not energy > 0:
            return x, step
        largest = max(largest, (energy / float(toward @ toward)) ** 0.5)
        x = x + toward * (square / energy)
        residual = residual - image * (square / energy)
        gradient = back(residual)
        before, square = square, float(gradient @ gradient)
        toward = gradient + toward * (square / before)
    return x, _MOST_STEPS


def most_columns(problem: ScaledProblem, share: float = _SHARE) -> int:
    """Return the largest number of columns to fit: a share of the fitted rows, and no more than there are."""
    N = problem.A.shape[1]
    return max(1, min(N, N if problem.most is None else problem.most, int(share * float(problem.fitted.sum()))))


def explains_anything(problem: ScaledProblem, support: Int[Tensor, " k"]) -> tuple[bool, float]:
    """Return True if these columns explain any vector in the range of `A`, and the products used.

    An exact fit on such columns proves nothing. As many columns as the rank of `A` are of this kind, for any number of
    rows. Held-out rows then lie in the span of the others, and any fit predicts them. The test is a random dense
    vector, whose measurements fewer columns cannot explain. For all columns at once the result is False
    (`all_columns`).

    Args:
        problem: Problem with its fitted rows.
        support: Columns, (k,).
    """
    N = problem.A.shape[1]
    if len(support) == N:
        return False, 0.0
    rng = torch.Generator().manual_seed(_PROBING_SEED)
    drawn = torch.randn(N, generator=rng, dtype=torch.float64).to(problem.y)
    test = replace(problem, y=problem.A.times(drawn * problem.scale))
    fit = least_squares(test, support, problem.y.new_zeros(len(support)), tolerance=_EXPLAINED / 10)
    misfit = float((test.fitted * fit.misfit).norm())
    return misfit <= _EXPLAINED * float((test.fitted * test.y).norm()), fit.products + 1


def all_columns(problem: ScaledProblem, *, tolerance: float) -> tuple[Fit, bool]:
    """Return least squares on every column, and True if the fitted rows determine it.

    They do if two fits, one from zero and one from random numbers, agree.

    Args:
        problem: Problem with at least as many rows as columns.
        tolerance: Ratio `||A z - y|| / ||y||` at which a fit ends.
    """
    N = problem.A.shape[1]
    rng = torch.Generator().manual_seed(_PROBING_SEED)
    support = torch.arange(N, device=problem.y.device)
    fit = least_squares(problem, support, problem.y.new_zeros(N), tolerance=tolerance, orthogonal=_STRICTLY_ORTHOGONAL)
    start = fit.values.abs().max() * torch.randn(N, generator=rng, dtype=torch.float64).to(problem.y)
    other = least_squares(problem, support, start, tolerance=tolerance, orthogonal=_STRICTLY_ORTHOGONAL)
    apart = float((fit.values - other.values).norm())
    products = fit.products + other.products
    return replace(fit, products=products), apart <= _EXPLAINED * float(fit.values.norm())


def exact_fit(problem: ScaledProblem, z: Float[Tensor, " n"], *, tolerance: float, thorough: bool = False) -> Fit:
    """Return a fit on few columns that explains the fitted rows to the tolerance, or the best fit.

    The largest entries of `z` are fitted. While the misfit shrinks, half of the columns are exchanged for those that
    correlate most with it. This adds small entries that `z` does not show yet. An exact fit has no idle entries.

    Args:
        problem: Problem with its fitted rows.
        z: Approximate answer in scaled units, (N,).
        tolerance: Ratio `||A z - y|| / ||y||` on fitted rows.
        thorough: True to fit more columns and to stop later.
    """
    most = most_columns(problem, _LARGE_SHARE if thorough else _SHARE)
    orthogonal = _STRICTLY_ORTHOGONAL if thorough else _ORTHOGONAL
    size = float((problem.fitted * problem.y).norm())
    rough = max(_ROUGH, tolerance)
    support = z.abs().topk(max(1, min(most, int((z != 0).sum())))).indices
    fit = least_squares(problem, support, z[support], tolerance=rough, orthogonal=orthogonal)
    products = fit.products
    misfit = float((problem.fitted * fit.misfit).norm())
    for _ in range(_ROUNDS):
        if misfit <= rough * size:
            break
        large = fit.support[fit.values.abs().topk(max(1, min(most // 2, len(fit.support)))).indices]
        pull = (problem.A.transpose_times(problem.fitted * fit.misfit) * problem.scale).abs()
        pull[large] = 0
        more = pull.topk(max(0, min(most, len(pull)) - len(large))).indices
        support = torch.cat([large, more])
        trial = least_squares(
            problem, support, fit.answer(problem.A.shape[1])[support], tolerance=rough, orthogonal=orthogonal
        )
        products += trial.products + 1
        after = float((problem.fitted * trial.misfit).norm())
        fit = trial if after < misfit else fit
        if after > _ROUND_GAIN * misfit:
            break
        misfit = after
    fit = replace(fit, products=products)
    return _finished(problem, fit, tolerance) if misfit <= rough * size else fit


def grown_fit(problem: ScaledProblem, fit: Fit, *, tolerance: float) -> Fit:
    """Return a fit to which columns of the largest correlation with the misfit were added until it is exact.

    From columns that are mostly right this adds entries that are many times smaller than others. If no fit is exact,
    the last one is returned.

    Args:
        problem: Problem with its fitted rows.
        fit: First fit.
        tolerance: Ratio `||A z - y|| / ||y||` on fitted rows.
    """
    size, rough = float((problem.fitted * problem.y).norm()), max(_ROUGH, tolerance)
    most, products = most_columns(problem), 0.0
    while True:
        misfit = float((problem.fitted * fit.misfit).norm())
        count = min(max(1, len(fit.support) // _GROWTH), most - len(fit.support))
        if misfit <= rough * size or count <= 0:
            break
        pull = (problem.A.transpose_times(problem.fitted * fit.misfit) * problem.scale).abs()
        pull[fit.support] = 0
        support = torch.cat([fit.support, pull.topk(count).indices])
        start = torch.cat([fit.values, fit.values.new_zeros(count)])
        fit = least_squares(problem, support, start, tolerance=rough, orthogonal=_STRICTLY_ORTHOGONAL)
        products += fit.products + 1
    fit = replace(fit, products=products)
    return _finished(problem, fit, tolerance) if misfit <= rough * size else fit


def _finished(problem: ScaledProblem, fit: Fit, tolerance: float) -> Fit:
    """Return a rough fit made exact, on the columns that it needs."""
    size = float((problem.fitted * problem.y).norm())
    products = fit.products

    def cut(fit: Fit, part: float) -> Fit:
        large = fit.values.abs() > part * fit.values.abs().max()
        return least_squares(problem, fit.support[large], fit.values[large], tolerance=tolerance / 10)

    def is_exact(fit: Fit) -> bool:
        return float((problem.fitted * fit.misfit).norm()) <= tolerance * size

    trial = cut(fit, _ROUGH_CUT)
    products += trial.products
    if is_exact(trial):
        return replace(trial, products=products)
    fit = least_squares(problem, fit.support, fit.values, tolerance=tolerance / 10, orthogonal=_STRICTLY_ORTHOGONAL)
    products += fit.products
    for part in _CUTS:
        trial = cut(fit, part)
        products += trial.products
        if is_exact(trial):
            return replace(trial, products=products)
    return replace(fit, products=products)


def dual_on(
    problem: ScaledProblem, support: Int[Tensor, " k"], values: Float[Tensor, " k"]
) -> tuple[Float[Tensor, " m"], int]:
    """Return the `nu` of least norm with `A_S^T nu = values`, or nearest to it, by CGLS, and the products used."""
    times, back = problem.columns(support)
    nu = torch.zeros_like(problem.y)
    residual = values
    gradient = times(residual)
    toward, square = gradient, float(gradient @ gradient)
    goal = 1e-13 * float(values.norm())
    for step in range(_MOST_STEPS):
        if float(residual.norm()) <= goal or square == 0:
            return nu, 2 * step + 1
        image = back(toward)
        energy = float(image @ image)
        if not energy > 0:
            return nu, 2 * step + 2
        nu = nu + toward * (square / energy)
        residual = residual - image * (square / energy)
        gradient = times(residual)
        before, square = square, float(gradient @ gradient)
        toward = gradient + toward * (square / before)
    return nu, 2 * _MOST_STEPS + 1
