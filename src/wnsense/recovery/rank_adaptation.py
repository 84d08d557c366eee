"""Overparameterized run that adapts its rank to the measurements, with probes for missed directions."""

from dataclasses import dataclass
from functools import cached_property

import torch

from wnsense.recovery.evidence.spectral_rank import back_projection_level, outstanding, plain_rank, visible_rank
from wnsense.recovery.evidence.verdict import VISIBLE_LEVEL
from wnsense.recovery.session import Session, resized
from wnsense.running.stop import Stop
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import Evaluation, SensingObjective

# Number of probe directions carried beside the point.
PROBES = 2
# Steps within which the residual must halve for the run to go on at its rank.
_PATIENCE = 7
# Factor by which added directions must have lowered the misfit before more are added.
_WORTH = 0.5


@dataclass
class RankAdaptation:
    """Weight normalization with rank adaptation: directions are added and dropped as the measurements show.

    The run begins with the singular values of the back-projected measurements that exceed their noise level, plus one
    direction where rows are few. It is then changed by the first of these events:

    - A probe exceeds the noise level of the back-projected residual. The point misses a direction, which is added with
      the size that the probe shows.
    - The spectrum shows a gap that the misfit does not explain. The directions below the gap are dropped.
    - The residual stagnates. If all directions are in use, the width grows by half, up to the working rank. Above it
      one direction is added if the last ones lowered the misfit enough. Otherwise the run ends.

    A few superfluous steps cost less than a wrong rank. Directions that were added are not dropped here.

    Attributes:
        session: Session that makes the runs and counts their cost.
        objective: Objective of the fitted rows.
        tolerance: Relative residual that counts as exact.
        rows: Number of fitted rows.
        working: Working rank, the largest width that stagnation may lead to.
        limit: Largest width that missed directions may lead to.
        drift: Drift of the solver, see `ConjugateWN`.
        least: Width below which no direction is dropped.
        bar: Misfit below which directions may be added.
    """

    session: Session
    objective: SensingObjective
    tolerance: float
    rows: int
    working: int
    limit: int
    drift: float
    least: int = 1
    bar: float = float("inf")

    @cached_property
    def level(self) -> float:
        """The noise level of the back-projected residual, for a residual of unit norm."""
        return back_projection_level(self.objective.problem.operator, self.rows)

    def run(self, point: LowRank) -> Evaluation:
        """Run from a first point until the rank is plain or no direction can be added; return the last evaluation."""
        solver = ConjugateWN(self.drift, PROBES)
        stop = Stop(
            residual=self.tolerance / 10,
            goal=lambda at: self._missed(at) > 0 or self._plain(at) is not None,
            stagnation=_PATIENCE,
            gain=0.5,
            watch_holdout=self.objective.calibration.trace_direction is None,
        )
        following: LowRank | None = resized(point, self._first_width(point))
        while following is not None:
            stage = f"overparameterized, rank {following.width}"
            at = self.session.run(self.objective, solver, following, stop, stage)
            following = self._following(at)
        return at

    def _first_width(self, point: LowRank) -> int:
        unexplained = torch.linalg.vector_norm(self.objective.calibration.balance(self.objective.target))
        shown = int((point.singular_values() > self.level * float(unexplained)).sum())
        return min(max(shown + (self.level > VISIBLE_LEVEL), 1), self.working)

    def _following(self, at: Evaluation) -> LowRank | None:
        """Return the first point of the next run, or None at the end."""
        width = at.point.width
        if float(self.objective.relative_residual(at.residual)) <= self.tolerance:
            return None
        missed = self._missed(at)
        if missed and at.beyond is not None:
            self.least, self.bar = width + missed, _WORTH * float(at.misfit)
            return resized(at.point.plus(at.beyond.truncate(missed)), self.least)
        plain = self._plain(at)
        if plain is not None:
            return resized(at.point, plain)
        if width >= self.limit or visible_rank(self.objective, at, self.rows) < width:
            return None
        if width < self.working:
            self.least = min((3 * width + 1) // 2, self.working)
        elif float(at.misfit) <= self.bar:
            self.least, self.bar = width + 1, _WORTH * float(at.misfit)
        else:
            return None
        return resized(at.point if at.beyond is None else at.point.plus(at.beyond), self.least)

    def _missed(self, at: Evaluation) -> int:
        """Return the number of directions to add."""
        if float(at.misfit) > self.bar:
            return 0
        return min(outstanding(self.objective, at, self.rows), self.limit - at.point.width)

    def _plain(self, at: Evaluation) -> int | None:
        """Return the rank to which directions are dropped, or None to drop none."""
        rank = plain_rank(self.objective, at, self.rows)
        return rank if rank is not None and rank >= self.least else None
