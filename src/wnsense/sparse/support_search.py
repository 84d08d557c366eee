"""The search for a sparse answer: weight-normalized descent at smaller and smaller ratios, and fits that end it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor

from wnsense.sparse.potential import Memory, Place, Potential, descend
from wnsense.sparse.support import Fit, Scaled, exact_fit, explains_anything

# The l1 excess that the bound allows, in parts of the least l1 norm, from the first ratio to the last. What is seen is
# some hundred times smaller, and large ratios are walked in fewer steps.
RATIOS = (0.3, 0.03)
# Where noise is looked for, larger ones before them: their answers hold less of it, and rows held out choose among all.
NOISE_RATIOS = (3.0, 1.0, 0.3, 0.1, 0.03)
# r_0^2 in parts of a lower bound on the l1 norm of the answer: well below it, as the bound wants.
_START = 0.1
# Steps after which a fit is tried first; then each time after twice as many.
_FIRST_FIT = 8
# A ratio is done with at this misfit: what is left to gain is found by a fit or at the next ratio.
_DONE = 1e-3
_LAST_DONE = 1e-4
_NEARLY = 1e-2
# Without a gain on rows held out for so many steps, or half of those taken, noise is what is being fitted.
_PATIENCE = 20
_GAIN = 0.99
# More rounds of weights change nothing (Candes, Wakin and Boyd, 2008, took as many).
_WEIGHTINGS = 5
_WEIGHTED_EXCESS = 0.3
# Weights are given up where as little of the answer's l1 norm as this is left beyond half as many entries as there are
# rows, which the next weights would not move; or where nearly as much of it is left as before.
_SETTLED, _IDLE = 1e-3, 0.95

Tell = Callable[[str, int, float], None]


@dataclass
class Ledger:
    """What is kept while a search goes on, so that an interrupted one has something to show.

    Attributes:
        tell: Told what is being done, of the products so far and of the relative misfit.
        words: What is being done.
        products: Products with A and A^T so far.
        steps: Weight-normalized steps so far.
        ratio: The last learning-rate ratio, in scaled units.
        z: The last answer, in scaled units; None at first.
        dual: The dual vector that goes with it.
        most: As many columns or more were found to explain anything; None at first.
    """

    tell: Tell
    words: str = ""
    products: float = 0.0
    steps: int = 0
    ratio: float = math.nan
    z: Tensor | None = None
    dual: Tensor | None = None
    most: int | None = None

    def keep(self, place: Place, problem: Scaled) -> None:
        """Keep a step."""
        self.steps += 1
        self.products += 2
        self.z, self.dual = place.z, place.dual
        fitted = float((problem.fitted * place.misfit).norm())
        self.tell(self.words, round(self.products), fitted / float((problem.fitted * problem.y).norm()))


@dataclass(frozen=True)
class Search:
    """How a search is made.

    Attributes:
        tolerance: The relative misfit at which a fit is exact.
        steps: At most so many for each ratio.
        watch: Whether rows are held out, and a ratio is left when they are predicted no better.
        ratios: The l1 excesses that the bound allows, one after the other.
        fits: Whether fits are tried.
    """

    tolerance: float
    steps: int
    watch: bool
    ratios: tuple[float, ...] = RATIOS
    fits: bool = True


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        exact: A fit that explains the fitted rows to the tolerance; None where there was none.
        places: Where each ratio was left: with rows held out, at the place that predicted them best.
    """

    exact: Fit | None
    places: tuple[Place, ...] = field(default=())


def first_bound(problem: Scaled) -> float:
    """A lower bound on the l1 norm of any scaled answer, <y, y> / ||A^T y||_inf."""
    y = problem.fitted * problem.y
    largest = float((problem.A.transpose_times(y) * problem.scale).abs().max())
    return float(y @ y) / largest if largest > 0 else 0.0


def search(problem: Scaled, plan: Search, ledger: Ledger) -> Found:
    """Descend at one ratio after the other, trying fits on the way, until one is exact or the ratios are used up.

    The ratio is eta = excess Q / log(2N), with the best lower bound Q on the l1 norm that the network's own dual vector
    has given so far: no knowledge of the limit's radius is needed, and it guarantees the excess (see `potential`).

    Args:
        problem: What is fitted.
        plan: How.
        ledger: Where the work is written down.
    """
    bound = first_bound(problem)
    ledger.products += 1
    potential = place = None
    memory, next_fit = Memory(), ledger.steps + _FIRST_FIT
    places: list[Place] = []
    for excess in plan.ratios:
        after = _potential(problem, excess * bound, _START * bound if potential is None else potential.start)
        # The dual vector of the next limit is about this multiple of the last one's.
        factor = 1.0 if potential is None else potential.ratio / after.ratio
        place = _moved(problem, place, after, factor)
        memory, potential = memory.rescaled(factor), after
        ledger.products += 1
        ledger.ratio = potential.ratio
        best, best_step, held = place, 0, _held_misfit(problem, place)
        for step, (at, known) in enumerate(descend(potential, place, memory), 1):
            place, memory = at, known
            ledger.keep(place, problem)
            bound = max(bound, place.bound(problem.y))
            now = _held_misfit(problem, place)
            if now < _GAIN * held:
                best, best_step, held = place, step, now
            misfit = _relative(problem, place.misfit)
            done = misfit < (_LAST_DONE if excess == plan.ratios[-1] else _DONE)
            idle = plan.watch and step - best_step > max(_PATIENCE, step // 2)
            ended = done or idle or step >= plan.steps or not math.isfinite(misfit)
            if plan.fits and (ended or ledger.steps >= next_fit):
                next_fit = max(next_fit, 2 * ledger.steps)
                exact = _tried(problem, place.z, plan.tolerance, ledger, thorough=ended and misfit < _NEARLY)
                if exact is not None:
                    return Found(exact, (*places, place))
            if ended:
                break
        # What fits noise is taken back.
        place, memory = (best, Memory()) if plan.watch else (place, memory)
        places.append(place)
    return Found(None, tuple(places))


def _potential(problem: Scaled, excess: float, start: float) -> Potential:
    ratio = excess / math.log(2 * problem.A.shape[1])
    return Potential(problem.A, problem.y, problem.fitted, problem.scale, ratio, start)


def _moved(problem: Scaled, place: Place | None, potential: Potential, factor: float) -> Place:
    if place is None:
        M, N = problem.A.shape
        return potential.at(problem.y.new_zeros(M), problem.y.new_zeros(N))
    return potential.at(place.dual * factor, place.logits * factor)


def search_weighted(problem: Scaled, z: Tensor, plan: Search, ledger: Ledger) -> Found:
    """The same with columns that count by the last answer's size: l1 with weights, which can find what l1 does not.

    Each round scales column n by |z_n| + c of the answer before (Candes, Wakin and Boyd, 2008): in the scaled units the
    network is the same, in the user's it minimizes sum |z_n| / (|z_n| + c).

    Args:
        problem: What is fitted.
        z: An answer in scaled units.
        plan: How.
        ledger: Where the work is written down.
    """
    M, N = problem.A.shape
    most = max(1, min(N, int(M / (4 * max(math.log(N / M), 0.5)))))
    found = Found(None)
    spread = math.inf
    for _ in range(_WEIGHTINGS):
        floor = max(float(z.abs().topk(most).values[-1]), 1e-3 * float(z.abs().max()))
        weight = (z.abs() + floor) / (z.abs().max() + floor)
        weighted = replace(problem, scale=problem.scale * weight)
        found = search(weighted, replace(plan, ratios=(1.0, _WEIGHTED_EXCESS)), ledger)
        if found.exact is not None:
            exact = found.exact
            return Found(replace(exact, values=exact.values * weight[exact.support]), found.places)
        z = found.places[-1].z * weight
        before, spread = spread, _spread(z, M // 2)
        if spread < _SETTLED or spread > _IDLE * before:
            break
    ledger.z = z
    return found


def _spread(z: Tensor, count: int) -> float:
    """The share of the l1 norm that is not in the largest entries."""
    sizes = z.abs()
    return 1 - float(sizes.topk(min(count, len(z))).values.sum() / sizes.sum())


def _tried(problem: Scaled, z: Tensor, tolerance: float, ledger: Ledger, *, thorough: bool) -> Fit | None:
    """An exact fit that says something. Where one says nothing, half as many columns are tried from then on."""
    for strictly in (False, True) if thorough else (False,):
        while True:
            fit = exact_fit(replace(problem, most=ledger.most), z, tolerance=tolerance, thorough=strictly)
            ledger.products += fit.products
            if _relative(problem, fit.misfit) > tolerance:
                break
            says_nothing, products = explains_anything(problem, fit.support)
            ledger.products += products
            if not says_nothing:
                return fit
            ledger.most = len(fit.support) // 2
            if ledger.most == 0:
                return None
    return None


def _relative(problem: Scaled, misfit: Tensor) -> float:
    return float((problem.fitted * misfit).norm() / (problem.fitted * problem.y).norm())


def _held_misfit(problem: Scaled, place: Place) -> float:
    return float(((1 - problem.fitted) * place.misfit).norm())
