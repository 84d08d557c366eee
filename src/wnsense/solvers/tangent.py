"""Tangent vectors at matrices of one rank, in orthonormal coordinates."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import frobenius_norm
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank


@dataclass(frozen=True)
class Tangent:
    """Tangent vector `X S Y^H + P Y^H + X Q^H`, `P` orthogonal to `X` and `Q` to `Y` (symmetric: `Y = X`, `Q = P`).

    `||S||^2 + ||P||^2 + ||Q||^2` is the squared Frobenius norm of the vector for any spectrum of the point (symmetric
    kinds count `P` twice). In these coordinates the condition number of the point has no effect on conjugate gradients.

    Attributes:
        S: Core, (..., r, r).
        P: Left part, (..., m1, r).
        Q: Right part, (..., m2, r); None for symmetric kinds.
    """

    S: Inexact[Tensor, "*batch r r"]
    P: Inexact[Tensor, "*batch m1 r"]
    Q: Inexact[Tensor, "*batch m2 r"] | None

    def plus(self, other: "Tangent", factor: Tensor) -> "Tangent":
        """Return this vector plus another times a factor for each of a batch."""
        f = factor[..., None, None]
        Q = None if self.Q is None or other.Q is None else self.Q + f * other.Q
        return Tangent(self.S + f * other.S, self.P + f * other.P, Q)

    def scaled(self, factor: Tensor) -> "Tangent":
        """Return this vector times a factor for each of a batch."""
        f = factor[..., None, None]
        return Tangent(f * self.S, f * self.P, None if self.Q is None else f * self.Q)

    def inner(self, other: "Tangent") -> Float[Tensor, "*batch"]:
        """Return the real inner product of two tangent vectors as matrices."""
        second, others = (self.P, other.P) if self.Q is None or other.Q is None else (self.Q, other.Q)
        return _inner(self.S, other.S) + _inner(self.P, other.P) + _inner(second, others)

    def squared_norm(self) -> Float[Tensor, "*batch"]:
        """Return the squared Frobenius norm of the vector as a matrix."""
        second = self.P if self.Q is None else self.Q
        return frobenius_norm(self.S) ** 2 + frobenius_norm(self.P) ** 2 + frobenius_norm(second) ** 2

    def at(self, point: LowRank) -> LowRank:
        """Return the vector as a matrix of twice the width."""
        identity = torch.eye(point.width, dtype=point.dtype, device=point.X.device).expand_as(self.S)
        Theta = torch.cat([torch.cat([self.S, identity], -1), torch.cat([identity, torch.zeros_like(self.S)], -1)], -2)
        X = torch.cat([point.X, self.P], dim=-1)
        Y = None if point.Y is None or self.Q is None else torch.cat([point.Y, self.Q], dim=-1)
        return LowRank(X, Theta, Y)


def _inner(A: Tensor, B: Tensor) -> Tensor:
    return (A.conj() * B).sum((-2, -1)).real


def tangent_part(point: LowRank, left: Tensor, right: Tensor | None) -> Tangent:
    """Return the projection of `R` onto the tangent space, from `R Y` and `R^H X`."""
    S = point.X.mH @ left
    P = left - point.X @ S
    Q = None if point.Y is None or right is None else right - point.Y @ S.mH
    return Tangent(S, P, Q)


def transported(vector: Tangent, old: LowRank, new: LowRank) -> Tangent:
    """Return a tangent vector of the old point, projected onto the tangent space of the new one."""
    V = vector.at(old)
    return tangent_part(new, V @ new.right, None if new.Y is None else V.mH @ new.X)


def truncated(matrix: LowRank, rank: int, kind: Kind) -> LowRank:
    """Return the best approximation of this width that the kind allows, in orthonormal form."""
    return (matrix.positive_part() if kind is Kind.PSD else matrix).truncate(rank)
