"""Gradient steps on the matrix itself, truncated to a rank."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Inexact
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.solver import State
from wnsense.solvers.subspace import Products, dominant_part


@dataclass(frozen=True)
class SingularValueProjection:
    """SVP (Jain, Meka, Dhillon, arXiv 0909.5457, Algorithm 1): `Z+ = P_r(Z - eta M*(M(Z) - y))`.

    `P_r` is the best approximation of rank r, of any signature. The source minimizes `1/2 ||M(Z) - y||^2` over matrices
    of that rank. Its gradient `M*(M(Z) - y)` is `R` here, also for symmetric kinds with their factor 1/4. Its start is
    `Z = 0`: `haar_start(objective, rank, magnitude=0)`, whose frame starts the first subspace iteration. All kinds are
    possible.

    `B = Z - eta R` is never formed. Its dominant part comes from subspace iteration. The iteration starts at
    `[X, B X]`, twice as wide as the rank, which the gradient gives. Each of its steps takes one application of `M*`, or
    two if `B` is not symmetric. A step costs `2 + subspace_steps` applications, `2 + 2 subspace_steps` for rectangular
    unknowns. The error against the exact truncation decreases with the singular values of `B` beyond 2 r.

    Attributes:
        step_size: Step size `eta`; `1/(1 + delta)` in the source, 3/4 at the limit of its theory (`delta = 1/3`) and in
            its program.
        subspace_steps: Steps of subspace iteration for each truncation, at least 1.
    """

    step_size: float = 0.75
    subspace_steps: int = 1

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, in orthonormal form; the width of the point is the rank of the run."""
        return State(objective.evaluate(point.framed()), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after a gradient step and its truncation."""
        at, eta = state.evaluation, self.step_size
        operator, Z = objective.problem.operator, at.point
        v = objective.calibration.balance_transpose(at.balanced)
        B = Products(lambda V: Z @ V - eta * operator.adjoint_times(v, V))
        if Z.Y is not None:
            B = replace(B, transpose_times=lambda U: Z.mH @ U - eta * operator.adjoint_transpose_times(v, U))
        moved = dominant_part(B, _first_block(at, eta), self.subspace_steps).truncate(Z.width)
        applications = state.applications + 2 + B.cost(self.subspace_steps)
        return replace(state, evaluation=objective.evaluate(moved), applications=applications)


def _first_block(at: Evaluation, step_size: float) -> Inexact[Tensor, "*batch m2 k"]:
    """Return `[X, B X]`, or `[Y, B^H X]`: a first basis of the dominant right subspace, without an application."""
    Z = at.point
    if Z.Y is None or at.right is None:
        return torch.cat([Z.X, Z @ Z.X - step_size * at.left], dim=-1)
    return torch.cat([Z.Y, Z.mH @ Z.X - step_size * at.right], dim=-1)
