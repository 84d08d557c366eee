"""From what was found to what may be said."""

import math
from dataclasses import dataclass

from wnsense.recovery.evidence.hold_out import Evidence
from wnsense.running.status import Status

# A rank correlation this many deviations from none has a chance of about 3e-6 (one-sided).
SIGNIFICANT_SCORE = 4.5
# A rank can be judged when its degrees of freedom are at most half the rows fitted; or more of them, when there are
# so many rows that a single direction with 0.4 of what is left unexplained would stand out of the echo of the rest.
_JUDGED_SHARE = 0.5
_JUDGED_SHARE_IF_VISIBLE = 0.8
VISIBLE_LEVEL = 0.4
# Nobody can say that no matrix of low rank fits unless ranks up to this one could be judged.
SMALL_RANK = 4
# Pure noise lets a fit of d degrees of freedom explain up to about 2 d / n of it, since the fit chooses its directions:
# with f = d / n it leaves at least (1 - f) exp(-1.5 f), 1 - 2.5 f where f is small.
_CHANCE_EXPONENT = 1.5


@dataclass(frozen=True)
class Findings:
    """What a recovery found out at the rank it chose.

    Attributes:
        exact: Whether the residuals, fitted and held out, are within the tolerance.
        residual: The relative residual on the rows fitted.
        evidence: What the rows held out say; None where none were.
        noise_level: The known noise level; None where it is not known.
        allowance: The relative residual that such noise leaves at most.
        freedom: Degrees of freedom of the rank chosen.
        next_freedom: Those of the next rank, which must have been given its chance.
        small_freedom: Those of rank `SMALL_RANK`.
        fitted: The number of rows fitted.
        back_projection_level: The spectral norm to which a unit residual back-projects (`back_projection_level`).
        excluded: Whether the user's max_rank shut out a better fit.
    """

    exact: bool
    residual: float
    evidence: Evidence | None
    noise_level: float | None
    allowance: float
    freedom: int
    next_freedom: int
    small_freedom: int
    fitted: int
    back_projection_level: float
    excluded: bool


def judged_share(level: float) -> float:
    """The share of the rows fitted that a rank's degrees of freedom may reach for the rank to be judged."""
    return _JUDGED_SHARE_IF_VISIBLE if level <= VISIBLE_LEVEL else _JUDGED_SHARE


def verdict(found: Findings) -> Status:
    """The status that the findings allow.

    CONVERGED needs an exact fit, of held-out rows too, by fewer degrees of freedom than rows. REACHED_NOISE_FLOOR needs
    held-out rows predicted far better than by chance (or a residual that the known noise explains, and that chance
    does not), and enough rows for the rank to be told; without a known level, for the next larger one to have had its
    chance.
    """
    if found.exact:
        return Status.CONVERGED if found.freedom < found.fitted else Status.TOO_FEW_MEASUREMENTS
    if found.excluded:
        return Status.NO_LOW_RANK_FIT
    if found.evidence is None and found.noise_level is None:
        return Status.STAGNATED if found.freedom < found.fitted else Status.TOO_FEW_MEASUREMENTS
    judged = judged_share(found.back_projection_level) * found.fitted
    if found.evidence is not None:
        predicts = found.evidence.explained > 0 and found.evidence.score > SIGNIFICANT_SCORE
        needed = found.next_freedom
    else:
        predicts = found.residual <= found.allowance and found.residual**2 < left_by_chance(found.freedom, found.fitted)
        # The level itself says that the next rank has nothing left to find.
        needed = found.freedom
    if predicts:
        return Status.REACHED_NOISE_FLOOR if needed <= judged else Status.TOO_FEW_MEASUREMENTS
    return Status.NO_LOW_RANK_FIT if found.small_freedom <= judged else Status.TOO_FEW_MEASUREMENTS


def left_by_chance(freedom: int, rows: int, deviations: float = 5.0) -> float:
    """The part of the squared norm of noise that a fit of so many degrees of freedom leaves, less some deviations.

    The fit chooses its directions, and so explains more than its share d / n.
    """
    share = freedom / rows if rows > freedom else 1.0
    left = (1 - share) * math.exp(-_CHANCE_EXPONENT * share)
    return left * max(1 - deviations / math.sqrt(max(rows, 1)), 0.0)
