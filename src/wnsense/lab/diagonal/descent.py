"""Discrete steps on diagonal networks, with and without weight normalization, for `wnsense.running.solve`."""

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError, require, require_level
from wnsense.lab.diagonal.diagonal_network import DiagonalObjective, DiagonalState, Weights
from wnsense.lab.diagonal.schedules import Schedule

S = TypeVar("S", bound=DiagonalState)


@dataclass(frozen=True)
class PlainDescent:
    """Plain gradient descent, `x+ = x - eta grad L(x)`.

    On a signed objective of depth 2 this is `w = u.u - v.v` (Vaskevicius et al., arXiv 1909.05122). That method needs
    early stopping, by `HeldOutBest` or by a noise level.

    Attributes:
        step_size: Step size `eta`, positive.
    """

    step_size: float

    def __post_init__(self) -> None:
        """Check that the step size is positive."""
        _require_step("a step size", self.step_size)

    def start(self, objective: DiagonalObjective, point: Weights) -> DiagonalState:
        """Return the state at the first point, as `x`."""
        return DiagonalState(objective.evaluate(_fitting(objective, point).plain()), 2, 0)

    def step(self, objective: DiagonalObjective, state: DiagonalState) -> DiagonalState:
        """Return the state after one step."""
        at = state.evaluation
        return state.moved(objective, Weights(at.point.x - self.step_size * at.gradient))


@dataclass(frozen=True)
class NormalizedDescent:
    """Gradient descent on `r` and `u` of `x = r u / ||u||`, each with its own learning rate (WN-GD, arXiv 2305.05448).

        r+ = r - eta_r |r|^p s_t <u, G> / ||u||
        u+ = u - eta_u (r / ||u||) (I - u u^T / ||u||^2) G,    G = grad L(x)

    `eta_r = eta_u` with `p = 2` gives the rates `(r^2, 1)`, times a step. Without renormalization `||u||` grows at
    every step, and the steps of the direction shrink with `||u||^2`; at depth 1 this is the WN of arXiv 1911.07956.

    Attributes:
        step_size: Step size `eta_u` of the direction, positive.
        magnitude_step_size: Step size `eta_r` of the magnitude; 0 fixes the magnitude.
        magnitude_power: Power `p`.
        renormalize: True if `u` returns to the sphere after each step.
        schedule: Factor `s_t` of the magnitude's rate; 1 if None.
    """

    step_size: float
    magnitude_step_size: float
    magnitude_power: float = 0.0
    renormalize: bool = True
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        """Check the step sizes."""
        _require_step("a step size", self.step_size)
        require_level("a step size of the magnitude", self.magnitude_step_size)
        require(math.isfinite(self.magnitude_power), "a finite power of the magnitude", self.magnitude_power)

    def start(self, objective: DiagonalObjective, point: Weights) -> DiagonalState:
        """Return the state at the first point, as `r u` with `||u|| = 1`."""
        return DiagonalState(objective.evaluate(_fitting(objective, point).normalized()), 2, 0)

    def step(self, objective: DiagonalObjective, state: DiagonalState) -> DiagonalState:
        """Return the state after one step of both, from the gradient at one point."""
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
    """rPGD (Wu et al., arXiv 1911.07956): a projected gradient step of `w`, `||w|| = 1`, and one of the magnitude `g`.

        v = w - eta g G,    w+ = v / ||v||,    g+ = g - gamma s_t <w, G>,    G = grad L(g w)

    Attributes:
        step_size: Step size `eta` of the direction, positive.
        magnitude_step_size: Step size `gamma` of the magnitude; 0 fixes the magnitude.
        schedule: Factor `s_t` of the magnitude's rate; 1 if None. `TwoPhase` gives their variant in two phases.
    """

    step_size: float
    magnitude_step_size: float
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        """Check the step sizes."""
        _require_step("a step size", self.step_size)
        require_level("a step size of the magnitude", self.magnitude_step_size)

    def start(self, objective: DiagonalObjective, point: Weights) -> DiagonalState:
        """Return the state at the first point, as `g w` with `||w|| = 1`."""
        return DiagonalState(objective.evaluate(_fitting(objective, point).normalized()), 2, 0)

    def step(self, objective: DiagonalObjective, state: DiagonalState) -> DiagonalState:
        """Return the state after one step of both, from the gradient at one point."""
        at = state.evaluation
        w, g = _polar(at.point)
        v = w - self.step_size * g.unsqueeze(-1) * at.gradient
        rate = self.magnitude_step_size * _factor(self.schedule, state.taken)
        new_g = g - rate * (w * at.gradient).sum(-1)
        return state.moved(objective, Weights(v / torch.linalg.vector_norm(v, dim=-1, keepdim=True), new_g))


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
