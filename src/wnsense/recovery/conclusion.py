"""Conclusion of a recovery: status, fits and evidence, as the stages add to it."""

from dataclasses import dataclass, replace

from wnsense.recovery.determination import Determination
from wnsense.recovery.evidence.hold_out import Evidence
from wnsense.recovery.rank_fit import RankFit
from wnsense.running.status import Status
from wnsense.sensing.low_rank import LowRank


@dataclass(frozen=True)
class Conclusion:
    """Conclusion of a course.

    Attributes:
        status: Verdict.
        fit: Fit that the verdict is on.
        fits: All fits, that of the verdict last.
        evidence: Evidence of the held-out rows; None if there are none.
        excluded: True if the user's max_rank excludes a better fit.
        surpassed: True if a larger rank explains more of the fitted rows than a fit of noise would.
        warnings: Warnings for the user, in words.
        last: Fit to all measurements; None if the verdict's fit is one.
        smooth: Smoothed fit that takes the place of that of one rank, since it predicts better; None if none does.
        determination: Test whether the measurements allow another matrix; None if there was no success to test.
    """

    status: Status
    fit: RankFit
    fits: tuple[RankFit, ...]
    evidence: Evidence | None
    excluded: bool
    surpassed: bool
    warnings: tuple[str, ...]
    last: RankFit | None = None
    smooth: RankFit | None = None
    determination: Determination | None = None

    def limited_by(self, test: Determination) -> "Conclusion":
        """Return the conclusion with the status that a determination allows."""
        return replace(
            self,
            status=test.limited(self.status),
            warnings=(*self.warnings, *test.warnings),
            determination=test,
        )

    @property
    def held(self) -> float | None:
        """Relative residual on held-out rows of the fit without them."""
        return (self.smooth or self.fit).held

    @property
    def matrix(self) -> LowRank:
        """Matrix in the user's units."""
        fit = self.fit if self.last is None else self.last
        return fit.objective.to_user(fit.at.point)
