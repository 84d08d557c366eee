"""Centring: the one direction in which measurements answer to the trace, projected out."""

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
    """P M with P = I - u u^T, u the unit vector of the traces Tr M_i.

    Attributes:
        direction: u, (n,).
    """

    direction: Float[Tensor, " n"]

    def after(self, y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """P y: what is done to measurements that came from the operator before it was centred."""
        return y - (y @ self.direction).unsqueeze(-1) * self.direction

    def after_transpose(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """P v, since P is symmetric."""
        return self.after(v)


def centred(operator: Operator) -> CentredSensing:
    """M_c(Z) = (I - t t^T / ||t||^2) M(Z) with t = (Tr M_i): an operator that does not see the identity.

    Rank-one measurements a^T Z a measure the identity about sqrt(m) times as long as a matrix of the same norm and
    zero trace; without that direction M*M is well conditioned. In each row the mean that Tr Z makes is taken off, as
    is done by hand in covariance sketching.

    What is lost: t = M(I), so M_c(Z + c I) = M_c(Z) for every c. The measurements no longer tell Z from Z + c I; that
    the answer is of low rank must do it, and where m is small, or the rank near m, it does not. `recover` and the
    solvers do not need centring: their calibration shrinks that direction and drops nothing.

    No row of P M is a row of M. Restricting a centred operator and centring a restricted one differ.

    Raises:
        InputError: When the kind is rectangular, or all traces are zero.
    """
    require(operator.kind.is_symmetric, "a symmetric kind, whose unknown has a trace", str(operator.kind))
    traces = operator.traces()
    if traces.device.type != "meta":
        require(bool((traces != 0).any()), "measurement matrices with a trace", "traces that are all zero")
    # Their largest first, so that the squares of small or large traces neither vanish nor overflow.
    direction = traces / traces.abs().max()
    return CentredSensing(operator, direction / torch.linalg.vector_norm(direction))


def centred_problem(problem: Problem) -> Problem:
    """The same measurements, centred with their operator: least squares over (I - u u^T) sqrt(w) (M(Z) - y).

    Weights are taken into the operator first, u being the direction of sqrt(w) t. The noise level of the result is an
    upper bound, ||noise|| over what is left of ||y||; none is told where weights change the measure of noise.

    Raises:
        InputError: When the kind is rectangular, all traces are zero, or y is a multiple of t.
    """
    operator, y, level = problem.operator, problem.measurements, problem.noise_level
    if problem.weights is not None:
        root = problem.weights.sqrt()
        operator, y = row_weighted(operator, root), root * y
        level = 0.0 if level == 0 else None
    operator = centred(operator)
    left = operator.after(y)
    if level:
        level *= float(torch.linalg.vector_norm(y) / torch.linalg.vector_norm(left))
    return Problem(operator, left, problem.truth, level)
