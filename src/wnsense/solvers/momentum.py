"""Gradient descent on the factors with momentum."""

from dataclasses import dataclass, replace

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.factors import factored_start
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class MomentumState(State):
    """State of `MomentumGradientDescent`.

    Attributes:
        previous: Point `U` after the last gradient step, without momentum.
    """

    previous: LowRank


@dataclass(frozen=True)
class MomentumGradientDescent:
    """MiFGD (Kim, Kollias, Kalev, Wei, Kyrillidis, arXiv 2104.07006): factored gradient descent with momentum.

        U+ = Z - eta M*(M(Z Z^H) - y) Z
        Z+ = U+ + mu (U+ - U)

    The source minimizes `1/2 ||M(U U^H) - y||^2` and omits the factor 2 of its gradient, so that its `eta` is the same
    as here. `Z` is evaluated and reported; `U` has the same limit. The source's programs scale a state to its trace; no
    trace is known here. The source treats complex `U U^H`; rectangular points move `L` and `Q` alike, an extension made
    here. Kind symmetric is refused. A step costs 2 applications.

    Attributes:
        step_size: Step size `eta`. The source's theory has about 1/4 over the largest eigenvalue of the first point,
            which is close to 1 here for a spectral start (`spectral_start`); its programs also start at random.
        momentum: Momentum `mu`; 3/4 in the authors' example, far more than the theory allows.
    """

    step_size: float = 0.25
    momentum: float = 0.75

    def start(self, objective: SensingObjective, point: LowRank) -> MomentumState:
        """Return the first state, with balanced factors and without momentum, `Z = U`.

        Raises:
            InputError: If the kind is symmetric.
        """
        first = factored_start(objective, point, "gradient descent with momentum")
        return MomentumState(first.evaluation, first.applications, first.evaluation.point)

    def step(self, objective: SensingObjective, state: MomentumState) -> MomentumState:
        """Return the state after one step."""
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
