"""Descent of many networks on one map at once, each at its own rates and time steps.

The steps are those of `PlainDescent` and `NormalizedDescent`, cell by cell. In addition rates are vectors, the time
step may follow a rule, and a cell that has arrived or diverged rests.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from wnsense.lab.diagonal.diagonal_network import DiagonalEvaluation, DiagonalObjective, DiagonalState, Weights
from wnsense.lab.diagonal.schedules import Schedule

# The rule of time steps: at most 1 / lambda, lambda the largest eigenvalue of the linearized flow, and no relative
# change of a weight above this.
MOST_CHANGE = 0.1
# Power steps before the first step, and steps between two power steps after it; each costs as much as a step.
_FIRST_POWER_STEPS = 20
_POWER_EVERY = 3
# Relative residual above which a cell has diverged.
_DIVERGED = 1e3
# Largest relative growth of a loss that counts as rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PacedState(DiagonalState):
    """State of all cells.

    Attributes:
        probe: Vector of the power method, of length 1, (cells, M).
        stiffness: Eigenvalue `lambda` from it, (cells,).
        time: Sum of the time steps, (cells,).
        counts: Number of steps of each cell, (cells,).
        rises: Number of steps that raised the loss, (cells,).
    """

    probe: Float[Tensor, "cells m"]
    stiffness: Float[Tensor, " cells"]
    time: Float[Tensor, " cells"]
    counts: Int[Tensor, " cells"]
    rises: Int[Tensor, " cells"]


@dataclass(frozen=True)
class PacedDescent:
    """Plain or weight-normalized descent (`u` on the sphere) of a batch of cells.

        x+ = x - h G                                                  without ratios
        r+ = r - h eta s_t |r|^p <u, G>,  u+ = normalized(u - h r (I - u u^T) G)      with them

    Attributes:
        residual: Relative residual at which a cell rests.
        ratios: Ratios of learning rates `eta`, (cells,); None for plain descent.
        powers: Powers `p`, (cells,); None for 0.
        schedule: Factor `s_t` of all cells.
        lengths: Time steps `h`, (cells,); None for the rule `h = min(1 / lambda, 0.1 / nu)`, `nu` the largest
            `| d log(weight) / dt |`.
        begun: Number of steps before the start, an offset for the schedule.
    """

    residual: float
    ratios: Float[Tensor, " cells"] | None = None
    powers: Float[Tensor, " cells"] | None = None
    schedule: Schedule | None = None
    lengths: Float[Tensor, " cells"] | None = None
    begun: int = 0

    def start(self, objective: DiagonalObjective, point: Weights) -> PacedState:
        """Return the state at the first points, with `lambda` there."""
        at = objective.evaluate(point.plain() if self.ratios is None else point.normalized())
        cells = at.misfit.shape[0]
        probe, stiffness = _unit(at.residual)
        if self.lengths is None:
            for _ in range(_FIRST_POWER_STEPS):
                probe, stiffness = _unit(self._curved(objective, at, probe, self.begun))
        time, counts = torch.zeros_like(at.misfit), torch.zeros(cells, dtype=torch.int64)
        return PacedState(at, 2, self.begun, probe, stiffness, time, counts, counts)

    def step(self, objective: DiagonalObjective, state: PacedState) -> PacedState:
        """Return the state after one step of every cell that has neither arrived nor diverged."""
        at, probe, stiffness = state.evaluation, state.probe, state.stiffness
        active = ~settled(objective, at, self.residual)
        direction, magnitude = self._velocity(at, state.taken)
        if self.lengths is None:
            if state.taken % _POWER_EVERY == 0:
                probe, stiffness = _unit(self._curved(objective, at, probe, state.taken))
            h = torch.minimum(1 / stiffness, MOST_CHANGE / _fastest(at.point, direction, magnitude))
        else:
            h = self.lengths
        h = torch.where(active, h, 0.0)
        u = at.point.direction + h.unsqueeze(-1) * direction
        if magnitude is None or at.point.magnitude is None:
            point = Weights(u)
        else:
            resting = torch.where(active, torch.linalg.vector_norm(u, dim=-1), 1.0)
            point = Weights(u / resting.unsqueeze(-1), at.point.magnitude + h * magnitude)
        evaluation = objective.evaluate(point)
        # A comparison with NaN is false.
        rose = active & ~(evaluation.misfit <= (1 + _ROUNDING) * at.misfit)
        return replace(
            state,
            probe=probe,
            stiffness=stiffness,
            time=state.time + h,
            counts=state.counts + active,
            rises=state.rises + rose,
            evaluation=evaluation,
            applications=state.applications + (2 if self.lengths is not None else 4),
            taken=state.taken + 1,
        )

    def narrowed(self, live: Bool[Tensor, " cells"]) -> "PacedDescent":
        """Return the same solver for some of the cells."""

        def some(values: Tensor | None) -> Tensor | None:
            return None if values is None else values[live]

        return replace(self, ratios=some(self.ratios), powers=some(self.powers), lengths=some(self.lengths))

    def _magnitude_rates(self, radius: Tensor, taken: int) -> Tensor:
        """Return the rates `eta s_t |r|^p`."""
        if self.ratios is None:
            return torch.ones_like(radius)
        rates = self.ratios * (1.0 if self.schedule is None else self.schedule.factor(taken))
        return rates if self.powers is None else rates * radius.abs() ** self.powers

    def _velocity(self, at: DiagonalEvaluation, taken: int) -> tuple[Tensor, Tensor | None]:
        """Return the time derivatives of direction and magnitude; that of `x` and None for plain descent."""
        r = at.point.magnitude
        if r is None:
            return -at.gradient, None
        u = at.point.direction
        along = (u * at.gradient).sum(-1)
        tangent = at.gradient - along.unsqueeze(-1) * u
        return -r.unsqueeze(-1) * tangent, -self._magnitude_rates(r, taken) * along

    def _curved(self, objective: DiagonalObjective, at: DiagonalEvaluation, v: Tensor, taken: int) -> Tensor:
        """Return `J P J^T v`: `J` is the derivative of the measurements by `x`, `P` the matrix of the rates."""
        A, x = objective.problem.operator, at.point.x
        slope = objective.depth * x ** (objective.depth - 1)
        back = A.transpose_times(v)
        w = slope * (torch.cat([back, -back], dim=-1) if objective.signed else back)
        r = at.point.magnitude
        if r is not None:
            along = (at.point.direction * w).sum(-1)
            squared = r * r
            turn = ((self._magnitude_rates(r, taken) - squared) * along).unsqueeze(-1)
            w = squared.unsqueeze(-1) * w + turn * at.point.direction
        w = slope * w
        N = A.shape[1]
        return A.times(w[..., :N] - w[..., N:] if objective.signed else w)


def settled(objective: DiagonalObjective, at: DiagonalEvaluation, residual: float) -> Bool[Tensor, " cells"]:
    """Return True for cells that have arrived or diverged."""
    relative = objective.relative_residual(at.residual)
    # A comparison with NaN is false.
    return (relative <= residual) | ~(relative < _DIVERGED)


def all_settled(objective: DiagonalObjective, residual: float) -> Callable[[DiagonalEvaluation], bool]:
    """Return a goal for `Stop`: no cell moves any more."""
    return lambda at: bool(settled(objective, at, residual).all())


def _unit(v: Float[Tensor, "cells m"]) -> tuple[Float[Tensor, "cells m"], Float[Tensor, " cells"]]:
    """Return vectors scaled to length 1, and their lengths."""
    size: Tensor = torch.linalg.vector_norm(v, dim=-1)
    return v / size.unsqueeze(-1), size


def _fastest(point: Weights, direction: Tensor, magnitude: Tensor | None) -> Tensor:
    """Return the largest `| d log(weight) / dt |`, without weights outside the range of numbers."""
    size = point.direction.abs().clamp_min_(torch.finfo(direction.dtype).tiny)
    rates = direction.abs().div_(size).amax(-1)
    if magnitude is not None and point.magnitude is not None:
        rates = torch.maximum(rates, magnitude.abs() / point.magnitude.abs())
    return rates
