"""Verdict: the status that the findings of a recovery allow."""

import math
from dataclasses import dataclass

from wnsense.recovery.evidence.hold_out import Evidence
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.running.status import Status

# NO_LOW_RANK_FIT needs that ranks up to this one could be judged.
SMALL_RANK = 4
# A fit of `d` degrees of freedom explains up to about `2 d / n` of pure noise, since it chooses its directions. With
# `f = d / n` it leaves at least `(1 - f) exp(-1.5 f)`, which is `1 - 2.5 f` for small `f`.
_CHANCE_EXPONENT = 1.5


@dataclass(frozen=True)
class Findings:
    """Findings of a recovery at its final rank.

    Attributes:
        exact: True if the residuals, fitted and held out, are within the tolerance.
        residual: Relative residual on the fitted rows.
        evidence: Evidence of the held-out rows; None if there are none.
        overfit: Ratio of the held-out to the fitted residual, after correction for degrees of freedom.
        noise_level: Known noise level; None if it is not known.
        allowance: Largest relative residual that noise of this level leaves.
        freedom: Degrees of freedom of the final rank.
        next_freedom: Degrees of freedom of the next rank, which must have been tried.
        small_freedom: Degrees of freedom of rank `SMALL_RANK`.
        fitted: Number of fitted rows.
        back_projection_level: Noise level of the back-projected residual, for a residual of unit norm.
        excluded: True if the user's max_rank excludes a better fit.
        surpassed: True if a larger rank explains more of the fitted rows than a fit of noise would. The residual is
            then not noise, even if that rank predicts no better.
    """

    exact: bool
    residual: float
    evidence: Evidence | None
    overfit: float
    noise_level: float | None
    allowance: float
    freedom: int
    next_freedom: int
    small_freedom: int
    fitted: int
    back_projection_level: float
    excluded: bool
    surpassed: bool


def judged_share(level: float) -> float:
    """Return the largest share of degrees of freedom in the fitted rows at which a rank can be judged."""
    is_visible = level <= THRESHOLDS.visible_level
    return THRESHOLDS.judged_share_if_visible if is_visible else THRESHOLDS.judged_share


def is_significant(evidence: Evidence) -> bool:
    """Return True if held-out rows are predicted far better than by chance."""
    return evidence.explained > 0 and evidence.score > THRESHOLDS.significance


def verdict(findings: Findings) -> Status:
    """Return the status that the findings allow.

    CONVERGED needs an exact fit, also on held-out rows, with fewer degrees of freedom than rows. REACHED_NOISE_FLOOR
    needs one of two things. Either held-out rows are predicted far better than by chance; then there must be enough
    rows to judge the next larger rank. Or the residual is explained by the known noise and not by chance; then there
    must be enough rows to judge the rank itself.
    """
    if findings.exact:
        return Status.CONVERGED if findings.freedom < findings.fitted else Status.TOO_FEW_MEASUREMENTS
    if findings.excluded:
        return Status.NO_LOW_RANK_FIT
    if findings.evidence is None and findings.noise_level is None:
        return Status.STAGNATED if findings.freedom < findings.fitted else Status.TOO_FEW_MEASUREMENTS
    judged = judged_share(findings.back_projection_level) * findings.fitted
    if findings.evidence is not None:
        predicts = is_significant(findings.evidence)
        if predicts and (findings.overfit > THRESHOLDS.overfit or findings.surpassed):
            return Status.TOO_FEW_MEASUREMENTS
        needed = findings.next_freedom
    else:
        predicts = findings.residual <= findings.allowance and findings.residual**2 < left_by_chance(
            findings.freedom, findings.fitted
        )
        # The noise level shows that the next rank has nothing to explain.
        needed = findings.freedom
    if predicts:
        return Status.REACHED_NOISE_FLOOR if needed <= judged else Status.TOO_FEW_MEASUREMENTS
    return Status.NO_LOW_RANK_FIT if findings.small_freedom <= judged else Status.TOO_FEW_MEASUREMENTS


def left_by_chance(freedom: int, rows: int, deviations: float = 5.0) -> float:
    """Return the share of the squared norm of noise that a fit of `d` degrees of freedom leaves, less some deviations.

    The fit chooses its directions, and so explains more than the share `d / n`.
    """
    share = freedom / rows if rows > freedom else 1.0
    left = (1 - share) * math.exp(-_CHANCE_EXPONENT * share)
    return left * max(1 - deviations / math.sqrt(max(rows, 1)), 0.0)
