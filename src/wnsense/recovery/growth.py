"""Growth of the rank along the saddles: each rank is fitted to its end, and the next directions come from what is left.

This is the sequential learning of weight normalization (arXiv 2510.01175, Figure 1) as an algorithm. A fit of a rank
below the true one ends near a saddle of the overparameterized problem. The back-projected residual then shows the
directions by which the run would leave it; they are added at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from wnsense.recovery.evidence.spectral_rank import back_projection_level, largest_rank, residual_directions
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.rank_fit import RankFit, is_better, surpasses_beyond_doubt
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import EndedEarlyError, Session, resized
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.sensing import row_reductions
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import Evaluation, SensingObjective

# A fit whose misfit exceeds that of the matrix 0 by this factor has diverged; descent never ends there.
_DIVERGED = 1.1


@dataclass(frozen=True)
class Growth:
    """Fits of a growth.

    Attributes:
        best: Fit of the rank that is chosen.
        fits: All fits in their order, the best one last.
    """

    best: RankFit
    fits: tuple[RankFit, ...]


def grow(session: Session, objective: SensingObjective, start: LowRank, rows: int, settings: Settings) -> Growth:
    """Grow the rank from a first point until a fit is exact or explained, or larger ranks predict no better.

    Args:
        session: Session that makes the runs.
        objective: Objective of the fitted rows.
        start: First point, in scaled units.
        rows: Number of fitted rows.
        settings: Settings of the recovery.

    Raises:
        EndedEarlyError: If a solver diverges, or the session ends.
    """
    bound = _bound(objective, rows, settings)
    stop = _stop(objective, rows, settings)
    zero = float(row_reductions.norm(objective.calibration.balance(objective.target)))
    fits: list[RankFit] = []
    best, misses = None, 0
    ahead: Following | None = Following(resized(start, min(start.width, bound)), stands_out=True)
    while ahead is not None:
        stage = f"growth, rank {ahead.point.width}"
        fit = RankFit(objective, session.run(objective, settings.solver, ahead.point, stop, stage), rows)
        fits.append(fit)
        if float(fit.at.misfit) > _DIVERGED * zero:
            raise EndedEarlyError(Status.DIVERGED)
        # A fit that has settled above the target lacks a direction, however small its residual is.
        if fit.is_exact(settings.target) or fit.is_noise:
            ended = led(session, fit, settings)
            return Growth(ended, (*fits, ended))
        if best is None or is_better(best, fit):
            best, misses = fit, 0
        else:
            misses += 1 if ahead.stands_out else THRESHOLDS.misses
        ahead = None if misses >= THRESHOLDS.misses else following(session, fit, bound, settings.seed)
    return _settled(session, best or fit, fits, settings)


def _settled(session: Session, best: RankFit, fits: list[RankFit], settings: Settings) -> Growth:
    """Return the growth with the least rank that larger ones do not surely surpass, led to its end.

    A fit of the growth ends where its tangent gradient is small. A comparison that leaves no doubt needs no more.
    """
    while best.rank > 1:
        rank = _next_smaller_rank(best)
        fitted = [fit for fit in fits if rank <= fit.rank < best.rank]
        if fitted and surpasses_beyond_doubt(fitted[-1], best):
            break
        best = led(session, best, settings)
        smaller = led(session, fitted[-1], settings) if fitted else refitted(session, best, rank, settings)
        fits.append(smaller)
        if is_better(smaller, best, THRESHOLDS.sure):
            break
        best = smaller
    best = led(session, best, settings)
    return Growth(best, (*fits, best))


def _next_smaller_rank(fit: RankFit) -> int:
    """Return the next smaller rank to compare; the growth may have passed over it."""
    return fit.rank - max(1, fit.rank // THRESHOLDS.coarseness)


def led(session: Session, fit: RankFit, settings: Settings) -> RankFit:
    """Return a fit after conjugate weight normalization has led it to its end."""
    if fit.is_exact(settings.target):
        return fit
    return refitted(session, fit, fit.rank, settings)


def refitted(session: Session, fit: RankFit, rank: int, settings: Settings) -> RankFit:
    """Return the fit of another rank, from a point of this one."""
    stop = replace(settings.last_stop, watch_holdout=fit.objective.calibration.trace_direction is None)
    at = session.run(fit.objective, ConjugateWN(), resized(fit.at.point, rank), stop, f"end, rank {rank}")
    return RankFit(fit.objective, at, fit.rows)


def _bound(objective: SensingObjective, rows: int, settings: Settings) -> int:
    """Return the largest rank to try."""
    limit = largest_rank(objective.problem.operator, THRESHOLDS.largest_share * rows)
    return max(1, min(limit, settings.widest_rank or limit))


def _stop(objective: SensingObjective, rows: int, settings: Settings) -> Stop:
    """Return the rules by which the fit of a rank ends."""
    level = back_projection_level(objective.problem.operator, rows)
    return Stop(
        residual=settings.target,
        goal=_settles_below(level / THRESHOLDS.settled),
        stagnation=THRESHOLDS.stagnation,
        gain=THRESHOLDS.gain,
        watch_holdout=objective.calibration.trace_direction is None,
    )


def _settles_below(share: float) -> Callable[[Evaluation], bool]:
    """Return the test whether the tangent gradient is below a share of the misfit."""

    def settles(at: Evaluation) -> bool:
        return float(at.gradient.squared_norm().sqrt()) < share * float(at.misfit)

    return settles


@dataclass(frozen=True)
class Following:
    """First point of the next rank.

    Attributes:
        point: Point.
        stands_out: True if an added direction stands out from the back-projection of noise.
    """

    point: LowRank
    stands_out: bool


def following(session: Session, fit: RankFit, bound: int, seed: int) -> Following | None:
    """Return the first point of the next rank, or None at the bound or if nothing can be added."""
    room = bound - fit.rank
    if room <= 0:
        return None
    most = max(1, min(THRESHOLDS.directions, fit.rank, room))
    outside, cost = residual_directions(fit.objective, fit.at.residual, most, seed=seed + fit.rank)
    session.applications += cost
    level = back_projection_level(fit.objective.problem.operator, fit.rows) * float(fit.at.misfit)
    shown = int((outside.singular_values() > THRESHOLDS.standing_out * level).sum())
    added = max(1, shown, min(fit.rank // THRESHOLDS.coarseness, outside.width))
    point = fit.at.point.plus(outside.truncate(min(added, outside.width)))
    return Following(resized(point, fit.rank + min(added, room)), stands_out=shown > 0)
