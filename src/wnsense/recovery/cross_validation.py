"""Cross-validation: all rows as evidence, each predicted by a fit that does not use it.

Where rows are few, a tenth of them cannot judge a fit. Here each tenth is held out in turn. Its fit begins anew, from a
spectral start, and a second one begins at the fit to all rows. Only if the rows determine the matrix do both end at the
same one: a wrong matrix that explains much of the measurements is one of many, and changes with the rows.
"""

from dataclasses import replace

import torch
from torch import Tensor

from wnsense.recovery.evidence.hold_out import Evidence, Prediction, held_out_prediction
from wnsense.recovery.evidence.spectral_rank import residual_directions
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.growth import following
from wnsense.recovery.rank_fit import RankFit, explains_signal, squared_ratio
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import Session, resized, zero_matrix
from wnsense.running.stop import Stop
from wnsense.sensing import row_reductions
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.calibration import calibrate
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.reweighted import ReweightedWN

# Number of parts of the rows, each held out once.
_FOLDS = 10
# Largest distance of two predictions of the rows held out, over the error to be expected of them.
_SAME = 0.2
# The fits end closer to their minimum than others, since they are compared with each other.
_GAIN, _STAGNATION = 1e-3, 5


def cross_validated(session: Session, whole: RankFit, settings: Settings) -> Evidence | None:
    """Return the evidence of all rows on the rank of a fit, or None if the rows do not determine the matrix.

    Args:
        session: Session that makes the runs.
        whole: Fit to all rows, by plain least squares, with fewer degrees of freedom than rows.
        settings: Settings of the recovery.
    """
    calibration = whole.objective.calibration
    # To first order, the error of a row that is held out is its residual over the share of the rows left to noise.
    expected = (float(whole.at.misfit) / (1 - whole.freedom / whole.rows)) ** 2
    rest, distance, predictions = calibration.row_scale > 0, 0.0, []
    for fold in range(_FOLDS):
        held = row_reductions.drawn(rest, -(-row_reductions.count(rest) // (_FOLDS - fold)), settings.seed + fold)
        rest = rest & ~held
        objective = _without(session, whole.objective, held, settings)
        if objective is None:
            return None
        anew = _grown_anew(session, objective, whole, settings)
        near = _run(session, objective, objective.from_user(whole.objective.to_user(whole.at.point)), settings)
        moved = (anew.residual - near.residual).masked_fill(~held, 0)
        distance += float(row_reductions.squared_norm(calibration.balance(moved)))
        if distance > _SAME**2 * expected:
            return None
        predictions.append(held_out_prediction(objective, anew))
    return Prediction.joined(predictions).evidence()


def is_unsurpassed(session: Session, whole: RankFit, settings: Settings) -> bool:
    """Return True if larger ranks were tried on all rows, and explain no more than a fit of noise would.

    Where the next rank has as many degrees of freedom as rows, it explains everything. A matrix of that rank then fits
    as well, and can be as far from the fit as the residual is large.
    """
    if whole.next_freedom >= whole.rows:
        return False
    larger = _larger_fits(session, whole, settings)
    if not any(explains_signal(whole, fit) for fit in larger):
        return True
    # Near the limit a fit of noise explains more than in the mean of all cases: the same fits to noise show how much.
    surrogate = _surrogate(session, whole, settings)
    shares = [squared_ratio(surrogate, fit) for fit in _larger_fits(session, surrogate, settings)]
    return not any(explains_signal(whole, fit, share) for fit, share in zip(larger, shares, strict=True))


def _larger_fits(session: Session, whole: RankFit, settings: Settings) -> list[RankFit]:
    """Return fits of the next ranks, which grow along saddles; that of the next one may begin at a reweighting instead.

    A growth along saddles may miss the minimum of the next rank. A reweighting seldom does.
    """
    fits: list[RankFit] = []
    larger = whole
    while larger.rank < whole.rank + THRESHOLDS.misses and larger.next_freedom < whole.rows:
        point = following(session, larger, larger.rank + 1, settings.seed)
        if point is None:
            break
        larger = RankFit(whole.objective, _run(session, whole.objective, point.point, settings), whole.rows)
        fits.append(larger)
    best = min([_reweighted(session, whole, settings), *fits[:1]], key=lambda fit: fit.residual)
    return [best, *fits[1:]]


def _surrogate(session: Session, whole: RankFit, settings: Settings) -> RankFit:
    """Return the fit of the same rank to surrogate measurements: the fitted ones with residuals of random signs."""
    objective = whole.objective
    generator = torch.Generator().manual_seed(settings.seed)
    signs = 2 * row_reductions.coins(len(objective.target), generator).to(objective.target) - 1
    target = objective.target + whole.at.residual * (1 + signs)
    problem = replace(objective.problem, measurements=target * objective.calibration.scale)
    noisy = replace(objective, problem=problem)
    return RankFit(noisy, _run(session, noisy, whole.at.point, settings), whole.rows)


def _reweighted(session: Session, whole: RankFit, settings: Settings) -> RankFit:
    """Return a fit of the next rank that begins at a reweighting."""
    rank, seed, problem = whole.rank + 1, settings.seed, whole.objective.problem
    given = calibrate(problem, seed=seed, scale=whole.objective.calibration.scale)
    objective = SensingObjective(problem, None, seed, given)
    start, stop = zero_matrix(problem.operator), Stop(residual=settings.target, watch_holdout=False)
    at = session.run(objective, ReweightedWN(rank), start, stop, "search of the next rank", is_search=True)
    session.applications += given.applications
    point = resized(whole.objective.from_user(objective.to_user(at.point)), rank)
    return RankFit(whole.objective, _run(session, whole.objective, point, settings), whole.rows)


def _without(
    session: Session, objective: SensingObjective, held: Tensor, settings: Settings
) -> SensingObjective | None:
    """Return the objective of the other rows, in the same units, or None if their measurements are all zero."""
    problem = objective.problem
    fitted = (~held).to(problem.measurements.dtype)
    if not row_reductions.has_any(fitted * objective.calibration.row_scale * problem.measurements != 0):
        return None
    given = calibrate(problem, fitted, seed=settings.seed, scale=objective.calibration.scale)
    session.applications += given.applications
    return SensingObjective(problem, fitted, settings.seed, given)


def _grown_anew(session: Session, objective: SensingObjective, whole: RankFit, settings: Settings) -> Evaluation:
    """Return the fit of the same rank that grows from a spectral start."""
    start, cost = residual_directions(objective, -objective.target, 1, seed=settings.seed)
    session.applications += cost
    at = _run(session, objective, start, settings)
    while at.point.width < whole.rank:
        more = following(session, RankFit(objective, at, whole.rows), whole.rank, settings.seed)
        if more is None:
            break
        at = _run(session, objective, more.point, settings)
    return at


def _run(session: Session, objective: SensingObjective, point: LowRank, settings: Settings) -> Evaluation:
    """Return the end of a run that does not look at the rows held out."""
    stop = Stop(residual=settings.target, stagnation=_STAGNATION, gain=_GAIN, watch_holdout=False)
    return session.run(objective, ConjugateWN(), point, stop, "cross-validation", is_search=True)
