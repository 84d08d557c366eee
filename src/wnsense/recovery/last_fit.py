"""Last fit of a recovery, to all measurements, with what is asked of it and what is told besides."""

from dataclasses import replace

from wnsense.recovery.conclusion import Conclusion
from wnsense.recovery.determination import determination
from wnsense.recovery.evidence.spectral_rank import least_share, missing_negative_part
from wnsense.recovery.rank_fit import RankFit, is_better
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import Session
from wnsense.recovery.shrinkage import fitted_to_all, predicts_better
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.sensing import row_reductions
from wnsense.sensing.kinds import Kind
from wnsense.solvers.calibration import calibrate
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective

# The last fit of an exact answer ends when its residual is at most this share of the least singular value, so that each
# value has at least 6 digits. Where rounding is larger than that, it ends at rounding.
_VALUE_DIGITS = 1e-7
# Unexplained share of the variance from which on a noise floor warns. The share of few held-out rows varies: this one
# catches nearly all whose true share is a third.
_LARGE_SHARE = 0.25
# Expected relative error from which on it warns too: a fit of many directions leaves less of wrong measurements.
_LARGE_ERROR = 0.15


def finished(session: Session, conclusion: Conclusion, smooth: RankFit | None, settings: Settings) -> Conclusion:
    """Return the conclusion with the fit to all measurements; the verdict no longer needs the held-out ones.

    A smoothed fit takes the place of that of one rank where it predicts better.
    """
    conclusion = _with_last_fit(session, _warned(session, conclusion, settings), smooth, settings)
    if conclusion.status is Status.TOO_FEW_MEASUREMENTS and not conclusion.warnings:
        # What the measurements lack may have a simple name.
        test = determination(session, conclusion.fit, seed=settings.seed)
        return replace(conclusion, warnings=test.warnings)
    if conclusion.status is not Status.REACHED_NOISE_FLOOR:
        return conclusion
    # A smoothed matrix has directions below the noise; those of the judged rank are to be determined.
    fit = conclusion.fit if conclusion.smooth is not None or conclusion.last is None else conclusion.last
    return _doubted(conclusion.limited_by(determination(session, fit, seed=settings.seed)))


def _doubted(conclusion: Conclusion) -> Conclusion:
    """Return the conclusion on a noise floor, with a warning if it explains little or its error is large."""
    test = conclusion.determination
    if conclusion.status is not Status.REACHED_NOISE_FLOOR or test is None:
        return conclusion
    share = _unexplained(conclusion)
    if share < _LARGE_SHARE and test.expected_error < _LARGE_ERROR:
        return conclusion
    warning = (
        f"the matrix leaves {share:.0%} of the variance of the measurements unexplained, which makes a relative error "
        f"of {test.expected_error:.0%} likely if that is noise; check that the measurements are not moduli where "
        "squares are meant, nor cut off at a largest value, nor partly in another unit; `recover_robustly` finds wrong "
        "ones"
    )
    return replace(conclusion, warnings=(*conclusion.warnings, warning))


def _with_last_fit(session: Session, conclusion: Conclusion, smooth: RankFit | None, settings: Settings) -> Conclusion:
    """Return the conclusion with the fit to all measurements."""
    fit, stop = conclusion.fit, settings.last_stop
    is_exact = fit.is_exact(settings.tolerance)
    if is_exact:
        stop = replace(stop, residual=min(stop.residual, _VALUE_DIGITS * least_share(fit.at.point)))
    is_open = is_exact and fit.residual > stop.residual
    if fit.objective.fitted is None and not is_open:
        return conclusion
    if smooth is not None and predicts_better(smooth, fit):
        return replace(conclusion, last=fitted_to_all(session, smooth, settings), smooth=smooth)
    if conclusion.last is not None:
        return conclusion
    return replace(conclusion, last=fitted_to_all_rows(session, fit, stop, settings))


def fitted_to_all_rows(session: Session, fit: RankFit, stop: Stop, settings: Settings) -> RankFit:
    """Return the fit of the same rank to all measurements."""
    given = calibrate(session.problem, seed=settings.seed, scale=fit.objective.calibration.scale)
    everything = plain_least_squares(SensingObjective(session.problem, None, settings.seed, given))
    session.applications += given.applications
    point = everything.from_user(fit.objective.to_user(fit.at.point))
    at = session.run(everything, ConjugateWN(), point, stop, f"final fit, rank {point.width}")
    return RankFit(everything, at, row_reductions.count(everything.calibration.row_scale > 0))


def _unexplained(conclusion: Conclusion) -> float:
    """Return the unexplained share of the variance of the held-out measurements, or of all if none are held out."""
    return conclusion.fit.residual**2 if conclusion.evidence is None else 1 - conclusion.evidence.explained


def _warned(session: Session, conclusion: Conclusion, settings: Settings) -> Conclusion:
    """Return the conclusion with warnings that the status does not express, and which may change it."""
    fit, status, warnings = conclusion.fit, conclusion.status, list(conclusion.warnings)
    if status in {Status.CONVERGED, Status.DETERMINED_IN_PART}:
        return conclusion
    parts = session.problem.operator.connected_parts()
    if status is Status.TOO_FEW_MEASUREMENTS and parts > 1 and not warnings:
        warnings.append(
            f"the measurements fall into {parts} parts that no measurement connects: the matrix between two parts is "
            "not determined"
        )
    if fit.objective.kind is Kind.PSD and not fit.is_exact(settings.tolerance):
        part, cost = missing_negative_part(fit.objective, fit.at, fit.rows, seed=settings.seed)
        session.applications += cost
        if part:
            warnings.append(
                f"the unexplained part has a negative eigenvalue of {part:.0%} of the largest, which no "
                "positive semidefinite matrix has; if the matrix may be indefinite, use kind symmetric"
            )
            # As where the user's bound excludes a better rank: the residual is not noise.
            status = Status.NO_LOW_RANK_FIT if status is Status.REACHED_NOISE_FLOOR else status
    larger = [other for other in conclusion.fits if other.rank > fit.rank]
    if fit.rank == settings.max_rank and larger:
        best = min(larger, key=lambda other: other.watched)
        if is_better(fit, best):
            warnings.append(
                f"rank {best.rank} predicts the measurements better than the largest rank allowed, {fit.rank}: a "
                f"relative residual of {best.watched:.2g} instead of {fit.watched:.2g}"
            )
    return replace(conclusion, status=status, warnings=tuple(warnings))


def plain_least_squares(objective: SensingObjective) -> SensingObjective:
    """Return the objective with the trace direction at its full weight.

    For conjugate gradients this adds a single large eigenvalue.
    """
    return replace(objective, given=replace(objective.calibration, trace_direction=None, trace_factor=1.0))
