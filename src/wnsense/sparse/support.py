"""Least squares on a few columns, and the search for these: what makes an answer exact once it is nearly there."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wnsense.sensing.linear_map import DenseMap, LinearMap

# Conjugate gradients halve the error in a step or two where columns are few against rows; correlated ones take longer.
_MOST_STEPS = 400
# A misfit that is orthogonal to the columns up to this is what least squares leaves: no step makes it smaller. While
# the columns do explain everything, the ratio stays above their least singular value instead.
_ORTHOGONAL = 1e-2
# The same where columns are nearly as many as rows, or correlated.
_STRICTLY_ORTHOGONAL = 1e-4
# No more than this share of the rows is fitted by columns, so that an exact fit is no matter of counting.
_SHARE = 0.5
_LARGE_SHARE = 0.8
_ROUNDS = 8
# A round of exchanging columns that leaves more of the misfit than this is the last one.
_ROUND_GAIN = 0.7
# A fit that leaves no more than this will be exact: small entries are then cut, since fewer columns need fewer steps.
_ROUGH = 1e-6
# Entries below these parts of the largest are taken for zeros, if the fit is as exact without them.
_ROUGH_CUT = 1e-5
_CUTS = (1e-8, 1e-10)
# What fewer columns than the rank leave of a dense vector's measurements is far above this part of them.
_EXPLAINED = 1e-3
_PROBING_SEED = 1
# Columns are let in one by one, and so many-th parts of those that are there where these are many.
_GROWTH = 32


@dataclass(frozen=True)
class Scaled:
    """Measurements with fitted rows and scaled columns, which finishing looks at.

    Attributes:
        A: The map.
        y: What was measured, (M,).
        fitted: 1 for rows to fit, 0 for rows held out, (M,).
        scale: What columns are multiplied with, (N,).
        most: No more columns are fitted; so many or fewer were found to explain anything.
    """

    A: LinearMap
    y: Float[Tensor, " m"]
    fitted: Float[Tensor, " m"]
    scale: Float[Tensor, " n"]
    most: int | None = None

    def columns(self, support: Int[Tensor, " k"]) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        """Products with the scaled columns of a support and with their transpose, all rows."""
        if isinstance(self.A, DenseMap):
            chosen = self.A.matrix[:, support] * self.scale[support]
            return (lambda x: chosen @ x), (lambda v: v @ chosen)
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
        support: The columns, (k,).
        values: In scaled units, (k,).
        misfit: A z - y on all rows, (M,).
        products: With A or its transpose, each 1; those with chosen columns count in proportion.
    """

    support: Int[Tensor, " k"]
    values: Float[Tensor, " k"]
    misfit: Float[Tensor, " m"]
    products: float

    def answer(self, size: int) -> Float[Tensor, " n"]:
        """The whole vector in scaled units."""
        z = self.values.new_zeros(size)
        z[self.support] = self.values
        return z


def least_squares(
    problem: Scaled,
    support: Int[Tensor, " k"],
    start: Float[Tensor, " k"],
    *,
    tolerance: float,
    orthogonal: float = _ORTHOGONAL,
) -> Fit:
    """Min ||A_S x - y|| over fitted rows, by conjugate gradients (CGLS), begun again once to be rid of roundings.

    From a start in the row space it ends at the answer of least norm where columns depend on each other.

    Args:
        problem: What is fitted.
        support: S.
        start: x to begin with.
        tolerance: ||A_S x - y|| / ||y|| on fitted rows at which it ends.
        orthogonal: It ends too where what is left is orthogonal to the columns up to this part of its length.
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
    """What to add to x, and the steps taken."""
    times, back = products
    gradient = back(residual)
    x = torch.zeros_like(gradient)
    toward, square, largest = gradient, float(gradient @ gradient), 0.0
    for step in range(_MOST_STEPS):
        length = float(residual.norm())
        # The largest singular value is known from below only, by the directions so far.
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


def most_columns(problem: Scaled, share: float = _SHARE) -> int:
    """How many columns may be fitted: a share of the fitted rows, and no more than there are."""
    N = problem.A.shape[1]
    return max(1, min(N, N if problem.most is None else problem.most, int(share * float(problem.fitted.sum()))))


def explains_anything(problem: Scaled, support: Int[Tensor, " k"]) -> tuple[bool, float]:
    """Whether these columns fit whatever A gives, so that an exact fit says nothing; and the products that it took.

    As many columns as A has rank do, however many rows there are: then rows held out lie in the span of the others and
    are predicted by any fit. Shown by a dense vector drawn at random, of which fewer columns leave a part. Of all
    columns at once nothing is said (`all_columns`).

    Args:
        problem: With the rows that are fitted.
        support: The columns.
    """
    N = problem.A.shape[1]
    if len(support) == N:
        return False, 0.0
    rng = torch.Generator().manual_seed(_PROBING_SEED)
    drawn = torch.randn(N, generator=rng, dtype=torch.float64).to(problem.y)
    asked = replace(problem, y=problem.A.times(drawn * problem.scale))
    fit = least_squares(asked, support, problem.y.new_zeros(len(support)), tolerance=_EXPLAINED / 10)
    left = float((asked.fitted * fit.misfit).norm())
    return left <= _EXPLAINED * float((asked.fitted * asked.y).norm()), fit.products + 1


def all_columns(problem: Scaled, *, tolerance: float) -> tuple[Fit, bool]:
    """Least squares on every column, and whether the rows that are fitted determine it.

    They do where two fits, one from zero and one from numbers drawn at random, end at the same.

    Args:
        problem: With at least as many rows as columns.
        tolerance: ||A z - y|| / ||y|| at which a fit ends.
    """
    N = problem.A.shape[1]
    rng = torch.Generator().manual_seed(_PROBING_SEED)
    everywhere = torch.arange(N, device=problem.y.device)
    fit = least_squares(
        problem, everywhere, problem.y.new_zeros(N), tolerance=tolerance, orthogonal=_STRICTLY_ORTHOGONAL
    )
    elsewhere = fit.values.abs().max() * torch.randn(N, generator=rng, dtype=torch.float64).to(problem.y)
    other = least_squares(problem, everywhere, elsewhere, tolerance=tolerance, orthogonal=_STRICTLY_ORTHOGONAL)
    apart = float((fit.values - other.values).norm())
    products = fit.products + other.products
    return replace(fit, products=products), apart <= _EXPLAINED * float(fit.values.norm())


def exact_fit(problem: Scaled, z: Float[Tensor, " n"], *, tolerance: float, thorough: bool = False) -> Fit:
    """A fit on few columns that explains the fitted rows to the tolerance, without idle entries; or the best.

    The largest entries of z are fitted. While what is left shrinks, half of the columns make room for those that
    correlate most with it: small entries that z does not show yet are found so.

    Args:
        problem: What is fitted.
        z: An answer that shows the large entries, in scaled units.
        tolerance: ||A z - y|| / ||y|| on fitted rows.
        thorough: Whether to fit more columns, and to give up later.
    """
    most = most_columns(problem, _LARGE_SHARE if thorough else _SHARE)
    orthogonal = _STRICTLY_ORTHOGONAL if thorough else _ORTHOGONAL
    size = float((problem.fitted * problem.y).norm())
    rough = max(_ROUGH, tolerance)
    support = z.abs().topk(max(1, min(most, int((z != 0).sum())))).indices
    fit = least_squares(problem, support, z[support], tolerance=rough, orthogonal=orthogonal)
    products = fit.products
    left = float((problem.fitted * fit.misfit).norm())
    for _ in range(_ROUNDS):
        if left <= rough * size:
            break
        kept = fit.support[fit.values.abs().topk(max(1, min(most // 2, len(fit.support)))).indices]
        pull = (problem.A.transpose_times(problem.fitted * fit.misfit) * problem.scale).abs()
        pull[kept] = 0
        more = pull.topk(max(0, min(most, len(pull)) - len(kept))).indices
        support = torch.cat([kept, more])
        tried = least_squares(
            problem, support, fit.answer(problem.A.shape[1])[support], tolerance=rough, orthogonal=orthogonal
        )
        products += tried.products + 1
        after = float((problem.fitted * tried.misfit).norm())
        fit = tried if after < left else fit
        if after > _ROUND_GAIN * left:
            break
        left = after
    fit = replace(fit, products=products)
    return _finished(problem, fit, tolerance) if left <= rough * size else fit


def grown_fit(problem: Scaled, fit: Fit, *, tolerance: float) -> Fit:
    """A fit with column after column let in, by what correlates most with what is left, until it is exact; or the last.

    From columns most of which are right this finds entries that are many times smaller than others.

    Args:
        problem: What is fitted.
        fit: Where to begin.
        tolerance: ||A z - y|| / ||y|| on fitted rows.
    """
    size, rough = float((problem.fitted * problem.y).norm()), max(_ROUGH, tolerance)
    most, products = most_columns(problem), 0.0
    while True:
        left = float((problem.fitted * fit.misfit).norm())
        count = min(max(1, len(fit.support) // _GROWTH), most - len(fit.support))
        if left <= rough * size or count <= 0:
            break
        pull = (problem.A.transpose_times(problem.fitted * fit.misfit) * problem.scale).abs()
        pull[fit.support] = 0
        support = torch.cat([fit.support, pull.topk(count).indices])
        start = torch.cat([fit.values, fit.values.new_zeros(count)])
        fit = least_squares(problem, support, start, tolerance=rough, orthogonal=_STRICTLY_ORTHOGONAL)
        products += fit.products + 1
    fit = replace(fit, products=products)
    return _finished(problem, fit, tolerance) if left <= rough * size else fit


def _finished(problem: Scaled, fit: Fit, tolerance: float) -> Fit:
    """A rough fit made exact, on the columns that it needs."""
    size = float((problem.fitted * problem.y).norm())
    products = fit.products

    def cut(fit: Fit, part: float) -> Fit:
        large = fit.values.abs() > part * fit.values.abs().max()
        return least_squares(problem, fit.support[large], fit.values[large], tolerance=tolerance / 10)

    def is_exact(fit: Fit) -> bool:
        return float((problem.fitted * fit.misfit).norm()) <= tolerance * size

    tried = cut(fit, _ROUGH_CUT)
    products += tried.products
    if is_exact(tried):
        return replace(tried, products=products)
    fit = least_squares(problem, fit.support, fit.values, tolerance=tolerance / 10, orthogonal=_STRICTLY_ORTHOGONAL)
    products += fit.products
    for part in _CUTS:
        tried = cut(fit, part)
        products += tried.products
        if is_exact(tried):
            return replace(tried, products=products)
    return replace(fit, products=products)


def dual_on(
    problem: Scaled, support: Int[Tensor, " k"], values: Float[Tensor, " k"]
) -> tuple[Float[Tensor, " m"], int]:
    """The nu of least norm with A_S^T nu = values, or nearest to it, by CGLS; and the products that it took."""
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
