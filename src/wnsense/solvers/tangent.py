"""Tangent vectors at matrices of one rank, in orthonormal coordinates."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import orthonormal_factor
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
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
        Q = None if self.Q is None or other.Q is None else torch.addcmul(self.Q, f, other.Q)
        return Tangent(torch.addcmul(self.S, f, other.S), torch.addcmul(self.P, f, other.P), Q)

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
        return self.inner(self)

    def at(self, point: LowRank) -> LowRank:
        """Return the vector as a matrix of twice the width."""
        return self._beside(point, self.S)

    def from_point(self, point: LowRank) -> LowRank:
        """Return the point plus the vector, as a matrix of twice the width."""
        return self._beside(point, point.Theta + self.S)

    def _beside(self, point: LowRank, core: Tensor) -> LowRank:
        """Return `X core Y^H + P Y^H + X Q^H`."""
        r = point.width
        Theta = core.new_zeros((*core.shape[:-2], 2 * r, 2 * r))
        Theta[..., :r, :r] = core
        Theta[..., :r, r:].diagonal(dim1=-2, dim2=-1).fill_(1)
        Theta[..., r:, :r].diagonal(dim1=-2, dim2=-1).fill_(1)
        X = torch.cat([point.X, self.P], dim=-1)
        Y = None if point.Y is None or self.Q is None else torch.cat([point.Y, self.Q], dim=-1)
        return LowRank(X, Theta, Y)


def _inner(A: Tensor, B: Tensor) -> Tensor:
    product: Tensor = torch.linalg.vecdot(A.flatten(-2), B.flatten(-2))
    return product.real


def tangent_part(point: LowRank, left: Tensor, right: Tensor | None) -> Tangent:
    """Return the projection of `R` onto the tangent space, from `R Y` and `R^H X`."""
    S = point.X.mH @ left
    P = left - point.X @ S
    Q = None if point.Y is None or right is None else right - point.Y @ S.mH
    return Tangent(S, P, Q)


def transported(vector: Tangent, old: LowRank, new: LowRank) -> Tangent:
    """Return a tangent vector of the old point, projected onto the tangent space of the new one."""
    between = old.X.mH @ new.X
    if vector.Q is None or old.Y is None or new.Y is None:
        left = old.X @ (vector.S @ between + vector.P.mH @ new.X) + vector.P @ between
        return tangent_part(new, left, None)
    beside = old.Y.mH @ new.Y
    left = old.X @ (vector.S @ beside + vector.Q.mH @ new.Y) + vector.P @ beside
    right = old.Y @ (vector.S.mH @ between + vector.P.mH @ new.X) + vector.Q @ between
    return tangent_part(new, left, right)


def truncated(matrix: LowRank, rank: int, kind: Kind) -> tuple[LowRank, Float[Tensor, "*batch"]]:
    """Return the best approximation of this rank that the kind allows, with orthonormal factors, and its distance.

    The core is diagonal; for rectangular matrices up to rounding.
    """
    if matrix.Y is not None:
        return _rectangular_truncated(matrix.X, matrix.Theta, matrix.Y, rank)
    Z = matrix.orthonormal()
    values = torch.diagonal(Z.Theta, dim1=-2, dim2=-1).real
    if kind is not Kind.PSD:
        change = torch.linalg.vector_norm(values[..., rank:], dim=-1)
        return LowRank(Z.X[..., :rank], Z.Theta[..., :rank, :rank]), change
    # Negative eigenvalues become zero, and the largest come first.
    order = values.argsort(dim=-1, descending=True, stable=True)[..., :rank]
    kept = values.gather(-1, order).clamp(min=0)
    X = Z.X.gather(-1, order.unsqueeze(-2).expand(*Z.X.shape[:-1], order.shape[-1]))
    point = LowRank(X, torch.diag_embed(kept).to(matrix.dtype))
    return point, _length_of_rest(values, kept)


def _rectangular_truncated(X: Tensor, Theta: Tensor, Y: Tensor, rank: int) -> tuple[LowRank, Tensor]:
    """Return the best approximation of `X Theta Y^H` of this rank, and its distance.

    LAPACK's SVD leaves out what is below 1e-14 of the norm beside the diagonal, and a small step of a solver with it.
    One step of subspace iteration brings it back.
    """
    Q, R = torch.linalg.qr(X)
    P, S = torch.linalg.qr(Y)
    core = R @ Theta @ S.mH
    _, values, Vh = torch.linalg.svd(core, full_matrices=False)
    left = orthonormal_factor(core @ Vh[..., :rank, :].mH)
    back = core.mH @ left
    right = orthonormal_factor(back)
    point = LowRank(Q @ left, back.mH @ right, P @ right)
    return point, torch.linalg.vector_norm(values[..., rank:], dim=-1)


def _length_of_rest(values: Tensor, kept: Tensor) -> Tensor:
    """Return the norm of the values of a psd truncation that are not kept."""
    descending = values.sort(dim=-1, descending=True).values
    rest = descending - torch.nn.functional.pad(kept, (0, values.shape[-1] - kept.shape[-1]))
    length: Tensor = torch.linalg.vector_norm(rest, dim=-1)
    return length
