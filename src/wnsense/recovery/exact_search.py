"""Reweighting on all rows: the search for an exact answer where rows are scarce."""

import torch

from wnsense.recovery.rank_fit import RankFit
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import Session, zero_matrix
from wnsense.running.stop import Stop
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.reweighted import ReweightedWN
from wnsense.solvers.starts import haar_start

# Rank of a random start.
_START_RANK = 8


def reweighted(
    session: Session,
    objective: SensingObjective,
    rows: int,
    bound: int | None,
    settings: Settings,
    *,
    attempts: range,
    climbs: bool,
) -> RankFit | None:
    """Return an exact fit of the rows by reweighting, or None if no run reaches one.

    Attempt 0 begins at the matrix 0, the others at random matrices. Unless one of them fits exactly with as many
    degrees of freedom as rows, which a matrix of any rank allows, a last run may climb from rank to rank.

    Args:
        session: Session that makes the runs.
        objective: Objective of the fitted rows.
        rows: Number of fitted rows.
        bound: Largest rank; None for the largest that the rows allow.
        settings: Settings of the recovery.
        attempts: Numbers of the attempts to make.
        climbs: True to make the climb.
    """
    stop = Stop(residual=settings.target, watch_holdout=False)

    def run(solver: ReweightedWN, attempt: int, stage: str) -> RankFit:
        point = _start(objective, settings.seed, attempt)
        return RankFit(objective, session.run(objective, solver, point, stop, stage, is_search=True), rows)

    plain = ReweightedWN(bound)
    is_overfit = False
    for attempt in attempts:
        fit = run(plain, attempt, "reweighting" if attempt == 0 else f"reweighting, start {attempt + 1}")
        is_exact = fit.is_exact(settings.tolerance)
        if is_exact and fit.freedom < rows:
            return fit
        is_overfit = is_overfit or is_exact
    # The largest rank leaves so few surplus rows that other matrices fit them too; one rank less is surer.
    largest = plain.bound(objective) - 1 if bound is None else bound
    if is_overfit or largest == 0 or not climbs:
        return None
    fit = run(ReweightedWN(largest, climbs=True), 0, "reweighting, climb")
    return fit if fit.is_exact(settings.tolerance) and fit.freedom < rows else None


def _start(objective: SensingObjective, seed: int, attempt: int) -> LowRank:
    """Return the first point of an attempt."""
    if attempt == 0:
        return zero_matrix(objective.problem.operator)
    generator = torch.Generator().manual_seed(seed + attempt)
    return haar_start(
        objective, min(_START_RANK, *objective.problem.operator.shape), magnitude=1.0, generator=generator
    )
