"""Course of a recovery: growth with held-out rows, reweighting of all rows where needed, verdict and last fit."""

from dataclasses import replace

import torch
from torch import Tensor

from wnsense.recovery.conclusion import Conclusion
from wnsense.recovery.cross_validation import cross_validated, is_unsurpassed
from wnsense.recovery.determination import Determination, determination
from wnsense.recovery.evidence.hold_out import Evidence, fitted_mask, held_out_count, held_out_evidence
from wnsense.recovery.evidence.spectral_rank import (
    back_projection_level,
    residual_directions,
    significant_rank,
)
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.evidence.verdict import SMALL_RANK, Findings, is_significant, verdict
from wnsense.recovery.exact_search import reweighted
from wnsense.recovery.growth import Growth, grow, refitted
from wnsense.recovery.last_fit import finished, fitted_to_all_rows, plain_least_squares
from wnsense.recovery.rank_fit import RankFit, exceeds_noise, is_better
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import EndedEarlyError, Session
from wnsense.recovery.shrinkage import fades_into_noise, smoothed
from wnsense.running.status import Status
from wnsense.sensing import row_reductions
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.calibration import calibrate
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.starts import haar_start

# Singular values below this share of the norm are given up if the other directions fit exactly without them.
_DOUBTED = 1e-3
# Singular values are kept above this multiple of the residual of an exact fit, and of rounding.
_ABOVE_RESIDUAL, _ROUNDING = 100, 1e-14
# A fit without a direction is as good if its residual is at most this multiple.
_AS_GOOD = 2
# A second growth is made with fewer rows than this multiple of the degrees of freedom. A background in diffraction
# patterns gave several exact answers at a multiple of 2.1. Two answers are the same up to the next number.
_PLENTY, _SAME = 3, 1e-6
# It begins at a random matrix of this rank and size, relative to the answer's. Ranks 1 to 4 gave the same rate.
_START_RANK, _MAGNITUDE = 2, 0.3


def concluded(session: Session, start: LowRank | None, holdout: float | None, settings: Settings) -> Conclusion:
    """Return the conclusion on the measurements of a session.

    Args:
        session: Session that makes the runs, with the problem.
        start: First point in the user's units; None for a spectral start.
        holdout: Fraction of the measurements to hold out; None for the default.
        settings: Settings of the recovery.
    """
    return completed(session, first_conclusion(session, start, holdout, settings), settings)


def first_conclusion(session: Session, start: LowRank | None, holdout: float | None, settings: Settings) -> Conclusion:
    """Return the conclusion that the growth allows, before any search for an exact answer; see `concluded`."""
    problem = session.problem
    usable = torch.ones_like(problem.measurements) if problem.weights is None else problem.weights
    count = row_reductions.count(usable > 0)
    held = 0 if problem.noise_level and holdout is None else held_out_count(count, holdout)
    mask = fitted_mask(usable, held, settings.seed, problem.operator) if held else None
    objective, first = _first(session, mask, start, settings)
    return _judged(session, grow(session, objective, first, count - held, settings), settings)


def completed(
    session: Session, judged: Conclusion, settings: Settings, *, seeks_exact: bool = True, smooths: bool = True
) -> Conclusion:
    """Return the conclusion after the searches that a first one leaves open, with the fit to all measurements.

    Args:
        session: Session that makes the runs, with the problem of the first conclusion.
        judged: First conclusion.
        settings: Settings of the recovery.
        seeks_exact: False if it is known that no exact answer can be found.
        smooths: False if no smoothed fit is wanted.
    """
    may_search, is_explained = seeks_exact and may_be_exact(judged), _explains(judged.evidence)
    exact, smooth = None, None
    if may_search:
        exact = searched_for_exact(session, judged, range(1), settings, climbs=is_explained)
    if exact is None and smooths and _may_be_smooth(judged, settings):
        smooth = smoothed(session, judged.fit, settings)
    if exact is None and may_search and not is_explained:
        # Other starts help where fits have gone astray, not where one explains much.
        others = range(1, 1 if _explains(_evidence(smooth)) else THRESHOLDS.tries)
        exact = searched_for_exact(session, judged, others, settings, climbs=True)
    if exact is not None:
        return _confirmed(session, finished(session, exact, None, settings), settings)
    confirmed = _cross_validated(session, judged, settings)
    if confirmed is not judged and not fades_into_noise(judged.fit):
        # Nothing beyond this rank was found to smooth.
        smooth = None
    return _confirmed(session, finished(session, confirmed, smooth, settings), settings)


def _confirmed(session: Session, conclusion: Conclusion, settings: Settings) -> Conclusion:
    """Return a conclusion on an exact answer after a second growth, with other held-out rows, where one may differ.

    It begins at a random point. Random rows of a continuous law leave no second answer. Because of the cost only
    diffraction patterns of few rows and several ranks are asked: a background may be explained by some pixels.
    """
    fit = conclusion.fit
    may_differ = isinstance(session.problem.operator, CodedDiffractionSensing) and fit.rank > 1
    if conclusion.status is not Status.CONVERGED or not may_differ or fit.rows >= _PLENTY * fit.freedom:
        return conclusion
    generator = torch.Generator().manual_seed(settings.seed + 1)
    start = haar_start(fit.objective, _START_RANK, magnitude=_MAGNITUDE, generator=generator)
    try:
        other = first_conclusion(session, fit.objective.to_user(start), None, replace(settings, seed=settings.seed + 1))
    except EndedEarlyError as early:
        if early.status in {Status.INTERRUPTED, Status.STOPPED_BY_USER}:
            raise
        # The budget ends with the second growth, which showed nothing.
        return conclusion
    matrix = other.matrix
    is_other = float(matrix.distance(conclusion.matrix)) > _SAME * float(matrix.norm())
    if not (other.fit.is_exact(settings.tolerance) and is_other):
        return conclusion
    warning = "another matrix explains the measurements as well: a second recovery led to it; see `alternative`"
    return conclusion.limited_by(Determination(0.0, is_complete=False, alternative=matrix, warnings=(warning,)))


def _first(
    session: Session, fitted: Tensor | None, start: LowRank | None, settings: Settings
) -> tuple[SensingObjective, LowRank]:
    """Return the objective and the first point: the user's start, or a spectral one, which also gives the scale."""
    problem, seed = session.problem, settings.seed
    if start is not None:
        objective = SensingObjective(problem, fitted, seed)
        session.applications += objective.calibration.applications
        return _comparable(objective), objective.from_user(start)
    given = calibrate(problem, fitted, seed=seed, scale=1.0)
    objective = SensingObjective(problem, fitted, seed, given)
    spectral, cost = residual_directions(objective, -objective.target, 1, seed=seed)
    session.applications += given.applications + cost
    # The norm of the balanced measurements is about the Frobenius norm of the matrix.
    balanced = float(row_reductions.norm(given.balance(problem.measurements)))
    scale = min(float(spectral.singular_values().max()), balanced) or balanced
    return _comparable(SensingObjective(problem, fitted, seed, replace(given, scale=scale))), spectral.scaled(1 / scale)


def _comparable(objective: SensingObjective) -> SensingObjective:
    """Return the objective whose residual can be compared with a known noise level: plain least squares."""
    return plain_least_squares(objective) if objective.problem.noise_level else objective


def _judged(session: Session, grown: Growth, settings: Settings) -> Conclusion:
    """Return the conclusion that a growth allows."""
    fit = without_idle(session, grown.best, settings)
    fits = (*grown.fits, fit)
    evidence = None
    excluded = False
    if settings.max_rank is not None and fit.rank > settings.max_rank:
        within = refitted(session, fit, settings.max_rank, settings)
        excluded, fit, fits = is_better(within, fit), within, (*fits, within)
    fit = _measured(session, fit)
    if fit.objective.fitted is not None:
        evidence = held_out_evidence(fit.objective, fit.at)
    surpassed = any(exceeds_noise(fit, other) for other in fits)
    status = verdict(_findings(fit, evidence, excluded=excluded, surpassed=surpassed, tolerance=settings.tolerance))
    conclusion = Conclusion(status, fit, (*fits, fit), evidence, excluded, surpassed, ())
    return _determined(session, conclusion, settings) if status is Status.CONVERGED else conclusion


def without_idle(session: Session, fit: RankFit, settings: Settings) -> RankFit:
    """Return an exact fit without the directions that are as small as its residual; any other fit unchanged."""
    if not fit.is_exact(settings.tolerance):
        return fit
    level = _ABOVE_RESIDUAL * max(fit.residual, fit.held or 0.0, _ROUNDING)
    for share in (level, _DOUBTED):
        rank = min(fit.rank, significant_rank(fit.at.point, share))
        if rank < fit.rank:
            smaller = refitted(session, fit, rank, settings)
            as_good = max(settings.target, _AS_GOOD * max(fit.residual, fit.held or 0.0))
            fit = smaller if smaller.is_exact(as_good) else fit
    return fit


def _measured(session: Session, fit: RankFit) -> RankFit:
    """Return the fit with its residual measured again; runs update theirs with a small error."""
    residual = fit.objective.residual(fit.at.point)
    session.applications += 1
    return replace(fit, at=replace(fit.at, residual=residual, balanced=fit.objective.calibration.balance(residual)))


def _findings(
    fit: RankFit, evidence: Evidence | None, *, excluded: bool, surpassed: bool, tolerance: float
) -> Findings:
    operator = fit.objective.problem.operator
    return Findings(
        exact=fit.is_exact(tolerance),
        residual=fit.residual,
        evidence=evidence,
        overfit=fit.overfit,
        noise_level=fit.objective.problem.noise_level or None,
        allowance=fit.noise_allowance(),
        freedom=fit.freedom,
        next_freedom=fit.next_freedom,
        small_freedom=operator.degrees_of_freedom(min(SMALL_RANK, *operator.shape)),
        fitted=fit.rows,
        back_projection_level=back_projection_level(operator, fit.rows),
        excluded=excluded,
        surpassed=surpassed,
    )


def _determined(session: Session, conclusion: Conclusion, settings: Settings) -> Conclusion:
    """Return the conclusion on an exact fit after the test whether the measurements determine it.

    Held-out rows may hold what the fitted ones do not determine.
    """
    fit = conclusion.fit
    test = determination(session, fit, seed=settings.seed)
    if not test.is_complete and fit.objective.fitted is not None:
        test = determination(
            session, fitted_to_all_rows(session, fit, settings.last_stop, settings), seed=settings.seed
        )
    return conclusion.limited_by(test)


def may_be_exact(judged: Conclusion) -> bool:
    """Return True if an exact answer is worth a search: the residual may be more than noise, and the rank is small."""
    has_many_directions = judged.fit.rank > THRESHOLDS.searched_rank and _looks_like_noise(judged)
    return _may_be_more(judged) and not has_many_directions and not _is_blind(judged)


def _is_blind(conclusion: Conclusion) -> bool:
    """Return True if the measurements cannot determine a matrix of any rank."""
    return conclusion.determination is not None and conclusion.determination.is_blind


def _may_be_more(judged: Conclusion) -> bool:
    """Return True if there is no exact answer yet, and the residual may be more than noise."""
    fit = judged.fit
    if judged.status is Status.CONVERGED or judged.excluded or fit.is_noise:
        return False
    has_spare_rows = fit.next_freedom <= THRESHOLDS.spare_share * fit.rows
    if judged.status is Status.DETERMINED_IN_PART:
        return not has_spare_rows
    return judged.surpassed or not (has_spare_rows and _looks_like_noise(judged))


def _looks_like_noise(judged: Conclusion) -> bool:
    """Return True if the fit explains much of the held-out rows, and the fitted ones no better."""
    return _explains(judged.evidence) and judged.fit.overfit <= THRESHOLDS.overfit


def _may_be_smooth(judged: Conclusion, settings: Settings) -> bool:
    """Return True if the matrix may be only nearly of low rank: there are held-out rows, and the fit is not exact."""
    fit = judged.fit
    if fit.objective.fitted is None or fit.is_exact(settings.tolerance) or settings.max_rank is not None:
        return False
    return _may_be_more(judged) or fades_into_noise(fit)


def _evidence(fit: RankFit | None) -> Evidence | None:
    """Return the evidence of the held-out rows on a fit, None without one."""
    return None if fit is None else held_out_evidence(fit.objective, fit.at)


def _explains(evidence: Evidence | None) -> bool:
    """Return True if a fit explains a large part of the held-out rows."""
    return evidence is not None and evidence.explained >= THRESHOLDS.spare_explained


def searched_for_exact(
    session: Session, judged: Conclusion, attempts: range, settings: Settings, *, climbs: bool
) -> Conclusion | None:
    """Return the conclusion on an exact fit of all rows by reweighting, or None if there is none.

    While the measurements do not determine the fit, the next lower rank is the bound.
    """
    problem, first = session.problem, judged.fit.objective
    given = calibrate(problem, None, seed=settings.seed, scale=first.calibration.scale)
    session.applications += given.applications
    objective = SensingObjective(problem, None, settings.seed, given)
    count = row_reductions.count(given.row_scale > 0)
    bound = settings.max_rank
    if judged.fit.is_exact(settings.tolerance):
        if judged.fit.rank == 1:
            return None
        bound = judged.fit.rank - 1
    while bound is None or bound > 0:
        fit = reweighted(session, objective, count, bound, settings, attempts=attempts, climbs=climbs)
        if fit is None:
            return None
        fit = without_idle(session, fit, settings)
        exact = Conclusion(
            Status.CONVERGED, fit, (*judged.fits, fit), None, excluded=False, surpassed=False, warnings=()
        )
        exact = _determined(session, exact, settings)
        if exact.status is Status.CONVERGED:
            return exact
        if _is_blind(exact):
            return None
        bound = fit.rank - 1
    return None


def _cross_validated(session: Session, judged: Conclusion, settings: Settings) -> Conclusion:
    """Return the conclusion with the verdict of a cross-validation, if rows were too few for that of the hold-out.

    Those held out may be too few for a significant prediction, and those fitted too few to try the next rank. Neither
    shows that the rows do not determine this rank.
    """
    fit = judged.fit
    has_verdict = judged.status is not Status.TOO_FEW_MEASUREMENTS or fit.is_exact(settings.tolerance)
    if has_verdict or judged.surpassed or fit.objective.fitted is None or fit.freedom >= fit.rows:
        return judged
    whole = fitted_to_all_rows(session, fit, settings.last_stop, settings)
    evidence = cross_validated(session, whole, settings)
    if evidence is None or not (is_significant(evidence) and _explains(evidence)):
        return judged
    if not is_unsurpassed(session, whole, settings):
        return judged
    return replace(judged, status=Status.REACHED_NOISE_FLOOR, evidence=evidence, last=whole)
