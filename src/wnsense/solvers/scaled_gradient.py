"""Scaled gradient descent on balanced factors and its damped relatives: one step, three rules for the damping.

Each moves L and Q (Y and Y where one factor serves both sides) from the same point to

    L+ = L - eta R Q (Q^H Q + lambda I)^{-1},   Q+ = Q - eta R^H L (L^H L + lambda I)^{-1}

The sources minimize 1/4 ||M(Y Y^H) - y||^2 and 1/2 ||M(L Q^H) - y||^2, as `SensingObjective` does, so that their
gradients are R Y, R Q and R^H L and their step sizes carry over. A step costs 2 applications.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.factors import balanced_factors, require_factorable
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class ScaledGD:
    """Scaled gradient descent without damping (Tong, Ma, Chi, arXiv 2005.08898): lambda = 0.

    Linear at a rate without the condition number where the rank is exact, from a spectral start (`spectral_start`).
    Where the rank is larger the Gram matrices become singular, and a step is as long as they are close to it: from a
    small random start, or from one whose rank is below its width, it diverges. Published for rectangular unknowns; for
    Y Y^H both factors are one. Kind symmetric is refused.

    Attributes:
        step_size: eta; at most 2/3 in the source's theory, 0.5 in its experiments.
    """

    step_size: float = 0.5

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Fold the magnitude into the factors, which must have full column rank.

        Raises:
            InputError: For kind symmetric.
        """
        return _factored_start(objective, point, "scaled gradient descent")

    def step(self, objective: SensingObjective, state: State) -> State:
        """One step."""
        return _scaled_step(objective, state, self.step_size, torch.zeros_like(state.evaluation.misfit))


@dataclass(frozen=True)
class DampedScaledGD:
    """ScaledGD(lambda), of a fixed lambda (Xu, Shen, Chi, Ma, arXiv 2302.01186).

    Made for surplus rank and a small random start, Y = alpha G (`gaussian_start`): how far down the error comes depends
    on alpha, and the number of steps on its logarithm. Published for Y Y^H; rectangular points are taken with the same
    damping on both sides, which is our reading. Kind symmetric is refused.

    Attributes:
        step_size: eta; the source asks for a small constant.
        damping: lambda, against 1 for the largest singular value of the answer. The source asks for a small part of the
            least one, which nobody knows beforehand. At surplus rank a lambda far below what the measurements scatter
            lets surplus directions grow whatever alpha is, and then they go down no faster than 1/t.
    """

    step_size: float = 0.5
    damping: float = 1e-3

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Fold the magnitude into the factors.

        Raises:
            InputError: For kind symmetric.
        """
        return _factored_start(objective, point, "damped scaled gradient descent")

    def step(self, objective: SensingObjective, state: State) -> State:
        """One step."""
        damping = torch.full_like(state.evaluation.misfit, self.damping)
        return _scaled_step(objective, state, self.step_size, damping)


@dataclass(frozen=True)
class PreconditionedGD:
    """PrecGD, whose damping goes down with the residual: lambda = c ||q|| (Zhang, Fattahi, Zhang, arXiv 2206.03345).

    Linear at surplus rank too, independent of the condition number, once near the answer: from `spectral_start`, or
    from a random start. The source asks that lambda be within constants of the distance to the answer, and takes the
    root of the objective, which would be c = 1/2 here. Published for Y Y^H; rectangular points are taken with the same
    damping on both sides, which is our reading. Kind symmetric is refused.

    Attributes:
        step_size: eta.
        damping: c; 1/2 was seen to cost up to 14% more than 0.1 does, and 1 up to 70%.
    """

    step_size: float = 0.5
    damping: float = 0.1

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Fold the magnitude into the factors.

        Raises:
            InputError: For kind symmetric.
        """
        return _factored_start(objective, point, "preconditioned gradient descent")

    def step(self, objective: SensingObjective, state: State) -> State:
        """One step."""
        return _scaled_step(objective, state, self.step_size, self.damping * state.evaluation.misfit)


def _factored_start(objective: SensingObjective, point: LowRank, method: str) -> State:
    require_factorable(objective, method)
    return State(objective.evaluate(balanced_factors(point)), 2)


def _scaled_step(
    objective: SensingObjective, state: State, step_size: float, damping: Float[Tensor, "*batch"]
) -> State:
    """The step that all of them take, with their damping for each of a batch."""
    at = state.evaluation
    L, Q = at.point.X, at.point.Y
    moved_L = L - step_size * _scaled(at.left, L if Q is None else Q, damping)
    moved_Q = None
    if Q is not None and at.right is not None:
        moved_Q = Q - step_size * _scaled(at.right, L, damping)
    moved = objective.evaluate(LowRank(moved_L, at.point.Theta, moved_Q))
    return replace(state, evaluation=moved, applications=state.applications + 2)


def _scaled(
    gradient: Inexact[Tensor, "*batch m1 r"], factor: Inexact[Tensor, "*batch m2 r"], damping: Float[Tensor, "*batch"]
) -> Inexact[Tensor, "*batch m1 r"]:
    """G (F^H F + lambda I)^{-1}; not finite where that is singular, which the loop calls diverged."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    gram = factor.mH @ factor + damping[..., None, None] * identity
    scaled: Tensor = torch.linalg.solve_ex(gram, gradient, left=False).result
    return scaled
