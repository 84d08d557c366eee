"""Gauss-Newton on the manifold of matrices of one rank: second-order steps once the rank is known."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.sensing import row_reductions
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.solver import State, choose
from wnsense.solvers.tangent import Tangent, tangent_part, truncated
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class GaussNewtonState(State):
    """State of `GaussNewton`.

    Attributes:
        damping: Levenberg-Marquardt damping `lambda`, (...).
    """

    damping: Float[Tensor, "*batch"]


@dataclass(frozen=True)
class GaussNewton:
    """Gauss-Newton steps: `xi = argmin ||q + T D M(xi)||^2 + lambda ||xi||^2` over tangent vectors, then truncation.

    This is the least-squares step of recursive importance sketching (Luo, Huang, Li, Zhang, arXiv 2011.08360), by
    conjugate gradients in orthonormal coordinates of the tangent space, with Levenberg-Marquardt damping. A step that
    does not lower the misfit is undone and `lambda` grows fourfold; otherwise it falls fourfold. The rank is that of
    the first point. For kind psd the truncation keeps positive eigenvalues only, so that each iterate is positive
    semidefinite. A step costs `2 (inner_steps + 1)` applications.

    Attributes:
        inner_steps: Steps of conjugate gradients in each outer step.
        first_damping: First `lambda`, for an operator of unit gain.
    """

    inner_steps: int = 8
    first_damping: float = 1e-3

    def start(self, objective: SensingObjective, point: LowRank) -> GaussNewtonState:
        """Return the first state, in orthonormal form."""
        at = objective.evaluate(truncated(point, point.width, objective.kind)[0])
        damping = torch.full_like(at.misfit, self.first_damping)
        return GaussNewtonState(at, 2, damping)

    def step(self, objective: SensingObjective, state: GaussNewtonState) -> GaussNewtonState:
        """Return the state after one outer step."""
        at = state.evaluation
        xi = least_squares_step(objective, at, state.damping, self.inner_steps)
        moved = at.point.plus(xi.at(at.point))
        trial = objective.evaluate(truncated(moved, at.point.width, objective.kind)[0])
        better = trial.misfit < at.misfit
        damping = torch.where(better, (state.damping / 4).clamp(min=1e-14), state.damping * 4)
        return replace(
            state,
            evaluation=choose(better, trial, at),
            applications=state.applications + 2 * self.inner_steps + 2,
            damping=damping,
        )


def least_squares_step(
    objective: SensingObjective, at: Evaluation, damping: Float[Tensor, "*batch"], inner_steps: int
) -> Tangent:
    """Return the solution of `(J^T J + lambda I) xi = -J^T q` by a fixed number of conjugate-gradient steps.

    Steps after convergence change nothing.

    Args:
        objective: Objective to minimize.
        at: Evaluation of a point in orthonormal form.
        damping: Damping `lambda`, (...).
        inner_steps: Number of steps, of 2 applications each.
    """
    residual = at.gradient
    residual = Tangent(-residual.S, -residual.P, None if residual.Q is None else -residual.Q)
    direction = residual
    xi = residual.plus(residual, -torch.ones_like(damping))
    squared = residual.squared_norm()
    floor = squared * 1e-28 + torch.finfo(squared.dtype).tiny
    for _ in range(inner_steps):
        image, left, right = objective.normal_times(direction.at(at.point), at.point.width)
        curvature = row_reductions.squared_norm(image) + damping * direction.squared_norm()
        is_active = squared > floor
        length = torch.where(is_active, squared / curvature.clamp(min=torch.finfo(squared.dtype).tiny), 0)
        xi = xi.plus(direction, length)
        back = tangent_part(at.point, left, right).plus(direction, damping)
        residual = residual.plus(back, -length)
        new_squared = residual.squared_norm()
        ratio = torch.where(is_active, new_squared / squared.clamp(min=torch.finfo(squared.dtype).tiny), 0)
        direction = residual.plus(direction, ratio)
        squared = new_squared
    return xi
