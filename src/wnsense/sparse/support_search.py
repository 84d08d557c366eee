"""Search for a sparse answer: weight-normalized descent at smaller and smaller ratios, and fits on its support."""

import math
from dataclasses import dataclass, field, replace

from torch import Tensor

from wnsense.running.progress import SearchCallback
from wnsense.sparse.potential import Memory, NetworkPoint, Potential, descend
from wnsense.sparse.support import Fit, ScaledProblem, exact_fit, explains_anything

# Excess of the l1 norm that the bound allows, relative to the least l1 norm, from the first ratio to the last. The
# excess in practice is about a hundred times smaller, and large ratios take fewer steps.
RATIOS = (0.3, 0.03)
# Ratios of the test for noise. Answers of larger ratios fit less noise, and held-out rows choose among all.
NOISE_RATIOS = (3.0, 1.0, 0.3, 0.1, 0.03)
# Ratio of `r_0^2` to a lower bound on the l1 norm of the answer; the bound on the excess needs a small one.
_START = 0.1
# Steps before the first fit is tried; the number doubles for each further one.
_FIRST_FIT = 8
# A ratio ends at this misfit; a fit or the next ratio gains the rest.
_DONE = 1e-3
_LAST_DONE = 1e-4
_NEARLY = 1e-2
# Without a gain on held-out rows for this many steps, and for half of the steps taken, the descent fits noise.
_PATIENCE = 20
_GAIN = 0.99
# More rounds of weights change nothing (Candes, Wakin and Boyd, 2008, took the same number).
_WEIGHTINGS = 5
_WEIGHTED_EXCESS = 0.3
# Let the tail be the share of the answer's l1 norm outside its largest entries, half as many as rows. Rounds of weights
# end at a tail below the first number, or above the second number times the tail before.
_SMALL_TAIL, _TAIL_GAIN = 1e-3, 0.95


@dataclass
class SearchLog:
    """Cost and latest answer of a search, which an interrupted recovery returns.

    Attributes:
        callback: Function called at every step.
        words: Present stage in words.
        products: Products with `A` and `A^T` so far.
        steps: Weight-normalized steps so far.
        ratio: Last learning-rate ratio, in scaled units.
        z: Latest answer, in scaled units; None at first.
        dual: Dual vector of the latest answer; None at first.
        most: Largest number of columns to fit, since more explain any measurements; None at first.
    """

    callback: SearchCallback
    words: str = ""
    products: float = 0.0
    steps: int = 0
    ratio: float = math.nan
    z: Tensor | None = None
    dual: Tensor | None = None
    most: int | None = None

    def record(self, point: NetworkPoint, problem: ScaledProblem) -> None:
        """Record a step and call the callback."""
        self.steps += 1
        self.products += 2
        self.z, self.dual = point.z, point.dual
        fitted = float((problem.fitted * point.misfit).norm())
        self.callback(self.words, round(self.products), fitted / float((problem.fitted * problem.y).norm()))


@dataclass(frozen=True)
class SearchPlan:
    """Settings of a search.

    Attributes:
        tolerance: Relative misfit at which a fit is exact.
        steps: Most steps at each ratio.
        watch: True if rows are held out and a ratio ends when their misfit no longer decreases.
        ratios: Excesses of the l1 norm that the bound allows, one after the other.
        fits: True if fits are tried.
    """

    tolerance: float
    steps: int
    watch: bool
    ratios: tuple[float, ...] = RATIOS
    fits: bool = True


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        exact: Fit that explains the fitted rows to the tolerance; None if there was none.
        points: Last point of each ratio; with rows held out, the one that predicted them best.
    """

    exact: Fit | None
    points: tuple[NetworkPoint, ...] = field(default=())


def first_bound(problem: ScaledProblem) -> float:
    """Return a lower bound on the l1 norm of any scaled answer, `<y, y> / ||A^T y||_inf`."""
    y = problem.fitted * problem.y
    largest = float((problem.A.transpose_times(y) * problem.scale).abs().max())
    return float(y @ y) / largest if largest > 0 else 0.0


def search_support(problem: ScaledProblem, plan: SearchPlan, log: SearchLog) -> SearchResult:
    """Descend at one ratio after the other, with fits on the way, until one is exact or the ratios end.

    The ratio is `eta = excess Q / log(2N)`, with the best lower bound `Q` on the l1 norm that the network's dual vector
    has given so far. This bounds the excess without the radius of the limit (see `potential`).

    Args:
        problem: Problem with its fitted rows.
        plan: Settings of the search.
        log: Log that counts steps and products.
    """
    bound = first_bound(problem)
    log.products += 1
    descent = _Descent(None, None, Memory(), bound, log.steps + _FIRST_FIT)
    points: list[NetworkPoint] = []
    for excess in plan.ratios:
        descent = descent.at_ratio(problem, excess, log)
        descent, exact = _descended(problem, descent, plan, log, is_last=excess == plan.ratios[-1])
        if descent.point is not None:
            points.append(descent.point)
        if exact is not None:
            return SearchResult(exact, tuple(points))
    return SearchResult(None, tuple(points))


@dataclass(frozen=True)
class _Descent:
    """State of a descent over ratios.

    Attributes:
        potential: Potential of the present ratio; None at first.
        point: Present point; None at first.
        memory: Curvature pairs.
        bound: Best lower bound on the l1 norm so far.
        next_fit: Number of steps after which a fit is tried.
    """

    potential: Potential | None
    point: NetworkPoint | None
    memory: Memory
    bound: float
    next_fit: int

    def at_ratio(self, problem: ScaledProblem, excess: float, log: SearchLog) -> "_Descent":
        """Return the state at the ratio of an excess: one product."""
        start = _START * self.bound if self.potential is None else self.potential.start
        ratio = excess * self.bound / math.log(2 * problem.A.shape[1])
        potential = Potential(problem, ratio, start)
        log.products += 1
        log.ratio = ratio
        if self.potential is None or self.point is None:
            M, N = problem.A.shape
            point = potential.at(problem.y.new_zeros(M), problem.y.new_zeros(N))
            return replace(self, potential=potential, point=point, memory=self.memory.rescaled(1.0))
        # The dual vector of the next limit is about this multiple of the last one.
        factor = self.potential.ratio / ratio
        point = potential.at(self.point.dual * factor, self.point.logits * factor)
        return replace(self, potential=potential, point=point, memory=self.memory.rescaled(factor))


def _descended(
    problem: ScaledProblem, descent: _Descent, plan: SearchPlan, log: SearchLog, *, is_last: bool
) -> tuple[_Descent, Fit | None]:
    """Return the state at the end of a ratio, and an exact fit or None."""
    if descent.potential is None or descent.point is None:
        return descent, None
    point, memory, bound, next_fit = descent.point, descent.memory, descent.bound, descent.next_fit
    best, best_step, held = point, 0, _held_misfit(problem, point)
    for step, (moved, pairs) in enumerate(descend(descent.potential, point, memory), 1):
        point, memory = moved, pairs
        log.record(point, problem)
        bound = max(bound, point.bound(problem.y))
        held_now = _held_misfit(problem, point)
        if held_now < _GAIN * held:
            best, best_step, held = point, step, held_now
        misfit = _relative(problem, point.misfit)
        is_done = misfit < (_LAST_DONE if is_last else _DONE)
        is_idle = plan.watch and step - best_step > max(_PATIENCE, step // 2)
        is_ended = is_done or is_idle or step >= plan.steps or not math.isfinite(misfit)
        if plan.fits and (is_ended or log.steps >= next_fit):
            next_fit = max(next_fit, 2 * log.steps)
            exact = _exact_fit(problem, point.z, plan.tolerance, log, thorough=is_ended and misfit < _NEARLY)
            if exact is not None:
                return replace(descent, point=point, memory=memory, bound=bound, next_fit=next_fit), exact
        if is_ended:
            break
    # With rows held out, the steps that fitted noise are taken back.
    point, memory = (best, Memory()) if plan.watch else (point, memory)
    return replace(descent, point=point, memory=memory, bound=bound, next_fit=next_fit), None


def search_weighted_support(problem: ScaledProblem, z: Tensor, plan: SearchPlan, log: SearchLog) -> SearchResult:
    """Search in rounds of a weighted l1 norm, which can succeed where the plain l1 norm does not.

    Each round scales column `n` by `|z_n| + c` of the answer before (Candes, Wakin and Boyd, 2008). In scaled units the
    network is the same, in the user's units it minimizes `sum |z_n| / (|z_n| + c)`.

    Args:
        problem: Problem with its fitted rows.
        z: Answer of a plain search, in scaled units.
        plan: Settings of the search.
        log: Log that counts steps and products.
    """
    M, N = problem.A.shape
    most = max(1, min(N, int(M / (4 * max(math.log(N / M), 0.5)))))
    result = SearchResult(None)
    tail = math.inf
    for _ in range(_WEIGHTINGS):
        floor = max(float(z.abs().topk(most).values[-1]), 1e-3 * float(z.abs().max()))
        weight = (z.abs() + floor) / (z.abs().max() + floor)
        weighted = replace(problem, scale=problem.scale * weight)
        result = search_support(weighted, replace(plan, ratios=(1.0, _WEIGHTED_EXCESS)), log)
        if result.exact is not None:
            exact = result.exact
            return SearchResult(replace(exact, values=exact.values * weight[exact.support]), result.points)
        z = result.points[-1].z * weight
        before, tail = tail, _tail(z, M // 2)
        if tail < _SMALL_TAIL or tail > _TAIL_GAIN * before:
            break
    log.z = z
    return result


def _tail(z: Tensor, count: int) -> float:
    """Return the share of the l1 norm outside the largest entries."""
    sizes = z.abs()
    return 1 - float(sizes.topk(min(count, len(z))).values.sum() / sizes.sum())


def _exact_fit(problem: ScaledProblem, z: Tensor, tolerance: float, log: SearchLog, *, thorough: bool) -> Fit | None:
    """Return an exact fit whose columns do not explain any measurements, or None.

    If they do, half as many columns are tried from then on.
    """
    for strictly in (False, True) if thorough else (False,):
        while True:
            fit = exact_fit(replace(problem, most=log.most), z, tolerance=tolerance, thorough=strictly)
            log.products += fit.products
            if _relative(problem, fit.misfit) > tolerance:
                break
            is_uninformative, products = explains_anything(problem, fit.support)
            log.products += products
            if not is_uninformative:
                return fit
            log.most = len(fit.support) // 2
            if log.most == 0:
                return None
    return None


def _relative(problem: ScaledProblem, misfit: Tensor) -> float:
    return float((problem.fitted * misfit).norm() / (problem.fitted * problem.y).norm())


def _held_misfit(problem: ScaledProblem, point: NetworkPoint) -> float:
    return float(((1 - problem.fitted) * point.misfit).norm())
