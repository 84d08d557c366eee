"""Discrete steps on diagonal networks, with and without weight normalization; `descend` runs them in the one loop."""

import math
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError, require, require_level
from wnsense.lab.diagonal.diagonal_network import (
    DiagonalEvaluation,
    DiagonalObjective,
    DiagonalSolver,
    DiagonalState,
    Weights,
)
from wnsense.running.loop import Outcome, RunCheckpoint, run
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace

S = TypeVar("S", bound=DiagonalState)


@runtime_checkable
class Schedule(Protocol):
    """A factor for each step; a frozen dataclass, so that a checkpoint knows it again."""

    def factor(self, step: int) -> float:
        """The factor of step 0, 1, ..."""
        ...


@dataclass(frozen=True)
class TwoPhase:
    """One factor for the first steps and 1 after them (arXiv 1911.07956: the magnitude rests or is slow, then learns).

    Attributes:
        steps: How many.
        first: Their factor.
    """

    steps: int
    first: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no number of steps, or no factor."""
        require(self.steps >= 0, "a number of steps of at least 0", self.steps)
        require_level("a first factor", self.first)

    def factor(self, step: int) -> float:
        """`first`, then 1."""
        return self.first if step < self.steps else 1.0


@dataclass(frozen=True)
class Geometric:
    """A factor that grows (or falls) by a ratio each step, from a first one up (down) to a last one.

    Attributes:
        first: The first factor, positive.
        ratio: From one to the next, positive.
        last: Where it stays, positive.
    """

    first: float
    ratio: float
    last: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what has no logarithm."""
        for name, factor in (("first", self.first), ("ratio", self.ratio), ("last", self.last)):
            require(factor > 0 and math.isfinite(factor), f"a positive {name} factor", factor)

    def factor(self, step: int) -> float:
        """Of the step."""
        bound = min if self.ratio >= 1 else max
        # By logarithms: the power of a long run leaves the range of numbers.
        logarithm = bound(math.log(self.last), math.log(self.first) + step * math.log(self.ratio))
        return math.exp(logarithm)


@dataclass(frozen=True)
class PlainDescent:
    """x+ = x - eta grad L(x).

    On a signed objective of depth 2 this is w = u.u - v.v (Vaskevicius et al., arXiv 1909.05122), which ends early by
    `HeldOutBest` or by a noise level.

    Attributes:
        step_size: eta.
    """

    step_size: float

    def __post_init__(self) -> None:
        """Refuse a step that does not descend."""
        _require_step("a step size", self.step_size)

    def start(self, objective: DiagonalObjective, point: Weights) -> DiagonalState:
        """Evaluate the first point, as x."""
        return DiagonalState(objective.evaluate(_fitting(objective, point).plain()), 2, 0)

    def step(self, objective: DiagonalObjective, state: DiagonalState) -> DiagonalState:
        """One step."""
        at = state.evaluation
        return state.moved(objective, Weights(at.point.x - self.step_size * at.gradient))


@dataclass(frozen=True)
class NormalizedDescent:
    """Gradient descent on r and u of x = r u / ||u|| with learning rates of their own (WN-GD, arXiv 2305.05448).

        r+ = r - eta_r |r|^p s_t <u, G> / ||u||
        u+ = u - eta_u (r / ||u||) (I - u u^T / ||u||^2) G,    G = grad L(x)

    eta_r = eta_u with p = 2 are the rates (r^2, 1), times a step. Where u is free, ||u|| grows at every step, and the
    steps of the direction shrink with ||u||^2. At depth 1 with u free it is the WN of arXiv 1911.07956.

    Attributes:
        step_size: eta_u.
        magnitude_step_size: eta_r.
        magnitude_power: p.
        renormalize: Whether u returns to the sphere after each step.
        schedule: s_t, for the magnitude; 1 without.
    """

    step_size: float
    magnitude_step_size: float
    magnitude_power: float = 0.0
    renormalize: bool = True
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        """Refuse steps that do not descend; a magnitude may rest."""
        _require_step("a step size", self.step_size)
        require_level("a step size of the magnitude", self.magnitude_step_size)
        require(math.isfinite(self.magnitude_power), "a finite power of the magnitude", self.magnitude_power)

    def start(self, objective: DiagonalObjective, point: Weights) -> DiagonalState:
        """Evaluate the first point, as r u with ||u|| = 1."""
        return DiagonalState(objective.evaluate(_fitting(objective, point).normalized()), 2, 0)

    def step(self, objective: DiagonalObjective, state: DiagonalState) -> DiagonalState:
        """One step of both, from gradients at the same point."""
        at = state.evaluation
        u, r = _polar(at.point)
        size = torch.linalg.vector_norm(u, dim=-1, keepdim=True)
        direction = u / size
        along = (direction * at.gradient).sum(-1)
        rate = self.magnitude_step_size * _factor(self.schedule, state.taken)
        new_r = r - rate * r.abs() ** self.magnitude_power * along
        tangent = at.gradient - along.unsqueeze(-1) * direction
        new_u = u - self.step_size * r.unsqueeze(-1) / size * tangent
        if self.renormalize:
            new_u = new_u / torch.linalg.vector_norm(new_u, dim=-1, keepdim=True)
        return state.moved(objective, Weights(new_u, new_r))


@dataclass(frozen=True)
class ProjectedDescent:
    """rPGD (Wu et al., arXiv 1911.07956): a gradient step of w on ||w|| = 1, projected, beside one of the magnitude g.

        v = w - eta g G,    w+ = v / ||v||,    g+ = g - gamma s_t <w, G>,    G = grad L(g w)

    Attributes:
        step_size: eta.
        magnitude_step_size: gamma.
        schedule: s_t, for the magnitude; 1 without. `TwoPhase` is their variant in two phases.
    """

    step_size: float
    magnitude_step_size: float
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        """Refuse steps that do not descend; a magnitude may rest."""
        _require_step("a step size", self.step_size)
        require_level("a step size of the magnitude", self.magnitude_step_size)

    def start(self, objective: DiagonalObjective, point: Weights) -> DiagonalState:
        """Evaluate the first point, as g w with ||w|| = 1."""
        return DiagonalState(objective.evaluate(_fitting(objective, point).normalized()), 2, 0)

    def step(self, objective: DiagonalObjective, state: DiagonalState) -> DiagonalState:
        """One step of both, from gradients at the same point."""
        at = state.evaluation
        w, g = _polar(at.point)
        v = w - self.step_size * g.unsqueeze(-1) * at.gradient
        rate = self.magnitude_step_size * _factor(self.schedule, state.taken)
        new_g = g - rate * (w * at.gradient).sum(-1)
        return state.moved(objective, Weights(v / torch.linalg.vector_norm(v, dim=-1, keepdim=True), new_g))


@dataclass(frozen=True)
class BestState(DiagonalState):
    """What `HeldOutBest` remembers.

    Attributes:
        best: The evaluation that predicts the held-out rows best.
    """

    best: DiagonalEvaluation

    @property
    def answer(self) -> DiagonalEvaluation:
        """The best one."""
        return self.best


@dataclass(frozen=True)
class HeldOutBest:
    """Another solver's steps; the answer is the point that predicts the held-out rows best: early stopping, afterwards.

    `Stop(stagnation=...)` ends the run when the held-out residual has stopped falling.

    Attributes:
        solver: Whose steps; its state is a `DiagonalState`.
    """

    solver: DiagonalSolver[DiagonalState]

    def start(self, objective: DiagonalObjective, point: Weights) -> BestState:
        """Begin with the first point as the best.

        Raises:
            InputError: When no rows are held out.
        """
        if objective.fitted is None or bool((objective.fitted == 1).all()):
            raise InputError("needed rows held out, got none; give DiagonalObjective(..., fitted=...) with zeros in it")
        at = self.solver.start(objective, point)
        return BestState(at.evaluation, at.applications, at.taken, at.evaluation)

    def step(self, objective: DiagonalObjective, state: BestState) -> BestState:
        """One step, and a comparison on the device."""
        inner = DiagonalState(state.evaluation, state.applications, state.taken)
        at = self.solver.step(objective, inner)
        now, before = (_held(objective, evaluation) for evaluation in (at.evaluation, state.best))
        return BestState(at.evaluation, at.applications, at.taken, _chosen(now < before, at.evaluation, state.best))


def descend(
    objective: DiagonalObjective,
    solver: DiagonalSolver[S],
    start: Weights,
    *,
    stop: Stop | None = None,
    trace: Trace | None = None,
    checkpoint: RunCheckpoint[S] | None = None,
) -> Outcome[S, Tensor]:
    """Run a solver in the one loop (`wnsense.running.loop.run`), with its stops, traces and checkpoints.

    Args:
        objective: What is minimized.
        solver: How the weights move.
        start: The first weights.
        stop: When to end; a relative residual of 1e-10 by default.
        trace: What to write down; metrics get (objective, weights).
        checkpoint: A `Checkpoint`, to go on from.

    Returns:
        The outcome, whose `answer` is z, (..., N).

    Raises:
        InputError: When the start does not fit the objective.
    """
    return run(objective, solver, start, stop=stop, trace=trace, checkpoint=checkpoint, stage="descending")


def _require_step(name: str, size: float) -> None:
    require(size > 0 and math.isfinite(size), f"{name} that is positive and finite", size)


def _fitting(objective: DiagonalObjective, point: Weights) -> Weights:
    came = point.direction.shape[-1]
    require(came == objective.width, f"{objective.width} weights", came, "2 N where signed, N otherwise")
    needed = objective.problem.operator.dtype
    require(point.direction.dtype == needed, f"weights of {needed}", point.direction.dtype, "convert them")
    return point


def _polar(point: Weights) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch"]]:
    if point.magnitude is None:
        point = point.normalized()
    if point.magnitude is None:
        raise InputError("needed weights with a magnitude, got none")
    return point.direction, point.magnitude


def _factor(schedule: Schedule | None, step: int) -> float:
    return 1.0 if schedule is None else schedule.factor(step)


def _held(objective: DiagonalObjective, at: DiagonalEvaluation) -> Tensor:
    held = objective.holdout_residual(at.residual)
    if held is None:
        raise InputError("needed rows held out, got none; give DiagonalObjective(..., fitted=...) with zeros in it")
    return held


def _chosen(condition: Tensor, first: DiagonalEvaluation, second: DiagonalEvaluation) -> DiagonalEvaluation:
    """The first where the condition holds and the second elsewhere, for each of a batch."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition[(..., *[None] * (a.dim() - condition.dim()))], a, b)

    r1, r2 = first.point.magnitude, second.point.magnitude
    magnitude = None if r1 is None or r2 is None else pick(r1, r2)
    return DiagonalEvaluation(
        Weights(pick(first.point.direction, second.point.direction), magnitude),
        pick(first.residual, second.residual),
        pick(first.misfit, second.misfit),
        pick(first.gradient, second.gradient),
    )
