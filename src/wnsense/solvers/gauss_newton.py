"""Gauss-Newton on the manifold of matrices of one rank: second-order finishing once the rank is known."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import frobenius_norm
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.solver import State, choose


@dataclass(frozen=True)
class GaussNewtonState(State):
    """The state with its Levenberg-Marquardt damping.

    Attributes:
        damping: lambda, (...).
    """

    damping: Float[Tensor, "*batch"]


@dataclass(frozen=True)
class Tangent:
    """X S Y^H + P Y^H + X Q^H with P orthogonal to X and Q to Y (symmetric kinds: Y = X, Q = P), a tangent vector.

    The coordinates are those of the tangent space itself: ||S||^2 + ||P||^2 + ||Q||^2 is the squared Frobenius norm of
    the vector (symmetric kinds count P twice), whatever the spectrum of the point. That is what keeps conjugate
    gradients from seeing the condition number.
    """

    S: Inexact[Tensor, "*batch r r"]
    P: Inexact[Tensor, "*batch m1 r"]
    Q: Inexact[Tensor, "*batch m2 r"] | None

    def plus(self, other: "Tangent", factor: Tensor) -> "Tangent":
        """This vector plus a factor for each of a batch times another."""
        f = factor[..., None, None]
        Q = None if self.Q is None or other.Q is None else self.Q + f * other.Q
        return Tangent(self.S + f * other.S, self.P + f * other.P, Q)

    def scaled(self, factor: Tensor) -> "Tangent":
        """This vector times a factor for each of a batch."""
        f = factor[..., None, None]
        return Tangent(f * self.S, f * self.P, None if self.Q is None else f * self.Q)

    def inner(self, other: "Tangent") -> Float[Tensor, "*batch"]:
        """The inner product of two tangent vectors as matrices, real."""
        second, others = (self.P, other.P) if self.Q is None or other.Q is None else (self.Q, other.Q)
        return _inner(self.S, other.S) + _inner(self.P, other.P) + _inner(second, others)

    def squared_norm(self) -> Float[Tensor, "*batch"]:
        """The squared Frobenius norm of the tangent vector as a matrix."""
        second = self.P if self.Q is None else self.Q
        return frobenius_norm(self.S) ** 2 + frobenius_norm(self.P) ** 2 + frobenius_norm(second) ** 2

    def at(self, point: LowRank) -> LowRank:
        """The vector as a matrix of twice the width."""
        identity = torch.eye(point.width, dtype=point.dtype, device=point.device).expand_as(self.S)
        Theta = torch.cat([torch.cat([self.S, identity], -1), torch.cat([identity, torch.zeros_like(self.S)], -1)], -2)
        X = torch.cat([point.X, self.P], dim=-1)
        Y = None if point.Y is None or self.Q is None else torch.cat([point.Y, self.Q], dim=-1)
        return LowRank(X, Theta, Y)


@dataclass(frozen=True)
class GaussNewton:
    """Minimize ||q + T D M(xi)||^2 + lambda ||xi||^2 over tangent vectors xi by conjugate gradients, then truncate.

    The least-squares step of recursive importance sketching (Luo, Huang, Li, Zhang, arXiv 2011.08360), in orthonormal
    coordinates of the tangent space and with Levenberg-Marquardt damping: a step that does not lower the misfit is
    taken back and lambda grows fourfold, otherwise it falls fourfold. Rank stays what the first point has. For kind
    psd the truncation keeps positive eigenvalues only, so that each iterate is positive semidefinite. A step costs
    2 (inner_steps + 1) applications.

    Attributes:
        inner_steps: Steps of conjugate gradients for each outer one.
        first_damping: lambda at the start, against an operator of unit gain.
    """

    inner_steps: int = 8
    first_damping: float = 1e-3

    def start(self, objective: SensingObjective, point: LowRank) -> GaussNewtonState:
        """Evaluate the first point in orthonormal form."""
        at = objective.evaluate(truncated(point, point.width, objective.kind))
        damping = torch.full_like(at.misfit, self.first_damping)
        return GaussNewtonState(at, 2, damping)

    def step(self, objective: SensingObjective, state: GaussNewtonState) -> GaussNewtonState:
        """One outer step."""
        at = state.evaluation
        xi = least_squares_step(objective, at, state.damping, self.inner_steps)
        moved = at.point.plus(xi.at(at.point))
        trial = objective.evaluate(truncated(moved, at.point.width, objective.kind))
        better = trial.misfit < at.misfit
        damping = torch.where(better, (state.damping / 4).clamp(min=1e-14), state.damping * 4)
        return replace(
            state,
            evaluation=choose(better, trial, at),
            applications=state.applications + 2 * self.inner_steps + 2,
            damping=damping,
        )


def least_squares_step(
    objective: SensingObjective, at: Evaluation, damping: Float[Tensor, "*batch"], inner_steps: int
) -> Tangent:
    """Conjugate gradients on (J^T J + lambda I) xi = -J^T q; a fixed number of steps, idle once converged.

    Args:
        objective: What is minimized.
        at: The point in orthonormal form, with its residual.
        damping: lambda.
        inner_steps: How many steps, of 2 applications each.
    """
    residual = tangent_part(at.point, at.left, at.right)
    residual = Tangent(-residual.S, -residual.P, None if residual.Q is None else -residual.Q)
    direction = residual
    xi = residual.plus(residual, -torch.ones_like(damping))
    squared = residual.squared_norm()
    floor = squared * 1e-28 + torch.finfo(squared.dtype).tiny
    for _ in range(inner_steps):
        image, left, right = objective.normal_times(direction.at(at.point), at.point.width)
        curvature = image.square().sum(-1) + damping * direction.squared_norm()
        alive = squared > floor
        length = torch.where(alive, squared / curvature.clamp(min=torch.finfo(squared.dtype).tiny), 0)
        xi = xi.plus(direction, length)
        back = tangent_part(at.point, left, right).plus(direction, damping)
        residual = residual.plus(back, -length)
        new_squared = residual.squared_norm()
        ratio = torch.where(alive, new_squared / squared.clamp(min=torch.finfo(squared.dtype).tiny), 0)
        direction = residual.plus(direction, ratio)
        squared = new_squared
    return xi


def _inner(A: Tensor, B: Tensor) -> Tensor:
    return (A.conj() * B).sum((-2, -1)).real


def tangent_part(point: LowRank, left: Tensor, right: Tensor | None) -> Tangent:
    """The projection of R onto the tangent space, from R Y and R^H X."""
    S = point.X.mH @ left
    P = left - point.X @ S
    Q = None if point.Y is None or right is None else right - point.Y @ S.mH
    return Tangent(S, P, Q)


def truncated(matrix: LowRank, rank: int, kind: Kind) -> LowRank:
    """The best approximation of this width that the kind allows, orthonormal."""
    return (matrix.positive_part() if kind is Kind.PSD else matrix).truncate(rank)
