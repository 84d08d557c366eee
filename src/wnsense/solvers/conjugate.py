"""Weight normalization by conjugate gradients, the default solver of `recover`."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wnsense.sensing import row_reductions
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.row_blocks import RowBlocks, blocks_cost, has_row_blocks, row_blocks
from wnsense.solvers.solver import State, choose
from wnsense.solvers.tangent import Tangent, transported, truncated
from wnsense.values import by_value

# Least cosine of a direction to the negative gradient; below it the negative gradient is used.
_LEAST_COSINE = 0.1
# Steps before the first preconditioner, which is renewed whenever their number has doubled. Easy problems need no
# more steps than this for most ranks.
_UNAIDED = 8
# Most steps without a new measurement of the residual.
_OLDEST = 10


@dataclass(frozen=True)
@by_value
class ConjugateState(State):
    """State of `ConjugateWN`, with vectors transported to the present point.

    Attributes:
        gradient: Tangent gradient before the last step.
        direction: Last direction; zero for a restart.
        fraction: Fraction of the exact step length, (...); 1 until a step fails.
        drift: Frobenius norm of the changes by truncation since the residual was measured, at most, (...).
        gain: Largest ratio seen of a change of the measurements to the truncation's change, (...); 0 at first.
        age: Steps since the residual was measured, (...).
        steps: Number of steps.
        blocks: Preconditioner; None in short runs, and where none is known.
    """

    gradient: Tangent
    direction: Tangent
    fraction: Float[Tensor, "*batch"]
    drift: Float[Tensor, "*batch"]
    gain: Float[Tensor, "*batch"]
    age: Float[Tensor, "*batch"]
    steps: int = 0
    blocks: RowBlocks | None = None

    def preconditioned(self) -> Tangent:
        """Return the gradient, preconditioned where blocks are known."""
        gradient = self.evaluation.gradient
        return gradient if self.blocks is None else self.blocks.applied_at(gradient, self.evaluation.point)


@dataclass(frozen=True)
class ConjugateWN:
    """Conjugate gradients over the directions and magnitudes of `Z = X Theta X^H` at once.

        G    = S + P,  S = X^H R X,  P = (I - X X^H) R X           (R from the residual q at Z)
        Xi   = -G + beta Xi',  beta = max(0, <G, G - G'> / <Xi', G - G'>)
        Z+   = truncate(Z + t Xi),  t = argmin ||q + t M(Xi)||

    `S` moves the magnitude `Theta`, and `P` moves the direction `X` by `P Theta^{-1}`: the split of weight
    normalization. Each part is measured by its length in `Z`, so that the condition number of `Z` has no effect. `G'`
    and `Xi'` are those of the step before, projected onto the tangent space of the present point. Over matrices of one
    rank this is the Riemannian conjugate gradient method of Vandereycken (arXiv 1209.3834) and of Wei, Cai, Chan and
    Leung (arXiv 1511.01562). `beta` is that of Hestenes and Stiefel. Here the rank may exceed that of the true matrix.

    A step costs 2 applications: `M(Xi)`, and `M*` at the new point. The residual of that point is `q + t M(Xi)`, up to
    the change by truncation. The norm of the change is known, and its effect on the measurements is estimated from
    earlier steps. The residual is measured, for 1 more application, at every tenth step and if the effect may exceed
    the share `drift` of the residual. In a batch it is measured for all if one needs it. On other devices than a CPU,
    where the test would wait for the device, it is measured at every step.

    Sampled entries are preconditioned after the first steps: `T G` of `RowBlocks` stands for `G` in `Xi`, and in the
    first factor of `beta`. Rows with few entries then no longer make the steps slow.

    Safeguard: a step that raises the misfit is undone, and the next one follows the gradient with half the length.

    Attributes:
        drift: Largest share of the residual that may stay unmeasured.
    """

    drift: float = 0.1

    def start(self, objective: SensingObjective, point: LowRank) -> ConjugateState:
        """Return the first state, in orthonormal form."""
        first, _ = truncated(point, point.width, objective.kind)
        at = objective.evaluate(first)
        ones = torch.ones_like(at.misfit)
        return ConjugateState(at, 2, at.gradient, at.gradient.scaled(0 * ones), ones, 0 * ones, 0 * ones, 0 * ones)

    def step(self, objective: SensingObjective, state: ConjugateState) -> ConjugateState:
        """Return the state after one step, which is undone if it fails."""
        at = state.evaluation
        state = _with_blocks(objective, state)
        gradient = at.gradient
        direction = _conjugate(state)

        image = objective.problem.operator.measure(direction.at(at.point))
        balanced = objective.calibration.balance(image)
        tiny = torch.finfo(balanced.dtype).tiny
        length = (
            -state.fraction
            * row_reductions.inner(at.balanced, balanced)
            / row_reductions.squared_norm(balanced).clamp(min=tiny)
        )
        # A length that is not finite becomes 0; the residual is then measured.
        length = length.nan_to_num(0.0, 0.0, 0.0)
        straight = direction.scaled(length).from_point(at.point)
        point, change = truncated(straight, at.point.width, objective.kind)

        predicted = _Residual(
            at.residual + length.unsqueeze(-1) * image,
            state.drift + change,
            state.gain,
            state.age + 1,
        )
        update, cost = self._updated(objective, point, predicted)
        trial = objective.pull_back(point, update.values)

        # Written so that NaN counts as failure. A rise within the error of the misfit is none.
        succeeds = trial.misfit <= at.misfit + update.gain * state.drift
        new = choose(succeeds, trial, at)
        return replace(
            state,
            evaluation=new,
            applications=state.applications + 2 + cost,
            gradient=transported(gradient, at.point, new.point),
            direction=transported(direction.scaled(succeeds.to(length.dtype)), at.point, new.point),
            fraction=torch.where(succeeds, (2 * state.fraction).clamp(max=1), state.fraction / 2),
            drift=torch.where(succeeds, update.drift, state.drift),
            gain=update.gain,
            age=torch.where(succeeds, update.age, state.age),
            steps=state.steps + 1,
        )

    def _updated(self, objective: SensingObjective, point: LowRank, predicted: "_Residual") -> tuple["_Residual", int]:
        """Return the residual, measured where the prediction may be too far off, and its cost in applications."""
        balanced = row_reductions.norm(objective.calibration.balance(predicted.values))
        drift, gain, age = predicted.drift, predicted.gain, predicted.age
        # Written so that NaN counts as too far off.
        is_near = (gain > 0) & (gain * drift <= self.drift * balanced) & (age < _OLDEST)
        if drift.device.type == "cpu" and bool(is_near.all()):
            return predicted, 0
        is_near = is_near & (drift.device.type == "cpu")
        measured = objective.residual(point)
        change = row_reductions.norm(objective.calibration.balance(measured - predicted.values))
        ratio = (change / drift).nan_to_num(0.0, 0.0, 0.0)
        update = _Residual(
            torch.where(is_near.unsqueeze(-1), predicted.values, measured),
            torch.where(is_near, drift, 0),
            torch.where(is_near, gain, torch.maximum(gain, ratio)),
            torch.where(is_near, age, 0),
        )
        return update, 1


@dataclass(frozen=True)
class _Residual:
    """Residual of a point with the error that truncations add to it; see `ConjugateState`."""

    values: Float[Tensor, "*batch n"]
    drift: Float[Tensor, "*batch"]
    gain: Float[Tensor, "*batch"]
    age: Float[Tensor, "*batch"]


def _with_blocks(objective: SensingObjective, state: ConjugateState) -> ConjugateState:
    """Return the state with a new preconditioner, if it is time for one and one is known."""
    point = state.evaluation.point
    has_doubled = state.steps >= _UNAIDED and math.log2(state.steps / _UNAIDED).is_integer()
    if not has_doubled or not has_row_blocks(objective, point):
        return state
    none = torch.zeros_like(point.Theta.real)
    blocks = row_blocks(objective, point, 1.0, none, none[0])
    return replace(state, blocks=blocks, applications=state.applications + blocks_cost(objective, point))


def _conjugate(state: ConjugateState) -> Tangent:
    """Return `-T G + beta Xi'`, `T` the preconditioner, or `-T G` where that would hardly descend."""
    gradient, ahead, last = state.evaluation.gradient, state.preconditioned(), state.direction
    square, along = ahead.inner(gradient), last.inner(gradient)
    curvature = along - last.inner(state.gradient)
    beta = ((square - ahead.inner(state.gradient)) / curvature).nan_to_num(0.0, 0.0, 0.0).clamp(min=0)
    slope = square - beta * along
    if state.blocks is None:
        length = (square - 2 * beta * along + beta.square() * last.squared_norm()).clamp(min=0)
        descends: Bool[Tensor, "*batch"] = slope >= _LEAST_COSINE * (square * length).sqrt()
    else:
        descends = slope >= _LEAST_COSINE * square
    return last.scaled(torch.where(descends, beta, 0)).plus(ahead, -torch.ones_like(beta))
