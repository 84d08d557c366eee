"""Algorithm 1 of arXiv 2510.01175: Riemannian gradient descent with generalized weight normalization."""

from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from jaxtyping import Inexact
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import symmetric_part
from wnsense.manifolds.stiefel import Retraction, tangent_projection
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


class MagnitudeSet(StrEnum):
    """Set of the cores `Theta`, for the symmetric kinds.

    The paper relaxes `Theta Theta^T` to a symmetric `Theta`, which saves a decomposition in each step. The other two
    are for comparison: PSD projects each step onto the cone, DIAGONAL leaves all rotation to `X`.
    """

    SYMMETRIC = "symmetric"
    PSD = "psd"
    DIAGONAL = "diagonal"

    def project(self, Theta: Inexact[Tensor, "*batch r r"]) -> Inexact[Tensor, "*batch r r"]:
        """Return the element of the set nearest to a Hermitian matrix."""
        if self is MagnitudeSet.SYMMETRIC:
            return Theta
        if self is MagnitudeSet.DIAGONAL:
            return torch.diag_embed(torch.diagonal(Theta, dim1=-2, dim2=-1))
        values, vectors = torch.linalg.eigh(Theta)
        projected: Tensor = (vectors * values.clamp(min=0).unsqueeze(-2)) @ vectors.mH
        return projected


@dataclass(frozen=True)
class WeightNormalizedGD:
    """Alternating steps of the direction `X` on the Stiefel manifold and the magnitude `Theta` (Algorithm 1).

        G       = tangent projection of grad_X f = R X Theta at X
        X+      = retract(X, -eta G)
        Theta+  = Theta - mu K,   K = grad_Theta f(X+, Theta) = 1/2 X+^H R X+

    Rectangular points move `X` and `Y` alike and then `Theta`. Each step costs 4 applications, since the gradient of
    `Theta` is taken at the new `X`.

    Attributes:
        step_size: Step size `eta`.
        magnitude_step_size: Step size `mu`; 2 makes `Theta` the exact minimizer if `M*M` is the identity.
        retraction: Retraction of `X` onto the manifold.
        magnitude_set: Set of the cores `Theta`, onto which each step is projected; SYMMETRIC in the paper.
    """

    step_size: float = 1.0
    magnitude_step_size: float = 2.0
    retraction: Retraction = Retraction.POLAR
    magnitude_set: MagnitudeSet = MagnitudeSet.SYMMETRIC

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, in orthonormal form; its `Theta` must lie in the set.

        Raises:
            InputError: If the set is not SYMMETRIC and the unknown is rectangular.
        """
        require(
            self.magnitude_set is MagnitudeSet.SYMMETRIC or objective.kind.is_symmetric,
            f"a symmetric kind for Theta kept {self.magnitude_set}",
            objective.kind,
        )
        return State(objective.evaluate(point.framed()), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after one alternating step."""
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
        at = objective.evaluate(LowRank(X, self.magnitude_set.project(Theta - mu / 2 * K), Y))
        return replace(state, evaluation=at, applications=state.applications + 4)
