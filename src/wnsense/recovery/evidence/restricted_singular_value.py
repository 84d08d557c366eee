"""Whether measurements feel every direction in which a matrix of its rank could still move."""

import torch

from wnsense.linalg import random_normal, symmetric_part
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.tangent import Tangent, tangent_part

# Steps of conjugate gradients: what they leave of a random direction is what measurements feel least. Where that is
# little felt, but not so little as nothing, more of them tell which.
_STEPS, _MOST_STEPS = 15, 80
# A direction that is not felt keeps its share of the random vector, about 1 of as many parts as there are degrees of
# freedom. Less than this of such a part is left to one direction in a thousand.
_LEFT_OUT = 1e-6
# Against an average of 1. Gaussian measurements twice as many as the degrees of freedom feel each direction with 0.09,
# few entries some with 0.003: an exact answer is the only one near all the same.
NULL_SPACE_GAIN = 1e-4
_DOUBTFUL = 0.1


def least_restricted_gain(objective: SensingObjective, at: Evaluation, *, seed: int) -> tuple[float, int]:
    """||T D M(xi)||^2 / ||xi||^2 of a tangent vector xi that is felt little, and the cost of finding it.

    Conjugate gradients on M*M from a random tangent vector remove from it what is felt. What is not felt at all stays,
    so that the gain of what is left falls to 0 where there is such a direction, and stays well above it where there is
    none; it is an upper bound on the least gain over the tangent space. Near 0 the matrix can be changed, its rank
    kept, without a measurement changing: it is not the only answer, whatever rows held out say.

    Args:
        objective: What is fitted.
        at: The fit.
        seed: Of the vector.
    """
    point = at.point
    generator = torch.Generator().manual_seed(seed)

    def normal(like: torch.Tensor) -> torch.Tensor:
        return random_normal(tuple(like.shape), generator=generator, dtype=like.dtype, device=like.device)

    part = tangent_part(point, normal(at.left), None)
    if point.Y is None or at.right is None:
        error = Tangent(symmetric_part(part.S), part.P, None)
    else:
        Q = normal(at.right)
        error = Tangent(part.S, part.P, Q - point.Y @ (point.Y.mH @ Q))

    def felt(vector: Tangent) -> Tangent:
        _, left, right = objective.normal_times(vector.at(point), point.width)
        return tangent_part(point, left, right)

    residual = felt(error)
    direction, squared, size = residual, residual.squared_norm(), error.squared_norm()
    eps, tiny = torch.finfo(size.dtype).eps, torch.finfo(size.dtype).tiny
    floor = (10 * eps) ** 2 * squared
    enough = max(_LEFT_OUT / objective.problem.operator.degrees_of_freedom(point.width), eps) * size
    steps, on_host = 0, size.device.type == "cpu"
    while steps < _MOST_STEPS:
        if steps >= _STEPS and not NULL_SPACE_GAIN <= float(error.inner(residual) / error.squared_norm()) < _DOUBTFUL:
            break
        steps += 1
        image = felt(direction)
        # Idle once converged, as in a space of few dimensions; what follows would be rounding.
        alive = squared > floor
        length = torch.where(alive, squared / direction.inner(image).clamp(min=tiny), 0)
        error, residual = error.plus(direction, -length), residual.plus(image, -length)
        new = residual.squared_norm()
        direction = residual.plus(direction, torch.where(alive, new / squared.clamp(min=tiny), 0))
        squared = new
        if on_host and bool(error.squared_norm() <= enough):
            break
    left_over = error.squared_norm()
    cost = 2 * (steps + 1)
    if float(left_over) <= eps * float(size):
        # All of it was felt.
        return 1.0, cost
    # The residual of the iteration is M*M times what is left.
    return float(error.inner(residual) / left_over), cost
