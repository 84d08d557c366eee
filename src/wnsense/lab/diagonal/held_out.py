"""Choice of the point of a run that predicts held-out rows best."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.checks import InputError
from wnsense.lab.diagonal.diagonal_network import (
    DiagonalEvaluation,
    DiagonalObjective,
    DiagonalSolver,
    DiagonalState,
    Weights,
)

_NO_ROWS = "needed rows held out, got none; give DiagonalObjective(..., fitted=...) with zeros in it"


@dataclass(frozen=True)
class BestState(DiagonalState):
    """State of `HeldOutBest`.

    Attributes:
        best: Evaluation at the point that predicts the held-out rows best so far.
    """

    best: DiagonalEvaluation

    @property
    def answer(self) -> DiagonalEvaluation:
        """Evaluation at the best point."""
        return self.best


@dataclass(frozen=True)
class HeldOutBest:
    """Steps of another solver; the answer is the point with the least held-out residual (early stopping afterwards).

    `Stop(stagnation=...)` ends the run when the held-out residual no longer falls.

    Attributes:
        solver: Solver of the steps; its state is a `DiagonalState`.
    """

    solver: DiagonalSolver[DiagonalState]

    def start(self, objective: DiagonalObjective, point: Weights) -> BestState:
        """Return the state at the first point, which is the best one.

        Raises:
            InputError: If no rows are held out.
        """
        if objective.fitted is None or bool((objective.fitted == 1).all()):
            raise InputError(_NO_ROWS)
        at = self.solver.start(objective, point)
        return BestState(at.evaluation, at.applications, at.taken, at.evaluation)

    def step(self, objective: DiagonalObjective, state: BestState) -> BestState:
        """Return the state after one step; the comparison stays on the device."""
        inner = DiagonalState(state.evaluation, state.applications, state.taken)
        at = self.solver.step(objective, inner)
        now, before = (_held_residual(objective, evaluation) for evaluation in (at.evaluation, state.best))
        return BestState(at.evaluation, at.applications, at.taken, _select(now < before, at.evaluation, state.best))


def _held_residual(objective: DiagonalObjective, at: DiagonalEvaluation) -> Tensor:
    residual = objective.holdout_residual(at.residual)
    if residual is None:
        raise InputError(_NO_ROWS)
    return residual


def _select(condition: Tensor, first: DiagonalEvaluation, second: DiagonalEvaluation) -> DiagonalEvaluation:
    """Return the first evaluation where the condition holds and the second elsewhere, for each of a batch."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition[(..., *[None] * (a.dim() - condition.dim()))], a, b)

    r1, r2 = first.point.magnitude, second.point.magnitude
    magnitude = None if r1 is None or r2 is None else pick(r1, r2)
    return DiagonalEvaluation(
        Weights(pick(first.point.direction, second.point.direction), magnitude),
        pick(first.residual, second.residual),
        pick(first.misfit, second.misfit),
        pick(first.gradient, second.gradient),
    )
