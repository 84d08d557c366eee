"""Scaled gradient descent on balanced factors: one step, three rules for the damping.

Each step moves `L` and `Q` (or the single factor `Y`) from the same point to

    L+ = L - eta R Q (Q^H Q + lambda I)^{-1},   Q+ = Q - eta R^H L (L^H L + lambda I)^{-1}

The sources minimize `1/4 ||M(Y Y^H) - y||^2` and `1/2 ||M(L Q^H) - y||^2`, as `SensingObjective` does. Their gradients
are thus `R Y`, `R Q` and `R^H L`, and their step sizes are the same. A step costs 2 applications.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.factors import factored_start
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class ScaledGD:
    """Scaled gradient descent without damping (Tong, Ma, Chi, arXiv 2005.08898): `lambda = 0`.

    From a spectral start (`spectral_start`) of the exact rank, convergence is linear at a rate independent of the
    condition number. At surplus rank the Gram matrices become singular, and steps become long. From a small random
    start, or from a point of rank below its width, it diverges. Published for rectangular unknowns; `Y Y^H` has equal
    factors. Kind symmetric is refused.

    Attributes:
        step_size: Step size `eta`; at most 2/3 in the source's theory, 0.5 in its experiments.
    """

    step_size: float = 0.5

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, with balanced factors of full column rank."""
        return factored_start(objective, point, "scaled gradient descent")

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after one step."""
        return _scaled_step(objective, state, self.step_size, torch.zeros_like(state.evaluation.misfit))


@dataclass(frozen=True)
class DampedScaledGD:
    """ScaledGD(lambda), with a fixed `lambda` (Xu, Shen, Chi, Ma, arXiv 2302.01186).

    It is made for surplus rank and a small random start, `Y = alpha G` (`gaussian_start`). The final error depends on
    `alpha`, and the number of steps on its logarithm. Published for `Y Y^H`; rectangular points have the same damping
    on both sides, an extension made here. Kind symmetric is refused.

    Attributes:
        step_size: Step size `eta`; a small constant in the source.
        damping: Damping `lambda`, relative to a largest singular value of 1. The source has a small fraction of the
            least singular value, which is unknown beforehand. At surplus rank, a `lambda` far below the scatter of the
            measurements lets surplus directions grow for any `alpha`; they then decrease no faster than 1/t.
    """

    step_size: float = 0.5
    damping: float = 1e-3

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, with balanced factors."""
        return factored_start(objective, point, "damped scaled gradient descent")

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after one step."""
        damping = torch.full_like(state.evaluation.misfit, self.damping)
        return _scaled_step(objective, state, self.step_size, damping)


@dataclass(frozen=True)
class PreconditionedGD:
    """PrecGD, with damping proportional to the residual: `lambda = c ||q||` (Zhang, Fattahi, Zhang, arXiv 2206.03345).

    Near the answer, as from `spectral_start`, or from a random start, convergence is linear, independent of the
    condition number, also at surplus rank. The source needs `lambda` within constants of the distance to the answer,
    and takes the root of the objective, `c = 1/2` here. Published for `Y Y^H`; rectangular points have the same damping
    on both sides, an extension made here. Kind symmetric is refused.

    Attributes:
        step_size: Step size `eta`.
        damping: Factor `c`; in experiments 1/2 costs up to 14% more than 0.1, and 1 up to 70%.
    """

    step_size: float = 0.5
    damping: float = 0.1

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, with balanced factors."""
        return factored_start(objective, point, "preconditioned gradient descent")

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after one step."""
        return _scaled_step(objective, state, self.step_size, self.damping * state.evaluation.misfit)


def _scaled_step(
    objective: SensingObjective, state: State, step_size: float, damping: Float[Tensor, "*batch"]
) -> State:
    """Return the state after a scaled step, with a damping for each point of a batch."""
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
    """Return `G (F^H F + lambda I)^{-1}`; it is not finite if the inverse does not exist, and the run is DIVERGED."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    gram = factor.mH @ factor + damping[..., None, None] * identity
    scaled: Tensor = torch.linalg.solve_ex(gram, gradient, left=False).result
    return scaled
