"""Search for the rank, by fits that start from each other and are compared on held-out measurements."""

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
# Steps within which a thorough fit must improve.
_THOROUGH = 15
# Standard errors by which held-out rows must prefer a larger rank for it to be reported.
_SURE = 2.0
# `d` useless degrees of freedom raise the squared held-out error of a fit to `n` rows by `d / n` of it. Useful ones
# must lower it by half as much.
_WORTH = 0.5
# Deviations by which a direction must explain more of the fitted rows than a direction of noise would.
_TOLD_BY_FIT = 2.0
# The residual can confirm a fit under two conditions. The next larger rank has at most this share of degrees of freedom
# in the rows. The held-out residual is at most this factor above what noise alone would give.
_SPARE_SHARE = 0.25
_ALIKE = 1.5
# Below this residual, fits of the right rank contract at once; above it there is a tail of the spectrum or noise.
_LITTLE = 0.1
# A fit within this factor of the residual of known noise is continued before it is judged.
_CLOSE = 1.5
# Singular values of an exact fit below this share of the largest are tested: several low-rank matrices may fit exactly,
# and the one of least rank is reported.
_DOUBTED = 1e-3


@dataclass
class RankSearch:
    """Fits of one rank each, and the search among ranks.

    There are three kinds of fits, which differ in when they end. `quick` fits must contract at once, as fits to an
    exact answer do. `steady` fits must improve on held-out rows, for noise or a tail of the spectrum. `thorough` fits
    go on while they improve at all, for few measurements where nothing else worked.

    Attributes:
        session: Session that makes the runs and counts their cost.
        objective: Objective of the fitted rows.
        tolerance: Relative residual that counts as exact.
        rows: Number of fitted rows.
        seed: Seed of the directions by which a fit grows.
        fits: Best fit of each rank.
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

        If a noise level is given, their residual is compared with it. It must then be the residual of plain least
        squares, with the trace direction at its full weight.
        """
        has_noise_level = bool(self.objective.problem.noise_level)
        return plain_least_squares(self.objective) if has_noise_level else self.objective

    def swift(self, first: Evaluation, guess: int, bound: int) -> int:
        """Return the rank of the best fit: quick fits where the residual is small, steady ones otherwise."""
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
        """Return the rank of the best fit as the rank grows from 1; each fit ends before a direction is added.

        The smaller the residual of a fit, the more precisely it gives the next direction. Surplus directions of an
        early stage can end in the null space of the measurements, and fits that are truncated from there stay in it.
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
        """Return the rank of an exact fit without the directions that are as small as its residual."""
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
        """Fit while the residual contracts as fast as that of an exact answer of this rank."""
        self._run(self.refitted, rank, point, Stop(stagnation=self._patience(rank), gain=0.5))
        self._settle(rank)

    def steady(self, rank: int, point: LowRank) -> None:
        """Fit while the residual on held-out rows decreases; beyond that, noise would be fitted."""
        self._run(self.objective, rank, point, Stop(stagnation=6, gain=1e-2))
        self._settle(rank)

    def thorough(self, rank: int, point: LowRank) -> None:
        """Fit while there is any improvement."""
        self._run(self.refitted, rank, point, Stop(stagnation=_THOROUGH, gain=0.05))

    def _patience(self, rank: int) -> int:
        """Return the steps of stagnation after which a quick fit ends.

        They are twice the steps in which conjugate gradients halve the residual by the law of Marchenko and Pastur,
        plus two. For rank-one measurements it is twice as many, since their restricted singular values spread more.
        """
        spread = min(self.objective.problem.operator.degrees_of_freedom(rank) / self.rows, 0.8) ** 0.5
        slack = 2 if self.objective.calibration.trace_direction is None else 4
        return slack + math.ceil(slack * math.log(2) / -math.log(spread))

    def _settle(self, rank: int) -> None:
        """Continue a fit that ended a little above the residual of the known noise."""
        if self.objective.fitted is None and self.objective.problem.noise_level:
            allowance = self.noise_allowance(rank)
            if allowance < self.residual(self.fits[rank]) <= _CLOSE * allowance:
                self.thorough(rank, self.fits[rank].point)

    def _run(self, objective: SensingObjective, rank: int, point: LowRank, stop: Stop) -> None:
        # Where the trace direction is shrunk, the plain residual oscillates; the minimized one is monitored instead.
        watch = objective.calibration.trace_direction is None
        limits = replace(stop, residual=self.tolerance / 10, max_steps=_REFIT_STEPS, watch_holdout=watch)
        at = self.session.run(objective, ConjugateWN(probes=PROBES), resized(point, rank), limits, f"rank {rank}")
        self._keep(rank, at)

    def _keep(self, rank: int, at: Evaluation) -> None:
        previous = self.fits.get(rank)
        if previous is None or self.monitored(at) < self.monitored(previous):
            self.fits[rank] = at

    # -- the walk -----------------------------------------------------------------------------------------------------

    def _walk(self, guess: int, bound: int, fit: Callable[[int, LowRank], None]) -> int:
        best = self._climb(guess, bound, fit)
        # Descend also after a climb, since its last step may have been long.
        low = self._descend(best, fit)
        if low != best:
            # A long step down may have passed over the rank next to it.
            best = self._climb(low, bound, fit)
        if self.is_exact(best):
            return best
        return self._standing_out(best)

    def _standing_out(self, best: int) -> int:
        """Return the least rank that is as good as the best by the stricter score."""
        return next(rank for rank in sorted(self.fits) if rank == best or not self.is_better(rank, best, _SURE))

    def _climb(self, best: int, bound: int, fit: Callable[[int, LowRank], None]) -> int:
        step, misses = finest(best), 0
        while best < bound and not self._is_explained(best):
            step = min(step, bound - best)
            rank = best + step
            if rank not in self.fits or self.residual(self.fits[rank]) > self.residual(self.fits[best]):
                # A residual above that of a smaller rank shows a fit that failed.
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
            # Small ranks descend to half at most, so that a long step does not skip the rank that fits.
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
        """Return the fit of a rank with its residual measured again; runs update theirs with a small error."""
        at = self.fits[rank]
        residual = self.objective.residual(at.point)
        self.session.applications += 1
        self.fits[rank] = replace(at, residual=residual, balanced=self.objective.calibration.balance(residual))
        return self.fits[rank]

    # -- comparisons --------------------------------------------------------------------------------------------------

    def residual(self, at: Evaluation) -> float:
        """Return the relative residual on the fitted rows."""
        return float(self.objective.relative_residual(at.residual))

    def held(self, at: Evaluation) -> float | None:
        """Return the relative residual on the held-out rows, or None if there are none."""
        held = self.objective.holdout_residual(at.residual)
        return None if held is None else float(held)

    def monitored(self, at: Evaluation) -> float:
        """Return the relative residual by which ranks are compared: on held-out rows if there are some."""
        held = self.held(at)
        return self.residual(at) if held is None else held

    def is_exact(self, rank: int) -> bool:
        """Return True if the fit of a rank is within the tolerance, also on held-out rows."""
        at = self.fits[rank]
        return max(self.residual(at), self.held(at) or 0.0) <= self.tolerance

    def _is_explained(self, rank: int) -> bool:
        """Return True if the fit of a rank is exact or leaves no more than the known noise."""
        compares_noise = self.objective.fitted is None and bool(self.objective.problem.noise_level)
        return self.is_exact(rank) or (compares_noise and self.residual(self.fits[rank]) <= self.noise_allowance(rank))

    def is_better(self, rank: int, larger: int, score: float = 1.0) -> bool:
        """Return True if the larger rank is worth its extra degrees of freedom.

        The held-out residual must decrease by `score` standard errors, or the fitted residual by more than a fit of
        noise would give. A few held-out rows are inconclusive: unless they contradict, the fitted rows decide.
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
        """Return True if the residual of a fit looks like noise, so that no exact answer is searched for.

        There must be rows to spare, the held-out residual must agree with the fitted one by degrees of freedom, and no
        missed direction may exceed the noise level. A wrong fit explains the fitted rows better than others.
        """
        at, operator = self.fits[rank], self.objective.problem.operator
        held, following = self.held(at), min(rank + 1, *operator.shape)
        if held is None or operator.degrees_of_freedom(following) > _SPARE_SHARE * self.rows:
            return False
        share = operator.degrees_of_freedom(rank) / self.rows
        alike = held <= _ALIKE * self.residual(at) / (1 - share)
        return alike and outstanding(self.objective, at, self.rows) == 0

    def noise_allowance(self, rank: int) -> float:
        """Return the relative residual that known noise leaves to a fit of this rank, plus three deviations."""
        left = max(self.rows - self.objective.problem.operator.degrees_of_freedom(rank), 1)
        noise = self.objective.problem.noise_level or 0.0
        return noise * math.sqrt(left / self.rows) * (1 + 3 / math.sqrt(2 * left))


def finest(rank: int) -> int:
    """Return the smallest step between ranks that is fitted: an eighth, since minima are flat at large ranks."""
    return max(1, rank // 8)


def plain_least_squares(objective: SensingObjective) -> SensingObjective:
    """Return the objective with the trace direction at its full weight.

    For conjugate gradients this adds a single large eigenvalue.
    """
    given = replace(objective.calibration, trace_direction=None, trace_factor=1.0)
    return replace(objective, given=given)
