"""How a point moves: the interface of solvers, and the state that all of them share."""

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective


@dataclass(frozen=True)
class State:
    """Where a solver is. Solvers that remember more extend it with fields of their own.

    Attributes:
        evaluation: The point, with the residual and back-projection evaluated at that very point.
        applications: Applications of M and M* in this run, without the calibration of the objective.
    """

    evaluation: Evaluation
    applications: int

    @property
    def point(self) -> LowRank:
        """The present point, in scaled units."""
        return self.evaluation.point

    @property
    def answer(self) -> Evaluation:
        """What to report if the run ends here: the best point known, which need not be the present one."""
        return self.evaluation


S = TypeVar("S", bound=State)


@runtime_checkable
class Solver(Protocol[S]):
    """A frozen set of hyper-parameters with two functions; it holds no state, prints nothing and never loops."""

    def start(self, objective: SensingObjective, point: LowRank) -> S:
        """The state at the first point.

        Raises:
            InputError: If the solver cannot treat the objective's kind.
        """
        ...

    def step(self, objective: SensingObjective, state: S) -> S:
        """The state one step on."""
        ...


def choose_point(condition: Bool[Tensor, "*batch"], first: LowRank, second: LowRank) -> LowRank:
    """The first point where the condition holds and the second elsewhere, for each of a batch, on the device."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition[..., None, None], a, b)

    Y = None if first.Y is None or second.Y is None else pick(first.Y, second.Y)
    return LowRank(pick(first.X, second.X), pick(first.Theta, second.Theta), Y)


def choose(condition: Bool[Tensor, "*batch"], first: Evaluation, second: Evaluation) -> Evaluation:
    """The first evaluation where the condition holds and the second elsewhere, for each of a batch."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition.reshape(*condition.shape, *[1] * (a.dim() - condition.dim())), a, b)

    right = None if first.right is None or second.right is None else pick(first.right, second.right)
    beyond = None
    if first.beyond is not None and second.beyond is not None:
        beyond = choose_point(condition, first.beyond, second.beyond)
    return Evaluation(
        choose_point(condition, first.point, second.point),
        pick(first.residual, second.residual),
        pick(first.balanced, second.balanced),
        pick(first.left, second.left),
        right,
        beyond,
    )
