"""Gradient descent on the Burer-Monteiro factor, the baseline of weight normalization."""

from dataclasses import dataclass, replace

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.factors import factored_start
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class GradientDescent:
    """Gradient descent on the factors of `Z = Y Y^H` or `Z = L Q^H`.

        Y+ = Y - eta R Y                            on f(Y) = 1/4 ||M(Y Y^H) - y||^2
        L+ = L - eta R Q,  Q+ = Q - eta R^H L       on f(L, Q) = 1/2 ||M(L Q^H) - y||^2

    From a random start, convergence is sublinear for r > r_A (Xiong, Ding, Du, arXiv 2310.01769). A step costs 2
    applications. The point is stored as `LowRank(Y, I)`.

    Attributes:
        step_size: Step size `eta`, for an answer of unit norm.
    """

    step_size: float = 0.5

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, with balanced factors."""
        return factored_start(objective, point, "gradient descent")

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after a gradient step."""
        at = state.evaluation
        X = at.point.X - self.step_size * at.left
        Y = None
        if at.point.Y is not None and at.right is not None:
            Y = at.point.Y - self.step_size * at.right
        moved = objective.evaluate(LowRank(X, at.point.Theta, Y))
        return replace(state, evaluation=moved, applications=state.applications + 2)
