"""The run that shows the rank: no wider than what is seen, and probes beside it that tell what is missed."""

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

# Directions carried beside the point.
PROBES = 2
# Steps in which the residual must halve for the run to go on as it is.
_PATIENCE = 7
# Directions that were added must have lowered the misfit so far before the next ones are.
_WORTH = 0.5


@dataclass
class RankAdaptation:
    """Weight normalization whose rank follows what the measurements show, both ways.

    It begins with the directions that stand out of the echo of the back-projected measurements, and one to spare where
    few do at first. Then, whichever comes first:

    - a probe stands out of the echo of what is left: the point misses a direction, which is added at the size seen;
    - the spectrum shows a gap that the misfit does not explain: what lies below it is dropped;
    - nothing moves any more: with all directions in use there is half as much again, up to what the measurements bear;
      above that one more, if the last ones were worth it. Otherwise this is the end.

    A few steps more than needed cost less than a rank that is wrong. Directions that were added are not dropped here.

    Attributes:
        session: What pays for the runs.
        objective: What is fitted.
        tolerance: The relative residual that counts as exact.
        rows: The number of rows fitted.
        working: The largest width that surplus directions may make.
        limit: The largest width that directions which are missed may make.
        drift: Of the solver.
        least: The width below which nothing is dropped.
        bar: The misfit below which directions may be added.
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
        """From a first point to where the rank is plain, or nothing more can be seen."""
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
        """Where the next run begins; None when there is none."""
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
        """How many directions to add."""
        if float(at.misfit) > self.bar:
            return 0
        return min(outstanding(self.objective, at, self.rows), self.limit - at.point.width)

    def _plain(self, at: Evaluation) -> int | None:
        """The rank to drop to."""
        rank = plain_rank(self.objective, at, self.rows)
        return rank if rank is not None and rank >= self.least else None
