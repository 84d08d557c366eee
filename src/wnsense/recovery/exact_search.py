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
    session: Session, objective: SensingObjective, rows: int, bound: int | None, settings: Settings, *, tries: int
) -> RankFit | None:
    """Return an exact fit of the rows by reweighting, or None if no run reaches one.

    The first run begins at the matrix 0, the others at random matrices.

    Args:
        session: Session that makes the runs.
        objective: Objective of the fitted rows.
        rows: Number of fitted rows.
        bound: Largest rank; None for the largest that the rows allow.
        settings: Settings of the recovery.
        tries: Number of runs.
    """
    solver = ReweightedWN(bound)
    stop = Stop(residual=settings.target, watch_holdout=False)
    for attempt in range(tries):
        stage = "reweighting" if attempt == 0 else f"reweighting, start {attempt + 1}"
        at = session.run(objective, solver, _start(objective, settings.seed, attempt), stop, stage, is_search=True)
        fit = RankFit(objective, at, rows)
        if fit.is_exact(settings.tolerance) and fit.freedom < rows:
            return fit
    return None


def _start(objective: SensingObjective, seed: int, attempt: int) -> LowRank:
    """Return the first point of an attempt."""
    if attempt == 0:
        return zero_matrix(objective.problem.operator)
    generator = torch.Generator().manual_seed(seed + attempt)
    return haar_start(
        objective, min(_START_RANK, *objective.problem.operator.shape), magnitude=1.0, generator=generator
    )
