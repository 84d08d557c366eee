"""Algorithm 1 of arXiv 2510.01175: Riemannian gradient descent with generalized weight normalization."""

from dataclasses import dataclass, replace

from wnsense.linalg import symmetric_part
from wnsense.manifolds import Retraction, tangent_projection
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class WeightNormalizedGD:
    """Alternating steps on the direction X on the Stiefel manifold and the magnitude Theta (arXiv 2510.01175, Alg. 1).

        G       = tangent projection of grad_X f = R X Theta at X
        X+      = retract(X, -eta G)
        Theta+  = Theta - mu K,   K = grad_Theta f(X+, Theta) = 1/2 X+^H R X+

    Rectangular points move X and Y alike and then Theta. Each step costs 4 applications, since Theta's gradient is
    taken at the new X.

    Attributes:
        step_size: eta.
        magnitude_step_size: mu; 2 makes Theta the exact minimizer where M*M is the identity.
        retraction: How X returns to the manifold.
    """

    step_size: float = 1.0
    magnitude_step_size: float = 2.0
    retraction: Retraction = Retraction.POLAR

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Evaluate the first point, made orthonormal."""
        return State(objective.evaluate(point.framed()), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """One alternating step."""
        at = state.evaluation
        X, Theta, Y = at.point.X, at.point.Theta, at.point.Y
        eta, mu = self.step_size, self.magnitude_step_size

        X = self.retraction(X, -eta * tangent_projection(X, at.left @ Theta.mH))
        if Y is not None and at.right is not None:
            Y = self.retraction(Y, -eta * tangent_projection(Y, at.right @ Theta))
        at = objective.evaluate(LowRank(X, Theta, Y))
        K = X.mH @ at.left
        if Y is None:
            K = symmetric_part(K)
        at = objective.evaluate(LowRank(X, Theta - mu / 2 * K, Y))
        return replace(state, evaluation=at, applications=state.applications + 4)
