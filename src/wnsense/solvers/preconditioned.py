"""Preconditioned weight normalization."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import polar_factor, symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.solver import State, choose
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class PreconditionedState(State):
    """State of `PreconditionedWN`.

    Attributes:
        best: Evaluation of the least misfit so far.
        fraction: Fraction of the full step sizes, (...); 1 until a step fails.
        waited: Steps since the least misfit, (...).
    """

    best: Evaluation
    fraction: Float[Tensor, "*batch"]
    waited: Float[Tensor, "*batch"]

    @property
    def answer(self) -> Evaluation:
        """Evaluation of the least misfit so far."""
        return self.best


@dataclass(frozen=True)
class PreconditionedWN:
    """Weight normalization with a direction step preconditioned by the magnitude, independent of the condition number.

        W = R X,  K = X^H W,  H = W - X K,  lambda = c ||q||        (R from the residual q at X Theta X^H)
        X+     = polar(X - eta H Theta (Theta^2 + lambda^2 I)^{-1})
        Theta+ = Theta - (mu/2) K                                   (the same K: both move at once)

    Rectangular points use `Theta^H (Theta Theta^H + lambda^2 I)^{-1}` for `X` and its mirror image for `Y`. A step
    costs 2 applications. The method was derived for this project; the damping is that of PrecGD (Zhang, Fattahi, Zhang,
    arXiv 2206.03345), the split that of arXiv 2510.01175.

    Safeguard: a step fails if it raises the misfit above `growth` times the least one. It also fails if it is the last
    of `patience` steps without a new least misfit. The run then returns to the point of least misfit, and both step
    sizes are halved.

    Attributes:
        step_size: Step size `eta`.
        magnitude_step_size: Step size `mu`; stable while `mu` times the largest eigenvalue of
            `S -> X^H M*(M(X S X^H)) X` is below 4.
        damping: Factor `c` of the damping.
        growth: Largest ratio of the misfit to its least value.
        patience: Largest number of steps without a new least misfit.
    """

    step_size: float = 1.0
    magnitude_step_size: float = 2.0
    damping: float = 0.3
    growth: float = 2.0
    patience: int = 4

    def start(self, objective: SensingObjective, point: LowRank) -> PreconditionedState:
        """Return the first state, in orthonormal form."""
        at = objective.evaluate(point.framed())
        fraction = torch.ones_like(at.misfit)
        return PreconditionedState(at, 2, at, fraction, torch.zeros_like(fraction))

    def step(self, objective: SensingObjective, state: PreconditionedState) -> PreconditionedState:
        """Return the state after one step of `X` and `Theta`, which is undone if it fails."""
        at = state.evaluation
        X, Theta, Y = at.point.X, at.point.Theta, at.point.Y
        fraction = state.fraction[..., None, None]
        eta, mu = self.step_size * fraction, self.magnitude_step_size * fraction
        lamda = self.damping * at.misfit[..., None, None]

        K = X.mH @ at.left
        P = _damped_inverse(Theta, lamda)
        X = polar_factor(X - eta * (at.left - X @ K) @ P)
        if Y is None:
            K = symmetric_part(K)
        elif at.right is not None:
            Y = polar_factor(Y - eta * (at.right - Y @ K.mH) @ P.mH)
        trial = objective.evaluate(LowRank(X, Theta - mu / 2 * K, Y))

        # Written so that NaN counts as failure.
        better = trial.misfit < state.best.misfit
        waited = torch.where(better, 0.0, state.waited + 1)
        succeeds = (trial.misfit <= self.growth * state.best.misfit) & (waited <= self.patience)
        best = choose(better, trial, state.best)
        return replace(
            state,
            evaluation=choose(succeeds, trial, best),
            applications=state.applications + 2,
            best=best,
            fraction=torch.where(succeeds, state.fraction, state.fraction / 2),
            waited=torch.where(succeeds, waited, 0.0),
        )


def _damped_inverse(
    Theta: Inexact[Tensor, "*batch r r"], lamda: Float[Tensor, "*batch 1 1"]
) -> Inexact[Tensor, "*batch r r"]:
    """Return `Theta^H (Theta Theta^H + lambda^2 I)^{-1}`, a damped inverse of `Theta`.

    It is the least-squares solution of `[Theta; lambda I] P = [I; 0]` by QR. Nothing is squared, and unlike a spectral
    decomposition it does not wait for the device.
    """
    identity = torch.eye(Theta.shape[-1], dtype=Theta.dtype, device=Theta.device)
    # A surplus direction of an exact answer is 0/0; with this floor it does not move.
    floor = torch.finfo(lamda.dtype).tiny ** 0.5
    Q, R = torch.linalg.qr(torch.cat([Theta, lamda.clamp(min=floor) * identity], dim=-2))
    damped: Tensor = torch.linalg.solve_triangular(R, Q[..., : Theta.shape[-2], :].mH, upper=True)
    return damped
