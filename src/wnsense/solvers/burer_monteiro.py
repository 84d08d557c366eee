"""Gradient descent on the Burer-Monteiro factor, what weight normalization is compared with."""

from dataclasses import dataclass, replace

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.factors import balanced_factors, require_factorable
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class GradientDescent:
    """Y+ = Y - eta R Y on f(Y) = 1/4 ||M(Y Y^H) - y||^2; L+ = L - eta R Q, Q+ = Q - eta R^H L on Z = L Q^H.

    Sublinear from a random start once r > r_A (Xiong, Ding, Du, arXiv 2310.01769). A step costs 2 applications. The
    point is kept as LowRank(Y, I).

    Attributes:
        step_size: eta, for an answer of unit norm.
    """

    step_size: float = 0.5

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Fold the magnitude into the factor: Y = X |Theta|^{1/2}.

        Raises:
            InputError: For kind symmetric, since Y Y^T has no negative eigenvalues.
        """
        require_factorable(objective, "gradient descent")
        return State(objective.evaluate(balanced_factors(point)), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """One gradient step."""
        at = state.evaluation
        X = at.point.X - self.step_size * at.left
        Y = None
        if at.point.Y is not None and at.right is not None:
            Y = at.point.Y - self.step_size * at.right
        moved = objective.evaluate(LowRank(X, at.point.Theta, Y))
        return replace(state, evaluation=moved, applications=state.applications + 2)
