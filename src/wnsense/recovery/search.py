"""The rank that held-out measurements choose, found by refits that warm-start each other."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

from wnsense.recovery.evidence.hold_out import improvement_score
from wnsense.recovery.evidence.spectral_rank import outstanding, residual_directions, significant_rank
from wnsense.recovery.evidence.verdict import left_by_chance
from wnsense.recovery.rank_adaptation import PROBES
from wnsense.recovery.session import Session, resized
from wnsense.running.stop import Stop
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import Evaluation, SensingObjective

_REFIT_STEPS = 1000
# Steps within which a thorough fit must gain something.
_THOROUGH = 15
# A larger rank is reported when held-out rows prefer it by this many standard errors.
_SURE = 2.0
# d useless degrees of freedom cost a fit to n rows d / n of its squared held-out error; useful ones must gain half
# as much.
_WORTH = 0.5
# Deviations by which a direction must explain more of the rows fitted than one of noise would.
_TOLD_BY_FIT = 2.0
# Of the rows, what the next larger rank may use up at most for a fit to be told from a wrong one by what it leaves, and
# by how much more it may miss rows held out than noise alone would have it.
_SPARE_SHARE = 0.25
_ALIKE = 1.5
# Below this residual fits contract at once, if the rank is right; above it there is a tail or noise.
_LITTLE = 0.1
# A fit so close to what noise of the known level leaves is worth going on with before it is judged.
_CLOSE = 1.5
# Of an exact fit, singular values below this part of the largest are doubted: measurements that hardly tell low-rank
# matrices apart let several fit them exactly, and the one of least rank is the one to name.
_DOUBTED = 1e-3


@dataclass
class RankSearch:
    """Fits of one rank each, and the walk between them.

    Three ways to fit, by when they end: `quick` ones must contract at once, as those to an exact answer do; `steady`
    ones must help rows held out, where noise or a tail of the spectrum leaves nothing to contract to; `thorough` ones
    go on as long as anything moves, for when there are few measurements and no other way was found.

    Attributes:
        session: What pays for the runs.
        objective: What is fitted.
        tolerance: The relative residual that counts as exact.
        rows: The number of rows fitted.
        seed: Of the directions by which a fit grows.
        fits: The best fit of each rank.
    """

    session: Session
    objective: SensingObjective
    tolerance: float
    rows: int
    seed: int
    fits: dict[int, Evaluation] = field(default_factory=dict)

    @cached_property
    def refitted(self) -> SensingObjective:
        """The objective of quick and thorough fits.

        Their residual is compared with a noise level where that is given, and must then be the residual of plain
        least squares: the trace direction has its full weight.
        """
        has_noise_level = bool(self.objective.problem.noise_level)
        return plain_least_squares(self.objective) if has_noise_level else self.objective

    def swift(self, first: Evaluation, guess: int, bound: int) -> int:
        """The rank of the best fit: quick fits where little is left to explain, steady ones otherwise."""
        if first.point.width == guess and self.refitted is self.objective:
            self._keep(guess, first)
        if guess not in self.fits or not self.is_exact(guess):
            self.quick(guess, first.point)
        if self.is_exact(guess):
            return guess
        little_left = self.monitored(self.fits[guess]) < _LITTLE
        best = self._walk(guess, bound, self.quick if little_left else self.steady)
        if not little_left and self.monitored(self.fits[best]) < _LITTLE:
            self.quick(best, self.fits[best].point)
        return best

    def from_below(self, bound: int) -> int:
        """The rank of the best fit when rank grows from 1, each fit led to its end before the next direction is added.

        What is left of a fit points to the next direction the more clearly the less is left. Surplus directions, added
        before anything is known, can settle where nothing is measured, and fits truncated from there stay there.
        """
        swift, self.fits = self.fits, {}
        first, cost = residual_directions(self.objective, -self.objective.target, 1, seed=self.seed)
        self.session.applications += cost
        self.thorough(1, first)
        rank = best = 1
        missed = False
        while rank < bound and not self._is_explained(rank):
            step = min(finest(rank), bound - rank)
            rank += step
            self.thorough(rank, self._grown(rank - step, step))
            if self.is_better(best, rank):
                best, missed = rank, False
            elif missed:
                break
            else:
                # One direction more may only help together with the next.
                missed = True
        if self.is_exact(rank):
            return rank
        for other, at in swift.items():
            self._keep(other, at)
        best = min(self.fits, key=lambda fitted: self.monitored(self.fits[fitted]))
        for larger in sorted(self.fits):
            if larger > best and self.is_better(best, larger):
                best = larger
        return self._standing_out(best)

    def without_idle(self, rank: int) -> int:
        """The rank that is left of an exact fit once the directions that its residual could have made are dropped."""
        if not self.is_exact(rank):
            return rank
        at = self.fits[rank]
        level = 100 * max(self.residual(at), self.held(at) or 0.0, 1e-14)
        left = min(rank, significant_rank(at.point, level))
        if left not in self.fits or not self.is_exact(left):
            self.quick(left, at.point)
        strong = min(left, significant_rank(at.point, _DOUBTED))
        if strong < left and strong not in self.fits:
            self.quick(strong, at.point)
        return strong if strong in self.fits and self.is_exact(strong) else left

    # -- three ways to fit --------------------------------------------------------------------------------------------

    def quick(self, rank: int, point: LowRank) -> None:
        """Steps for as long as they contract as those to an exact answer of this rank do."""
        self._run(self.refitted, rank, point, Stop(stagnation=self._patience(rank), gain=0.5))
        self._settle(rank)

    def steady(self, rank: int, point: LowRank) -> None:
        """Steps for as long as they help rows held out; fitting on would be fitting noise."""
        self._run(self.objective, rank, point, Stop(stagnation=6, gain=1e-2))
        self._settle(rank)

    def thorough(self, rank: int, point: LowRank) -> None:
        """Steps for as long as they help at all."""
        self._run(self.refitted, rank, point, Stop(stagnation=_THOROUGH, gain=0.05))

    def _patience(self, rank: int) -> int:
        """Twice the steps in which conjugate gradients halve the residual after Marchenko and Pastur, and two more.

        Rank-one measurements feel directions far less evenly than that law has it: twice as many.
        """
        spread = min(self.objective.problem.operator.degrees_of_freedom(rank) / self.rows, 0.8) ** 0.5
        slack = 2 if self.objective.calibration.trace_direction is None else 4
        return slack + math.ceil(slack * math.log(2) / -math.log(spread))

    def _settle(self, rank: int) -> None:
        """Go on where a fit ended a little above the floor that a known noise level is compared with."""
        if self.objective.fitted is None and self.objective.problem.noise_level:
            allowance = self.noise_allowance(rank)
            if allowance < self.residual(self.fits[rank]) <= _CLOSE * allowance:
                self.thorough(rank, self.fits[rank].point)

    def _run(self, objective: SensingObjective, rank: int, point: LowRank, stop: Stop) -> None:
        # Where the trace direction is shrunk, the plain residual swings by as much: what is minimized tells better.
        watch = objective.calibration.trace_direction is None
        limits = replace(stop, residual=self.tolerance / 10, max_steps=_REFIT_STEPS, watch_holdout=watch)
        at = self.session.run(objective, ConjugateWN(probes=PROBES), resized(point, rank), limits, f"rank {rank}")
        self._keep(rank, at)

    def _keep(self, rank: int, at: Evaluation) -> None:
        known = self.fits.get(rank)
        if known is None or self.monitored(at) < self.monitored(known):
            self.fits[rank] = at

    # -- the walk -----------------------------------------------------------------------------------------------------

    def _walk(self, guess: int, bound: int, fit: Callable[[int, LowRank], None]) -> int:
        best = self._climb(guess, bound, fit)
        # Also after a climb, whose last step may have been a long one.
        low = self._descend(best, fit)
        if low != best:
            # A long step down may have passed over the rank next to it.
            best = self._climb(low, bound, fit)
        if self.is_exact(best):
            return best
        return self._standing_out(best)

    def _standing_out(self, best: int) -> int:
        """The least rank that is as good: the way up follows hints, the rank that is reported must stand out."""
        return next(rank for rank in sorted(self.fits) if rank == best or not self.is_better(rank, best, _SURE))

    def _climb(self, best: int, bound: int, fit: Callable[[int, LowRank], None]) -> int:
        step, misses = finest(best), 0
        while best < bound and not self._is_explained(best):
            step = min(step, bound - best)
            rank = best + step
            if rank not in self.fits or self.residual(self.fits[rank]) > self.residual(self.fits[best]):
                # A fit that leaves more than one of smaller rank went astray.
                fit(rank, self._grown(best, step))
            if self.is_better(best, rank):
                best, step, misses = rank, step * 2, 0
            elif step > finest(best):
                step = max(step // 2, finest(best))
            elif finest(best) == 1 and misses == 0:
                # One direction more may only help together with the next.
                step, misses = 2, 1
            else:
                break
        return best

    def _descend(self, best: int, fit: Callable[[int, LowRank], None]) -> int:
        step = finest(best)
        while best > 1 and not self.is_exact(best):
            # Small ranks no further than to half: one that a long step passes over may be the one that fits.
            furthest = max(best // 2, 1) if finest(best) == 1 else best - 1
            rank = best - min(step, furthest)
            if rank not in self.fits:
                fit(rank, self.fits[best].point.truncate(rank))
            if not self.is_better(rank, best):
                best, step = rank, step * 2
            elif step > finest(best):
                step = max(step // 2, finest(best))
            else:
                break
        return best

    def _grown(self, rank: int, step: int) -> LowRank:
        at = self.fits[rank]
        if at.beyond is not None and at.beyond.width >= step:
            return at.point.plus(at.beyond.positive_part() if self.objective.kind is Kind.PSD else at.beyond)
        added, cost = residual_directions(self.objective, at.residual, step, seed=self.seed + rank + step)
        self.session.applications += cost
        return at.point.plus(added)

    def measured(self, rank: int) -> Evaluation:
        """The fit of a rank with its residual measured at its very point: runs carry theirs along to within a part."""
        at = self.fits[rank]
        residual = self.objective.residual(at.point)
        self.session.applications += 1
        self.fits[rank] = replace(at, residual=residual, balanced=self.objective.calibration.balance(residual))
        return self.fits[rank]

    # -- comparisons --------------------------------------------------------------------------------------------------

    def residual(self, at: Evaluation) -> float:
        """The relative residual on the rows fitted."""
        return float(self.objective.relative_residual(at.residual))

    def held(self, at: Evaluation) -> float | None:
        """The relative residual on the rows held out; None without them."""
        held = self.objective.holdout_residual(at.residual)
        return None if held is None else float(held)

    def monitored(self, at: Evaluation) -> float:
        """The relative residual that tells ranks apart: held out where there is such."""
        held = self.held(at)
        return self.residual(at) if held is None else held

    def is_exact(self, rank: int) -> bool:
        """Whether the fit of a rank is within the tolerance, on rows held out too."""
        at = self.fits[rank]
        return max(self.residual(at), self.held(at) or 0.0) <= self.tolerance

    def _is_explained(self, rank: int) -> bool:
        """Whether nothing is left for a larger rank: the fit is exact, or leaves what the known noise must leave."""
        known = self.objective.fitted is None and bool(self.objective.problem.noise_level)
        return self.is_exact(rank) or (known and self.residual(self.fits[rank]) <= self.noise_allowance(rank))

    def is_better(self, rank: int, larger: int, score: float = 1.0) -> bool:
        """Whether the larger rank is worth its extra degrees of freedom.

        Rows held out must say so by so many standard errors; or they must agree, where it explains of the rows fitted
        what no fit of noise would. Few rows held out say little either way: where they do not object, what is explained
        of the rows fitted decides.
        """
        small, large = self.fits[rank], self.fits[larger]
        operator = self.objective.problem.operator
        extra = operator.degrees_of_freedom(larger) - operator.degrees_of_freedom(rank)
        left = (self.residual(large) / self.residual(small)) ** 2
        if self.objective.fitted is not None:
            gain = 1 - (self.monitored(large) / self.monitored(small)) ** 2
            surely = improvement_score(self.objective, small, large)
            spare = self.rows - operator.degrees_of_freedom(rank)
            if left < left_by_chance(extra, spare, deviations=_TOLD_BY_FIT) and surely > -1:
                return True
            certain = surely > score or left < left_by_chance(extra, spare)
            return gain > _WORTH * extra / self.rows and certain
        if self.objective.problem.noise_level:
            return self.residual(small) > self.noise_allowance(rank) and left < 1
        return left < 0.81

    def leaves_noise(self, rank: int) -> bool:
        """Whether what a fit leaves is so much like noise that no exact answer need be looked for behind it.

        There are rows to spare, those held out are missed by no more than those fitted, up to what fitting takes from
        these, and no direction stands out. A fit at a wrong place explains its own rows better than others.
        """
        at, operator = self.fits[rank], self.objective.problem.operator
        held, following = self.held(at), min(rank + 1, *operator.shape)
        if held is None or operator.degrees_of_freedom(following) > _SPARE_SHARE * self.rows:
            return False
        share = operator.degrees_of_freedom(rank) / self.rows
        alike = held <= _ALIKE * self.residual(at) / (1 - share)
        return alike and outstanding(self.objective, at, self.rows) == 0

    def noise_allowance(self, rank: int) -> float:
        """The relative residual that noise of the known level leaves to a fit of this rank, with three deviations."""
        left = max(self.rows - self.objective.problem.operator.degrees_of_freedom(rank), 1)
        noise = self.objective.problem.noise_level or 0.0
        return noise * math.sqrt(left / self.rows) * (1 + 3 / math.sqrt(2 * left))


def finest(rank: int) -> int:
    """The smallest step between ranks that is worth a fit: an eighth, since minima are flat where ranks are large."""
    return max(1, rank // 8)


def plain_least_squares(objective: SensingObjective) -> SensingObjective:
    """The same with the trace direction at the weight that the measurements give it: plain least squares.

    It gives conjugate gradients one large eigenvalue to deal with, no more.
    """
    given = replace(objective.calibration, trace_direction=None, trace_factor=1.0)
    return replace(objective, given=given)
