"""Undamped Gauss-Newton on the manifold of matrices of one rank, by recursive importance sketching."""

from dataclasses import dataclass, replace

import torch

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.gauss_newton import least_squares_step
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class RecursiveSketching:
    """RISRO (Luo, Huang, Li, Zhang, arXiv 2011.08360): least squares over the tangent space, then truncation.

        xi  = argmin ||q + T D M(xi)|| over tangent vectors at X Theta Y^H
        Z+  = the best approximation of rank r of Z + xi

    From a spectral start (`spectral_start`) of the exact rank, convergence is quadratic. The source solves the
    least-squares problem directly. Here conjugate gradients take `inner_steps` steps in orthonormal coordinates of the
    tangent space; with many steps convergence stays quadratic. The source's retraction is the orthographic one, and its
    authors' program also has truncation; they agree to second order. All kinds are possible; for kind psd, iterates may
    have negative eigenvalues. `GaussNewton` is the same method with damping and a safeguard. A step costs
    `2 (inner_steps + 1)` applications.

    Attributes:
        inner_steps: Steps of conjugate gradients in each outer step.
    """

    inner_steps: int = 10

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, in orthonormal form; the width of the point is the rank of the run."""
        return State(objective.evaluate(point.orthonormal()), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after one outer step."""
        at = state.evaluation
        xi = least_squares_step(objective, at, torch.zeros_like(at.misfit), self.inner_steps)
        moved = at.point.plus(xi.at(at.point)).truncate(at.point.width)
        applications = state.applications + 2 * self.inner_steps + 2
        return replace(state, evaluation=objective.evaluate(moved), applications=applications)
