"""Choice of a smoothing: reweighting until the held-out rows are predicted no better."""

from dataclasses import dataclass, replace

from wnsense.checks import require
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.reweighted import ReweightedState, ReweightedWN
from wnsense.solvers.solver import State
from wnsense.values import by_value

# Reweightings after the best one. The held-out residual along the smoothing has one minimum, which is flat.
_PATIENCE = 2


@dataclass(frozen=True)
@by_value
class SmoothedEvaluation(Evaluation):
    """Evaluation of a point of a reweighting.

    Attributes:
        level: Smoothing `eps` of the weights at the point.
    """

    level: float = 0.0

    @classmethod
    def of(cls, state: ReweightedState) -> "SmoothedEvaluation":
        """Return the evaluation of the present point of a reweighting."""
        at = state.evaluation
        return cls(at.point, at.residual, at.balanced, at.left, at.right, state.level)


@dataclass(frozen=True)
@by_value
class LevelState(State):
    """State of `LevelSearch`.

    Attributes:
        reweighting: State of the reweighting.
        best: Evaluation of the point that predicts the held-out rows best so far.
        misfit: Held-out misfit of that point.
        idle: Reweightings since that point.
    """

    reweighting: ReweightedState
    best: SmoothedEvaluation
    misfit: float
    idle: int

    @property
    def answer(self) -> SmoothedEvaluation:
        """Evaluation of the point that predicts the held-out rows best."""
        return self.best

    @property
    def is_at_rest(self) -> bool:
        """True if the last reweightings predicted no better, or changed little."""
        return self.idle >= _PATIENCE or self.reweighting.is_at_rest


@dataclass(frozen=True)
class LevelSearch:
    """Reweighting whose smoothing is chosen by the held-out rows.

    `ReweightedWN` minimizes a weighted norm among the matrices that fit. While its smoothing `eps` falls, singular
    values above `eps` are followed, and smaller ones are shrunk. An exact answer of low rank is reached at `eps = 0`.
    If the spectrum decays without a gap, the error falls at first and then rises. The answer is the point that predicts
    the held-out rows best; its rank follows from the smoothing.
    """

    def start(self, objective: SensingObjective, point: LowRank) -> LevelState:
        """Return the first state, that of `ReweightedWN`.

        Raises:
            InputError: If no rows are held out, or the point is a batch.
        """
        require(objective.fitted is not None, "held-out rows, which choose the smoothing", "none")
        first = ReweightedWN().start(objective, point)
        misfit = float(objective.holdout_misfit(first.evaluation.residual))
        return LevelState(first.evaluation, first.applications, first, SmoothedEvaluation.of(first), misfit, 0)

    def step(self, objective: SensingObjective, state: LevelState) -> LevelState:
        """Return the state after a step of the reweighting."""
        after = ReweightedWN().step(objective, state.reweighting)
        moved = replace(state, evaluation=after.evaluation, applications=after.applications, reweighting=after)
        if after.evaluation is state.reweighting.evaluation:
            return moved
        misfit = float(objective.holdout_misfit(after.evaluation.residual))
        if misfit < state.misfit:
            return replace(moved, best=SmoothedEvaluation.of(after), misfit=misfit, idle=0)
        return replace(moved, idle=state.idle + 1)
