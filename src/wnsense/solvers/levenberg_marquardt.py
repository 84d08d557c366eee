"""Gradient descent with the damped Jacobian of the factorization map as preconditioner."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.factors import factored_start
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.solver import State


@dataclass(frozen=True)
class LevenbergMarquardtGD:
    """Levenberg-Morrison-Marquardt method of Diaz, Jiang and Labassi (arXiv 2509.11486, Algorithm 1).

        d  = (J^T J + lambda I)^{-1} J^T R,   lambda = c ||q||
        Y+ = Y - gamma d,                     gamma = tau ||q||^2 / ||J d||^2

    `J` is the differential of the factorization map alone, `Y -> Y Y^H` or `(L, Q) -> L Q^H`. The preconditioner thus
    has a closed form and takes no application; a step costs 2. The source composes the map with a convex `h`, and takes
    Polyak's step size in the metric of `J`. Then `gamma d` is `(h - h*) / ||J d'||^2 d'` for the subgradient `d'` of
    `h`. Here `h` is the norm `||T D M(.) - y||`, with a least value of 0. For `h = 1/2 ||.||^2` the step is half as
    long.

    The source gives `J`, the step size, and that `lambda` decreases like the distance to the answer; its authors'
    program has `lambda = 1e-3 h` for a norm `h`. Additions here are `tau`, 1 in the source, and the balancing of rows
    by `T D`. Near the answer, as from `spectral_start`, convergence is linear at a rate independent of the condition
    number and of surplus rank. With noise the least value is not 0, and steps near it are too long. In experiments the
    error stays at two to four times that of least squares. The source's geometrically decaying steps for that case are
    not implemented. Kind symmetric is refused.

    Attributes:
        step_size: Factor `tau` of Polyak's step.
        damping: Factor `c` of the damping.
    """

    step_size: float = 1.0
    damping: float = 1e-3

    def start(self, objective: SensingObjective, point: LowRank) -> State:
        """Return the first state, with balanced factors."""
        return factored_start(objective, point, "the Levenberg-Marquardt method")

    def step(self, objective: SensingObjective, state: State) -> State:
        """Return the state after one step."""
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
    """Return `(J^T J + lambda I)^{-1} J^T R` as `D` and `E` for `L` and `Q`; `E` is None for a single factor.

    The equations are `D (Q^H Q + lambda I) + L E^H Q = R Q` and their mirror image. `N = L^H D = E^H Q` of the solution
    solves `(L^H L) N + N (Q^H Q) + lambda N = L^H R Q`, which is diagonal in the eigenvectors of the two Gram matrices.
    A single factor gives the same equations with `lambda / 2`.
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
    """Return the eigenvalues, clamped to at least 0, and the eigenvectors of a Gram matrix."""
    values, vectors = torch.linalg.eigh(gram)
    return values.clamp(min=0), vectors


def _differential(
    point: LowRank, D: Inexact[Tensor, "*batch m1 r"], E: Inexact[Tensor, "*batch m2 r"] | None
) -> LowRank:
    """Return `J (D, E) = D Q^H + L E^H`, or `J D = D Y^H + Y D^H`."""
    X, zero = torch.cat([D, point.X], dim=-1), torch.zeros_like(point.Theta)
    if point.Y is not None and E is not None:
        identity = torch.cat([torch.cat([point.Theta, zero], -1), torch.cat([zero, point.Theta], -1)], -2)
        return LowRank(X, identity, torch.cat([point.Y, E], dim=-1))
    exchange = torch.cat([torch.cat([zero, point.Theta], -1), torch.cat([point.Theta, zero], -1)], -2)
    return LowRank(X, exchange)
