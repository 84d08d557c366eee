"""Interface of solvers, and the state that they share."""

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class State:
    """State of a solver; solvers with further state extend it by fields of their own.

    Attributes:
        evaluation: Evaluation of the present point, in scaled units.
        applications: Applications of `M` and `M*` in this run, without the calibration of the objective.
    """

    evaluation: Evaluation
    applications: int

    @property
    def answer(self) -> Evaluation:
        """Evaluation to report if the run ends here: that of the best point, which may not be the present one."""
        return self.evaluation

    @property
    def is_at_rest(self) -> bool:
        """True if further steps would change nothing that matters; the run then ends as STAGNATED."""
        return False


S = TypeVar("S", bound=State)


@runtime_checkable
class Solver(Protocol[S]):
    """Solver: frozen settings with two functions; it has no state, prints nothing and does not loop."""

    def start(self, objective: SensingObjective, point: LowRank) -> S:
        """Return the state at the first point.

        Raises:
            InputError: If the solver cannot treat the objective's kind.
        """
        ...

    def step(self, objective: SensingObjective, state: S) -> S:
        """Return the state after one step."""
        ...


def choose_point(condition: Bool[Tensor, "*batch"], first: LowRank, second: LowRank) -> LowRank:
    """Return the first point where the condition holds and the second elsewhere, for each of a batch."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition[..., None, None], a, b)

    Y = None if first.Y is None or second.Y is None else pick(first.Y, second.Y)
    return LowRank(pick(first.X, second.X), pick(first.Theta, second.Theta), Y)


def choose(condition: Bool[Tensor, "*batch"], first: Evaluation, second: Evaluation) -> Evaluation:
    """Return the first evaluation where the condition holds and the second elsewhere, for each of a batch."""
    if condition.dim() == 0 and condition.device.type == "cpu":
        return first if condition else second

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition.reshape(*condition.shape, *[1] * (a.dim() - condition.dim())), a, b)

    right = None if first.right is None or second.right is None else pick(first.right, second.right)
    return Evaluation(
        choose_point(condition, first.point, second.point),
        pick(first.residual, second.residual),
        pick(first.balanced, second.balanced),
        pick(first.left, second.left),
        right,
    )
