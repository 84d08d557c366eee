"""Fit of one rank to the fitted rows, with its residuals and its comparison to other fits."""

import math
from dataclasses import dataclass

from wnsense.recovery.evidence.hold_out import improvement_score
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.evidence.verdict import left_by_chance
from wnsense.solvers.objective import Evaluation, SensingObjective

# A given noise level is reached within this many deviations.
_NOISE_DEVIATIONS = 3.0


@dataclass(frozen=True)
class RankFit:
    """Fit of one rank.

    Attributes:
        objective: Objective of the fitted rows.
        at: Evaluation of the point.
        rows: Number of fitted rows `n`.
    """

    objective: SensingObjective
    at: Evaluation
    rows: int

    @property
    def rank(self) -> int:
        """Rank of the fit."""
        return self.at.point.width

    @property
    def freedom(self) -> int:
        """Degrees of freedom `d` of the rank."""
        return self.objective.problem.operator.degrees_of_freedom(self.rank)

    @property
    def next_freedom(self) -> int:
        """Degrees of freedom of the next rank."""
        operator = self.objective.problem.operator
        return operator.degrees_of_freedom(min(self.rank + 1, *operator.shape))

    @property
    def residual(self) -> float:
        """Relative residual on the fitted rows."""
        return float(self.objective.relative_residual(self.at.residual))

    @property
    def held(self) -> float | None:
        """Relative residual on the held-out rows; None if there are none."""
        held = self.objective.holdout_residual(self.at.residual)
        return None if held is None else float(held)

    @property
    def watched(self) -> float:
        """Relative residual by which fits are compared: on held-out rows if there are some."""
        held = self.held
        return self.residual if held is None else held

    @property
    def overfit(self) -> float:
        """Ratio of the held-out to the fitted residual per degree of freedom left, about 1 under noise."""
        left = max(1 - self.freedom / self.rows, 0.0)
        return math.inf if self.residual == 0 else self.watched * left / self.residual

    def is_exact(self, tolerance: float) -> bool:
        """Return True if the residuals, fitted and held out, are within the tolerance."""
        return max(self.residual, self.held or 0.0) <= tolerance

    def noise_allowance(self) -> float:
        """Return the relative residual that noise of the given level leaves, plus three deviations."""
        left = max(self.rows - self.freedom, 1)
        noise = self.objective.problem.noise_level or 0.0
        return noise * math.sqrt(left / self.rows) * (1 + _NOISE_DEVIATIONS / math.sqrt(2 * left))

    @property
    def is_noise(self) -> bool:
        """True if no rows are held out and the residual is that of noise of the given level."""
        has_level = self.objective.fitted is None and bool(self.objective.problem.noise_level)
        return has_level and self.residual <= self.noise_allowance()


def is_better(small: RankFit, large: RankFit, score: float = 1.0) -> bool:
    """Return True if the larger rank is worth its additional degrees of freedom.

    Either the fitted residual falls by more than a fit of noise would give, or the held-out residual falls by `score`
    standard errors. A few held-out rows are inconclusive: unless they contradict, the fitted rows decide.
    """
    if large.rank <= small.rank:
        return large.watched < small.watched
    extra, spare = large.freedom - small.freedom, small.rows - small.freedom
    if small.residual == 0:
        return False
    left = (large.residual / small.residual) ** 2
    if left >= 1:
        # A larger rank that fits worse has not reached its end.
        return False
    by_fit = left < left_by_chance(extra, spare, deviations=THRESHOLDS.deviations)
    if small.objective.fitted is None:
        return by_fit
    surely = improvement_score(small.objective, small.at, large.at)
    if by_fit and surely > -1:
        return True
    gain = 1 - (large.watched / small.watched) ** 2 if small.watched > 0 else 0.0
    return gain > THRESHOLDS.worth * extra / small.rows and surely > score


def exceeds_noise(small: RankFit, large: RankFit) -> bool:
    """Return True if the larger rank explains more of the fitted rows than a fit of noise would, by five deviations."""
    if large.rank <= small.rank or small.residual == 0:
        return False
    left = (large.residual / small.residual) ** 2
    return left < left_by_chance(large.freedom - small.freedom, small.rows - small.freedom)


def squared_ratio(small: RankFit, large: RankFit) -> float:
    """Return the share of the sum of squares of a fit that a fit of a larger rank leaves; 1 if there is nothing."""
    return 1.0 if small.residual == 0 else (large.residual / small.residual) ** 2


def explains_signal(small: RankFit, large: RankFit, surrogate: float | None = None) -> bool:
    """Return True if the larger rank explains more than a fit of noise would, judged by the few rows that both leave.

    The share that a linear fit of normal noise leaves has a beta distribution. The variance of its logarithm is about
    `2 / (n - d2) - 2 / (n - d1)` for `d1` and `d2` degrees of freedom.

    Args:
        small: Fit of a rank.
        large: Fit of a larger rank to the same rows.
        surrogate: Share that the same fits of surrogate noise leave, with this variance too; None for a mean share.
    """
    spare, rest = small.rows - small.freedom, small.rows - large.freedom
    if rest <= 0:
        return False
    chance = left_by_chance(spare - rest, spare, deviations=0.0) if surrogate is None else surrogate
    variance = (2 / rest - 2 / spare) * (1 if surrogate is None else 2)
    return squared_ratio(small, large) < chance * math.exp(-THRESHOLDS.deviations * math.sqrt(variance))


def surpasses_beyond_doubt(small: RankFit, large: RankFit) -> bool:
    """Return True if the larger rank explains more than a fit of noise would, on fitted and on held-out rows."""
    if small.objective.fitted is None or not exceeds_noise(small, large):
        return False
    return improvement_score(small.objective, small.at, large.at) > THRESHOLDS.significance
