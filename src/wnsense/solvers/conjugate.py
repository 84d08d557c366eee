"""Weight normalization by conjugate gradients: what the recovery runs on."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.residual_probes import beside, taken_apart
from wnsense.solvers.solver import State, choose
from wnsense.solvers.tangent import Tangent, carried, tangent_part, truncated

# A direction that climbs, or nearly, is given up for the gradient.
_LEAST_COSINE = 0.1
# Steps for which a residual may go unmeasured.
_OLDEST = 10


@dataclass(frozen=True)
class ConjugateState(State):
    """The state with what conjugate gradients remember, brought along to the present point.

    Attributes:
        gradient: The tangent gradient before the last step.
        direction: The last direction; zero to begin anew.
        fraction: The part of the exact step that is taken, (...): 1 until a step goes wrong.
        drift: How far the truncations have led away, in the Frobenius norm, since the residual was measured, (...).
        gain: By how much the measurements magnified what truncations changed, at the most, (...); 0 while unknown.
        age: Steps since the residual was measured, (...).
    """

    gradient: Tangent
    direction: Tangent
    fraction: Float[Tensor, "*batch"]
    drift: Float[Tensor, "*batch"]
    gain: Float[Tensor, "*batch"]
    age: Float[Tensor, "*batch"]


@dataclass(frozen=True)
class ConjugateWN:
    """Conjugate gradients over the directions and magnitudes of Z = X Theta X^H at once, without a parameter.

        G    = S + P,  S = X^H R X,  P = (I - X X^H) R X           (R from the residual q at Z)
        Xi   = -G + beta Xi',  beta = max(0, <G, G - G'> / <Xi', G - G'>)
        Z+   = truncate(Z + t Xi),  t = argmin ||q + t M(Xi)||

    S moves the magnitude Theta and P moves the direction, X by P Theta^{-1}: weight normalization's split, each part in
    the length that it has in Z, so that the condition number of Z is not seen. G' and Xi' are those of the step before,
    projected onto the tangent space of today's point. Over matrices of one rank this is the Riemannian conjugate
    gradient method of Vandereycken (arXiv 1209.3834) and of Wei, Cai, Chan and Leung (arXiv 1511.01562), with beta of
    Hestenes and Stiefel; here rank may exceed the truth's.

    A step costs 2 applications: M(Xi), and M* at the new point, whose residual is q + t M(Xi) up to what the truncation
    changed. That change is known exactly, and how much of it was felt is seen whenever the residual is measured: once
    it may be more than the part `drift` of the residual, and every tenth step, the residual is measured anew for 1 more
    (in a batch for all once one needs it); so it is at every step away from a CPU, where asking would halt the device.

    Safeguard: a step that raises the misfit is taken back, and the next one goes down the gradient, half as far.

    Attributes:
        drift: How much of the residual may be left unmeasured.
        probes: Directions of no magnitude that are carried beside X: each M* turns them too, at no application more,
            and what the point misses stands out in them (`Evaluation.beyond`).
    """

    drift: float = 0.1
    probes: int = 0

    def start(self, objective: SensingObjective, point: LowRank) -> ConjugateState:
        """Evaluate the first point in orthonormal form."""
        first = truncated(point, point.width, objective.kind)
        at = taken_apart(objective.evaluate(beside(first, None, self.probes)), first.width)
        gradient = tangent_part(at.point, at.left, at.right)
        ones = torch.ones_like(at.misfit)
        return ConjugateState(at, 2, gradient, gradient.scaled(0 * ones), ones, 0 * ones, 0 * ones, 0 * ones)

    def step(self, objective: SensingObjective, state: ConjugateState) -> ConjugateState:
        """One step, taken back when it went wrong."""
        at = state.evaluation
        gradient = tangent_part(at.point, at.left, at.right)
        direction = _conjugate(gradient, state)

        image = objective.problem.operator.measure(direction.at(at.point))
        felt = objective.calibration.balance(image)
        tiny = torch.finfo(felt.dtype).tiny
        length = -state.fraction * (at.balanced * felt).sum(-1) / felt.square().sum(-1).clamp(min=tiny)
        # What is no number moves nothing; the residual is then measured, since nothing can be carried along.
        length = length.nan_to_num(0.0, 0.0, 0.0)
        straight = at.point.plus(direction.scaled(length).at(at.point))
        point = truncated(straight, at.point.width, objective.kind)

        residual = at.residual + length.unsqueeze(-1) * image
        drift, gain, age = state.drift + point.distance(straight), state.gain, state.age + 1
        applications = state.applications + 2
        # Written so that NaN counts as far away.
        allowed = self.drift * torch.linalg.vector_norm(objective.calibration.balance(residual), dim=-1)
        near = (gain > 0) & (gain * drift <= allowed) & (age < _OLDEST)
        if drift.device.type != "cpu" or not bool(near.all()):
            near = near & (drift.device.type == "cpu")
            measured = objective.residual(point)
            missed = torch.linalg.vector_norm(objective.calibration.balance(measured - residual), dim=-1)
            seen = (missed / drift).nan_to_num(0.0, 0.0, 0.0)
            gain = torch.where(near, gain, torch.maximum(gain, seen))
            residual = torch.where(near.unsqueeze(-1), residual, measured)
            drift, age = torch.where(near, drift, 0), torch.where(near, age, 0)
            applications += 1
        trial = objective.pull_back(beside(point, at.beyond, self.probes), residual)
        trial = taken_apart(trial, point.width)

        # Written so that NaN counts as gone wrong. What the misfit may have been wrong by is no rise.
        sound = trial.misfit <= at.misfit + gain * state.drift
        kept = choose(sound, trial, at)
        return replace(
            state,
            evaluation=kept,
            applications=applications,
            gradient=carried(gradient, at.point, kept.point),
            direction=carried(direction.scaled(sound.to(length.dtype)), at.point, kept.point),
            fraction=torch.where(sound, (2 * state.fraction).clamp(max=1), state.fraction / 2),
            drift=torch.where(sound, drift, state.drift),
            gain=gain,
            age=torch.where(sound, age, state.age),
        )


def _conjugate(gradient: Tangent, state: ConjugateState) -> Tangent:
    """-G + beta Xi', or -G where that would hardly descend."""
    change = gradient.plus(state.gradient, -torch.ones_like(state.fraction))
    curvature = state.direction.inner(change)
    beta = (gradient.inner(change) / curvature).nan_to_num(0.0, 0.0, 0.0).clamp(min=0)
    direction = state.direction.scaled(beta).plus(gradient, -torch.ones_like(beta))
    slope = -direction.inner(gradient)
    steepest = (gradient.squared_norm() * direction.squared_norm()).sqrt()
    descends: Bool[Tensor, "*batch"] = slope >= _LEAST_COSINE * steepest
    beta = torch.where(descends, beta, 0)
    return state.direction.scaled(beta).plus(gradient, -torch.ones_like(beta))
