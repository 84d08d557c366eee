"""Undamped Gauss-Newton on the manifold of matrices of one rank, by recursive importance sketching."""

from dataclasses import dataclass, replace

import torch

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.gauss_newton import least_squares_step
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class RecursiveSketching:
    """RISRO (Luo, Huang, Li, Zhang, arXiv 2011.08360): least squares over the tangent space, then back to rank r.

        xi  = argmin ||q + T D M(xi)|| over tangent vectors at X Theta Y^H
        Z+  = the best approximation of rank r of Z + xi

    Quadratic at the end, from a spectral start (`spectral_start`) of the exact rank. The source solves the least
    squares directly; here it is conjugate gradients in orthonormal coordinates of the tangent space, for as many steps
    as are asked for, which is exact enough to be quadratic where they are many. The source's retraction is the
    orthographic one, and its authors' program offers truncation beside it; they agree to second order. All kinds are
    taken; for kind psd nothing keeps eigenvalues from being negative on the way. `GaussNewton` is the same with damping
    and a safeguard. A step costs 2 (inner_steps + 1) applications.

    Attributes:
        inner_steps: Steps of conjugate gradients for each outer one.
    """

    inner_steps: int = 10

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Evaluate the first point in orthonormal form; its width is the rank for good."""
        return State(objective.evaluate(point.orthonormal()), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """One outer step."""
        at = state.evaluation
        xi = least_squares_step(objective, at, torch.zeros_like(at.misfit), self.inner_steps)
        moved = at.point.plus(xi.at(at.point)).truncate(at.point.width)
        applications = state.applications + 2 * self.inner_steps + 2
        return replace(state, evaluation=objective.evaluate(moved), applications=applications)
