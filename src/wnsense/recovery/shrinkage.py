"""Shrinkage: the answer where the matrix is only nearly of low rank.

A fit of one rank takes all that lies beyond this rank for noise, and fits a part of it. Reweighted least squares with a
smoothing is the mean of a Gaussian prior whose variances are those of the present spectrum: it shrinks small singular
values instead of cutting them off, and leaves the rank to the smoothing.
"""

from wnsense.recovery.evidence.hold_out import held_out_evidence
from wnsense.recovery.evidence.spectral_rank import back_projection_level
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.rank_fit import RankFit
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import Session, zero_matrix
from wnsense.running.stop import Stop
from wnsense.solvers.calibration import calibrate
from wnsense.solvers.level_search import LevelSearch, SmoothedEvaluation
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.reweighted import ReweightedWN

# Steps of the last reweightings, to all rows. The first one gives most of the gain, the third one nothing.
_LAST_STEPS = 2


def fades_into_noise(fit: RankFit) -> bool:
    """Return True if the spectrum of a fit may go on below its rank: no gap is seen above the noise level."""
    level = back_projection_level(fit.objective.problem.operator, fit.rows) * float(fit.at.misfit)
    return float(fit.at.point.singular_values()[-1]) <= THRESHOLDS.fading * level


def smoothed(session: Session, fit: RankFit, settings: Settings) -> RankFit:
    """Return the reweighted fit to the fitted rows whose smoothing the held-out rows choose.

    Args:
        session: Session that makes the runs.
        fit: Fit of one rank, with held-out rows.
        settings: Settings of the recovery.
    """
    stop = Stop(residual=settings.target, watch_holdout=False)
    start = zero_matrix(session.problem.operator)
    at = session.run(fit.objective, LevelSearch(), start, stop, "choice of a smoothing", is_search=True)
    return RankFit(fit.objective, at, fit.rows)


def predicts_better(smooth: RankFit, fit: RankFit) -> bool:
    """Return True if a smoothed fit predicts held-out rows better than a fit of one rank, and better than chance."""
    misfit, other = (float(one.objective.holdout_misfit(one.at.residual)) for one in (smooth, fit))
    score = held_out_evidence(smooth.objective, smooth.at).score
    return misfit <= THRESHOLDS.shrinkage * other and score > THRESHOLDS.significance


def fitted_to_all(session: Session, smooth: RankFit, settings: Settings) -> RankFit:
    """Return the reweighted fit to all rows with the smoothing of a fit to some of them."""
    problem, objective, point = session.problem, smooth.objective, smooth.at.point
    given = calibrate(problem, seed=settings.seed, scale=objective.calibration.scale)
    session.applications += given.applications
    everything = SensingObjective(problem, None, settings.seed, given)
    at = smooth.at
    if not isinstance(at, SmoothedEvaluation):
        raise TypeError("needed the fit of a level search, which has a smoothing, got another")
    solver = ReweightedWN(level=at.level)
    stop = Stop(residual=settings.target, max_steps=_LAST_STEPS)
    return RankFit(everything, session.run(everything, solver, point, stop, "smoothed fit to all rows"), smooth.rows)
