"""Tangent vectors of the matrices of one rank, in orthonormal coordinates."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import frobenius_norm
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank


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


def _inner(A: Tensor, B: Tensor) -> Tensor:
    return (A.conj() * B).sum((-2, -1)).real


def tangent_part(point: LowRank, left: Tensor, right: Tensor | None) -> Tangent:
    """The projection of R onto the tangent space, from R Y and R^H X."""
    S = point.X.mH @ left
    P = left - point.X @ S
    Q = None if point.Y is None or right is None else right - point.Y @ S.mH
    return Tangent(S, P, Q)


def carried(vector: Tangent, old: LowRank, new: LowRank) -> Tangent:
    """A tangent vector of the old point projected onto the tangent space of the new one."""
    V = vector.at(old)
    return tangent_part(new, V @ new.right, None if new.Y is None else V.mH @ new.X)


def truncated(matrix: LowRank, rank: int, kind: Kind) -> LowRank:
    """The best approximation of this width that the kind allows, orthonormal."""
    return (matrix.positive_part() if kind is Kind.PSD else matrix).truncate(rank)
