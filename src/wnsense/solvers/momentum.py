"""Gradient descent on the factors with momentum."""

from dataclasses import dataclass, replace

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.factors import balanced_factors, require_factorable
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class MomentumState(State):
    """The state with the point that the last gradient step came to; the state's own point is beyond it.

    Attributes:
        previous: U, what momentum is counted from.
    """

    previous: LowRank


@dataclass(frozen=True)
class MomentumGradientDescent:
    """MiFGD (Kim, Kollias, Kalev, Wei, Kyrillidis, arXiv 2104.07006): factored gradient descent with momentum.

        U+ = Z - eta M*(M(Z Z^H) - y) Z
        Z+ = U+ + mu (U+ - U)

    The source minimizes 1/2 ||M(U U^H) - y||^2 and leaves out the factor 2 of its gradient, so that its eta is ours.
    Z is what is evaluated and reported, and U is kept; they have the same limit. The source's programs scale a state to
    the trace that it must have; no trace is known here. Published for U U^H, complex; rectangular points move L and Q
    alike, which is our reading. Kind symmetric is refused. A step costs 2 applications.

    Attributes:
        step_size: eta. The source's theory has about 1/4 over the largest eigenvalue of the first point, which is close
            to 1 here when it is spectral (`spectral_start`); its programs begin at random too.
        momentum: mu; 3/4 in the authors' example, far more than the theory allows.
    """

    step_size: float = 0.25
    momentum: float = 0.75

    def start(self, objective: SensingObjective, point: LowRank) -> MomentumState:
        """Fold the magnitude into the factor; without momentum at first, Z = U.

        Raises:
            InputError: For kind symmetric, which U U^H cannot hold.
        """
        require_factorable(objective, "gradient descent with momentum")
        at = objective.evaluate(balanced_factors(point))
        return MomentumState(at, 2, at.point)

    def step(self, objective: SensingObjective, state: MomentumState) -> MomentumState:
        """One step."""
        at, U = state.evaluation, state.previous
        eta, mu = self.step_size, self.momentum
        moved = at.point.X - eta * at.left
        beyond = moved + mu * (moved - U.X)
        moved_right, beyond_right = None, None
        if at.point.Y is not None and at.right is not None and U.Y is not None:
            moved_right = at.point.Y - eta * at.right
            beyond_right = moved_right + mu * (moved_right - U.Y)
        return replace(
            state,
            evaluation=objective.evaluate(LowRank(beyond, at.point.Theta, beyond_right)),
            applications=state.applications + 2,
            previous=LowRank(moved, at.point.Theta, moved_right),
        )
