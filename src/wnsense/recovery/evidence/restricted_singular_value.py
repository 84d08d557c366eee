"""Measure of identifiability: the restricted singular values of the measurements on the tangent space of a fit.

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
# Share of the mean gain that is added to blocks of the preconditioner. They multiply null directions by its inverse,
# whose square must be far below that of the next number, so that none of these directions hides the others.
_RIDGE = 1e-3
# Gain below which a direction counts as one of the null space: rounding of the measurements moves the matrix along it
# by 1e5 times as much.
_NULL_GAIN = 1e-10


@dataclass(frozen=True)
class NullSpaceTest:
    """Test whether the restricted null space is trivial.

    Attributes:
        gain: Upper bound on the least gain, relative to an average of 1.
        spread: Estimate of `tr((M* M)^-1)` on the tangent space, the degrees of freedom for an isometry. Independent
            errors of variance `s^2` move the matrix by `s sqrt(spread)`, in root mean square.
        direction: Unit tangent vector of the null space, random among all; None if the null space is trivial.
    """

    gain: float
    spread: float
    direction: Tangent | None

    @property
    def is_trivial(self) -> bool:
        """True if nothing of a random tangent vector remains, so that there is no null space."""
        return self.direction is None


def null_space_test(
    objective: SensingObjective, at: Evaluation, *, seed: int, least_gain: float = 0.0, budget: int | None = None
) -> tuple[NullSpaceTest | None, int]:
    """Return the test of the restricted null space at a fit, None beyond a budget, and its cost in applications.

    Conjugate gradients solve `M* M x = e` for a random tangent vector `e`, parts of large gain first. A part of `e` in
    the null space stays in the residual, also with a preconditioner, and the directions of the steps turn towards it.
    There is none if less remains than the share of any single direction. The solution also gives the estimate of the
    trace of the inverse, `<e, x>` (Hutchinson, 1989).

    Args:
        objective: Objective of the fitted rows.
        at: Evaluation of the fit.
        seed: Seed of the random vector.
        least_gain: Gain below which a direction counts as one of the null space, if larger than that of rounding.
        budget: Largest number of applications; None for no limit.
    """
    random = _random_tangent(at, seed)
    none = torch.zeros_like(at.point.Theta.real)
    blocks = row_blocks(objective, at.point, 1.0, none, none[0], ridge=_RIDGE)
    freedom = objective.problem.operator.degrees_of_freedom(at.point.width)
    size = float(random.squared_norm())
    enough = max(_REMAINDER / freedom, torch.finfo(at.point.Theta.real.dtype).eps) * size
    iteration = _Iteration.start(random, blocks)
    steps, gain, left, weakest, cost = 0, 1.0, size, iteration.direction, blocks_cost(objective, at.point)
    while steps < _MOST_STEPS and left > enough and gain >= _NULL_GAIN:
        if budget is not None and cost >= budget:
            return None, cost
        steps, cost = steps + 1, cost + 2
        direction = iteration.direction
        iteration, latest = iteration.next(objective, at, blocks)
        if latest < gain:
            gain, weakest = latest, direction
        left = float(iteration.residual.squared_norm())
    spread = freedom * float(random.inner(iteration.solution)) / size
    is_trivial = left <= enough and gain >= least_gain
    null = None if is_trivial else weakest.scaled(1 / weakest.squared_norm().sqrt())
    return NullSpaceTest(gain, spread, null), cost


@dataclass(frozen=True)
class _Iteration:
    """State of preconditioned conjugate gradients for `M* M x = e`.

    Attributes:
        solution: Present `x`.
        residual: `e - M* M x`.
        direction: Direction of the next step.
        squared: Inner product of the residual and its preconditioned one.
    """

    solution: Tangent
    residual: Tangent
    direction: Tangent
    squared: Tensor

    @classmethod
    def start(cls, random: Tangent, blocks: RowBlocks) -> "_Iteration":
        """Return the first state, with `x = 0`."""
        direction = blocks.applied(random)
        return cls(random.scaled(torch.zeros_like(random.squared_norm())), random, direction, random.inner(direction))

    def next(self, objective: SensingObjective, at: Evaluation, blocks: RowBlocks) -> tuple["_Iteration", float]:
        """Return the state after one step, and the gain of its direction; along the null space no step is made."""
        image = _normal_image(objective, at, self.direction)
        curvature = self.direction.inner(image)
        gain = float(curvature / self.direction.squared_norm())
        if gain < _NULL_GAIN:
            return self, gain
        length = self.squared / curvature
        solution, residual = self.solution.plus(self.direction, length), self.residual.plus(image, -length)
        ahead = blocks.applied(residual)
        squared = residual.inner(ahead)
        return _Iteration(solution, residual, ahead.plus(self.direction, squared / self.squared), squared), gain


def _random_tangent(at: Evaluation, seed: int) -> Tangent:
    """Return a random tangent vector at a point, isotropic in orthonormal coordinates."""
    point = at.point
    generator = torch.Generator().manual_seed(seed)

    def normal(like: Tensor) -> Tensor:
        return random_normal(tuple(like.shape), generator=generator, dtype=like.dtype, device=like.device)

    part = tangent_part(point, normal(at.left), None)
    if point.Y is None or at.right is None:
        # `P` counts twice in the norm of a symmetric vector.
        return Tangent(symmetric_part(part.S), part.P / 2**0.5, None)
    Q = normal(at.right)
    return Tangent(part.S, part.P, Q - point.Y @ (point.Y.mH @ Q))


def _normal_image(objective: SensingObjective, at: Evaluation, vector: Tangent) -> Tangent:
    """Return `M* M vector`, projected onto the tangent space."""
    _, left, right = objective.normal_times(vector.at(at.point), at.point.width)
    return tangent_part(at.point, left, right)
