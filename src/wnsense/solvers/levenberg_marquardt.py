"""Gradient descent preconditioned by the damped Jacobian of the factorization map."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.factors import balanced_factors, require_factorable
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class LevenbergMarquardtGD:
    """The Levenberg-Morrison-Marquardt method of Diaz, Jiang and Labassi (arXiv 2509.11486, Algorithm 1).

        d  = (J^T J + lambda I)^{-1} J^T R,   lambda = c ||q||
        Y+ = Y - gamma d,                     gamma = tau ||q||^2 / ||J d||^2

    J is the differential of the factorization map alone, Y -> Y Y^H or (L, Q) -> L Q^H, so that the preconditioner is a
    closed form and costs no application; a step costs 2. The source composes that map with a convex h, and takes
    Polyak's step size in the metric of J: gamma d is (h - h*) / ||J d'||^2 d' for the subgradient d' of h. Here h is
    the norm ||T D M(.) - y||, whose least value is taken to be 0. For h = 1/2 ||.||^2 the step is half as long.

    Published are J, the step size, and that lambda goes down as the distance to the answer; lambda = 1e-3 h is what its
    authors' program has for a norm h. Our reading is tau, 1 in the source, and to balance rows by T D. Linear at a rate
    that neither the condition number nor surplus rank enters, once near the answer: from `spectral_start`. With noise
    the least value is not 0 and steps near it are too long: the error was seen to hover at two to four times that of
    least squares. The source has steps that decay geometrically for that, which are not here. Kind symmetric is
    refused.

    Attributes:
        step_size: tau, in units of Polyak's step.
        damping: c.
    """

    step_size: float = 1.0
    damping: float = 1e-3

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Fold the magnitude into the factors.

        Raises:
            InputError: For kind symmetric, which Y Y^H cannot hold.
        """
        require_factorable(objective, "the Levenberg-Marquardt method")
        return State(objective.evaluate(balanced_factors(point)), 2)

    def step(self, objective: SensingObjective, state: State) -> State:
        """One step."""
        at = state.evaluation
        L, Q = at.point.X, at.point.Y
        D, E = _direction(at, self.damping * at.misfit)
        change = _differential(at.point, D, E).norm()
        tiny = torch.finfo(change.dtype).tiny
        size = (self.step_size * (at.misfit / change.clamp(min=tiny)).square())[..., None, None]
        moved_Q = None if Q is None or E is None else Q - size * E
        moved = objective.evaluate(LowRank(L - size * D, at.point.Theta, moved_Q))
        return replace(state, evaluation=moved, applications=state.applications + 2)


def _direction(
    at: Evaluation, lamda: Float[Tensor, "*batch"]
) -> tuple[Inexact[Tensor, "*batch m1 r"], Inexact[Tensor, "*batch m2 r"] | None]:
    """(J^T J + lambda I)^{-1} J^T R, as D and E beside L and Q; E is None where one factor serves both sides.

    The equations are D (Q^H Q + lambda I) + L E^H Q = R Q and their mirror image. N = L^H D = E^H Q of the solution
    solves (L^H L) N + N (Q^H Q) + lambda N = L^H R Q, which eigenvectors of the two Gram matrices make diagonal.
    One factor for both sides gives the same equations with lambda / 2.
    """
    L, Q = at.point.X, at.point.right
    if at.right is None:
        lamda = lamda / 2
    floor = lamda[..., None].clamp(min=torch.finfo(lamda.dtype).tiny)
    a, U = _eigen(L.mH @ L)
    b, V = (a, U) if at.right is None else _eigen(Q.mH @ Q)
    K = U.mH @ (L.mH @ at.left) @ V
    N = U @ (K / (a.unsqueeze(-1) + b.unsqueeze(-2) + floor.unsqueeze(-1))) @ V.mH
    if at.right is None:
        N = symmetric_part(N)
    D = (((at.left - L @ N) @ V) / (b + floor).unsqueeze(-2)) @ V.mH
    if at.right is None:
        return D, None
    E = (((at.right - Q @ N.mH) @ U) / (a + floor).unsqueeze(-2)) @ U.mH
    return D, E


def _eigen(gram: Inexact[Tensor, "*batch r r"]) -> tuple[Float[Tensor, "*batch r"], Inexact[Tensor, "*batch r r"]]:
    """Eigenvalues, at least 0, and eigenvectors of a Gram matrix."""
    values, vectors = torch.linalg.eigh(gram)
    return values.clamp(min=0), vectors


def _differential(
    point: LowRank, D: Inexact[Tensor, "*batch m1 r"], E: Inexact[Tensor, "*batch m2 r"] | None
) -> LowRank:
    """J (D, E) = D Q^H + L E^H; J D = D Y^H + Y D^H."""
    X, zero = torch.cat([D, point.X], dim=-1), torch.zeros_like(point.Theta)
    if point.Y is not None and E is not None:
        identity = torch.cat([torch.cat([point.Theta, zero], -1), torch.cat([zero, point.Theta], -1)], -2)
        return LowRank(X, identity, torch.cat([point.Y, E], dim=-1))
    exchange = torch.cat([torch.cat([zero, point.Theta], -1), torch.cat([point.Theta, zero], -1)], -2)
    return LowRank(X, exchange)
