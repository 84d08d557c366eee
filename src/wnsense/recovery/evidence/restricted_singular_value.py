"""Measure of identifiability: the least restricted singular value of the measurements on the tangent space of a fit.

The gain of a tangent vector `xi` is `||T D M(xi)||^2 / ||xi||^2`, with the calibration `T D`. The least gain is the
square of the least restricted singular value. It is 0 if the restricted null space is not trivial: then the matrix can
be changed, its rank kept, without a change of the measurements.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.linalg import random_normal, symmetric_part
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.row_blocks import RowBlocks, blocks_cost, row_blocks
from wnsense.solvers.tangent import Tangent, tangent_part

# Most steps of conjugate gradients. Near the information limit the least gains are as small as 1e-6.
_MOST_STEPS = 600
# A null-space direction keeps its share of the random vector, about 1 over the degrees of freedom. A share smaller by
# this factor has a probability of one in a thousand.
_REMAINDER = 1e-6
# Gain below which a direction counts as one of the null space: rounding of the measurements moves the matrix along it
# by 1e5 times as much.
_NULL_GAIN = 1e-10


@dataclass(frozen=True)
class NullSpaceTest:
    """Test whether the restricted null space is trivial.

    Attributes:
        is_trivial: True if nothing of a random tangent vector remains, so that there is no null space.
        gain: Upper bound on the least gain, relative to an average of 1.
    """

    is_trivial: bool
    gain: float


def null_space_test(objective: SensingObjective, at: Evaluation, *, seed: int) -> tuple[NullSpaceTest, int]:
    """Return the test of the restricted null space at a fit, and its cost in applications.

    Conjugate gradients on `M* M`, from a random tangent vector, remove its parts, those of large gain first. A part in
    the null space stays, also with a preconditioner. There is none if less remains than the share of any single
    direction.

    Args:
        objective: Objective of the fitted rows.
        at: Evaluation of the fit.
        seed: Seed of the random vector.
    """
    error = _random_tangent(at, seed)
    none = torch.zeros_like(at.point.Theta.real)
    blocks = row_blocks(objective, at.point, 1.0, none, none[0])
    iteration = _Iteration.start(objective, at, error, blocks)
    size = float(error.squared_norm())
    eps = torch.finfo(error.squared_norm().dtype).eps
    floor = (10 * eps) ** 2 * iteration.squared
    enough = max(_REMAINDER / objective.problem.operator.degrees_of_freedom(at.point.width), eps) * size
    steps, gain, cost = 0, iteration.gain(), blocks_cost(objective, at.point)
    while steps < _MOST_STEPS and gain >= _NULL_GAIN:
        iteration, steps = iteration.next(objective, at, floor, blocks), steps + 1
        left = float(iteration.error.squared_norm())
        if left <= enough:
            return NullSpaceTest(is_trivial=True, gain=gain), cost + 2 * (steps + 1)
        gain = iteration.gain()
    return NullSpaceTest(is_trivial=False, gain=gain), cost + 2 * (steps + 1)


@dataclass(frozen=True)
class _Iteration:
    """State of conjugate gradients for `M* M error = 0`.

    Attributes:
        error: Present tangent vector.
        residual: `M* M error`, projected onto the tangent space.
        direction: Direction of the next step.
        squared: Inner product of the residual and its preconditioned one.
    """

    error: Tangent
    residual: Tangent
    direction: Tangent
    squared: Tensor

    @classmethod
    def start(cls, objective: SensingObjective, at: Evaluation, error: Tangent, blocks: RowBlocks) -> "_Iteration":
        """Return the first state, from a tangent vector."""
        residual = _normal_image(objective, at, error)
        direction = blocks.applied(residual)
        return cls(error, residual, direction, residual.inner(direction))

    def next(self, objective: SensingObjective, at: Evaluation, floor: Tensor, blocks: RowBlocks) -> "_Iteration":
        """Return the state after one step; below the floor of `squared` nothing changes but rounding errors."""
        tiny = torch.finfo(self.squared.dtype).tiny
        image = _normal_image(objective, at, self.direction)
        is_active = self.squared > floor
        length = torch.where(is_active, self.squared / self.direction.inner(image).clamp(min=tiny), 0)
        error, residual = self.error.plus(self.direction, -length), self.residual.plus(image, -length)
        ahead = blocks.applied(residual)
        squared = residual.inner(ahead)
        turn = torch.where(is_active, squared / self.squared.clamp(min=tiny), 0)
        return _Iteration(error, residual, ahead.plus(self.direction, turn), squared)

    def gain(self) -> float:
        """Return the gain of the present vector."""
        return float(self.error.inner(self.residual) / self.error.squared_norm())


def _random_tangent(at: Evaluation, seed: int) -> Tangent:
    """Return a random tangent vector of normal numbers at a point."""
    point = at.point
    generator = torch.Generator().manual_seed(seed)

    def normal(like: Tensor) -> Tensor:
        return random_normal(tuple(like.shape), generator=generator, dtype=like.dtype, device=like.device)

    part = tangent_part(point, normal(at.left), None)
    if point.Y is None or at.right is None:
        return Tangent(symmetric_part(part.S), part.P, None)
    Q = normal(at.right)
    return Tangent(part.S, part.P, Q - point.Y @ (point.Y.mH @ Q))


def _normal_image(objective: SensingObjective, at: Evaluation, vector: Tangent) -> Tangent:
    """Return `M* M vector`, projected onto the tangent space."""
    _, left, right = objective.normal_times(vector.at(at.point), at.point.width)
    return tangent_part(at.point, left, right)
