"""Centring of measurements: a projection that removes their component along the traces."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.combining.measurement_maps import OperatorAfter, row_weighted
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem


@dataclass(frozen=True)
class CentredSensing(OperatorAfter):
    """Operator `P M` with `P = I - u u^T`, `u` the unit vector of the traces `Tr M_i`.

    Attributes:
        direction: Unit vector `u`, (n,).
    """

    direction: Float[Tensor, " n"]

    def after(self, y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return `P y`, the centred form of measurements by the operator before centring."""
        return y - (y @ self.direction).unsqueeze(-1) * self.direction

    def after_transpose(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Return `P v`, since `P` is symmetric."""
        return self.after(v)


def centred(operator: Operator) -> CentredSensing:
    """Return `M_c(Z) = (I - t t^T / ||t||^2) M(Z)` with `t = (Tr M_i)`, for which the identity measures zero.

    Rank-one measurements `a^T Z a` measure the identity about `sqrt(m)` times as long as a matrix of the same norm and
    zero trace. Without that direction `M*M` is well conditioned. In each row the mean due to `Tr Z` is removed, as is
    done by hand in covariance sketching.

    Centring has a price: `t = M(I)`, so that `M_c(Z + c I) = M_c(Z)` for every c. Only the low rank distinguishes `Z`
    from `Z + c I`, and it does not if m is small, or the rank near m. `recover` and the solvers do not need centring:
    their calibration shrinks that direction and drops nothing.

    No row of `P M` is a row of `M`. The restriction of a centred operator and the centring of a restricted one differ.

    Raises:
        InputError: If the kind is rectangular, or all traces are zero.
    """
    require(operator.kind.is_symmetric, "a symmetric kind, whose unknown has a trace", str(operator.kind))
    traces = operator.traces()
    if traces.device.type != "meta":
        require(bool((traces != 0).any()), "measurement matrices with a trace", "traces that are all zero")
    # Divided by the largest, so that squares of small or large traces neither vanish nor overflow.
    direction = traces / traces.abs().max()
    return CentredSensing(operator, direction / torch.linalg.vector_norm(direction))


def centred_problem(problem: Problem) -> Problem:
    """Return a problem centred with its operator: least squares over `(I - u u^T) sqrt(w) (M(Z) - y)`.

    Weights are taken into the operator first, so that `u` is the direction of `sqrt(w) t`. The noise level of the
    result is an upper bound, `||noise||` over the norm of the centred `y`. With weights there is none, since they
    change the norm of noise.

    Raises:
        InputError: If the kind is rectangular, all traces are zero, or y is a multiple of t.
    """
    operator, y, level = problem.operator, problem.measurements, problem.noise_level
    if problem.weights is not None:
        root = problem.weights.sqrt()
        operator, y = row_weighted(operator, root), root * y
        level = 0.0 if level == 0 else None
    operator = centred(operator)
    remainder = operator.after(y)
    if level:
        level *= float(torch.linalg.vector_norm(y) / torch.linalg.vector_norm(remainder))
    return Problem(operator, remainder, problem.truth, level)
