"""The population loss of weight-normalized matrix sensing, its Riemannian gradient and Hessian.

`f(X, Theta) = 1/4 ||X Theta X^T - A||_F^2` over `St(m, r) x S^r`: the loss of arXiv 2510.01175 where `M*M = I`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_finite, require_size
from wnsense.linalg import packed_length, smat, symmetric_part
from wnsense.manifolds.stiefel import distance_to_stiefel, tangent_projection
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class FactoredPoint:
    """Point `(X, Theta)` of the product manifold, or tangent vector at a point.

    Attributes:
        X: Point of the Stiefel manifold, (..., m, r), or tangent to it.
        Theta: Symmetric matrix, (..., r, r).
    """

    X: Float[Tensor, "*batch m r"]
    Theta: Float[Tensor, "*batch r r"]

    def dense(self) -> Float[Tensor, "*batch m m"]:
        """Return `X Theta X^T` of a point."""
        return self.X @ self.Theta @ self.X.mT

    def flattened(self) -> Float[Tensor, "*batch d"]:
        """Return all `d = m r + r^2` entries in a row, for inner products of tangent vectors."""
        return torch.cat([self.X.flatten(-2), self.Theta.flatten(-2)], dim=-1)


@dataclass(frozen=True)
@by_value
class PopulationLoss:
    """Loss `f(X, Theta) = 1/4 ||X Theta X^T - A||_F^2` for `A = U diag(sigma) U^T`.

    Attributes:
        frame: Eigenvectors `U`, (m, r_A), orthonormal columns.
        eigenvalues: Eigenvalues `sigma`, (r_A,), positive and falling.

    Raises:
        InputError: If the frame is not orthonormal, or the eigenvalues are not positive and falling.
    """

    frame: Float[Tensor, "m k"]
    eigenvalues: Float[Tensor, " k"]

    def __post_init__(self) -> None:
        """Check the frame and the eigenvalues."""
        require_size("the eigenvalues", self.eigenvalues.shape, self.frame.shape[-1:], "give one a column of the frame")
        require_finite("the eigenvalues", self.eigenvalues)
        values = self.eigenvalues.tolist()
        require(min(values, default=0) > 0, "at least one eigenvalue, all positive", values, "drop the others")
        require(values == sorted(values, reverse=True), "eigenvalues in falling order", values, "sort the columns too")
        _require_orthonormal("a frame U", self.frame)

    @property
    def size(self) -> int:
        """Number of rows `m` of `A`."""
        return self.frame.shape[0]

    @property
    def true_rank(self) -> int:
        """Rank `r_A` of `A`."""
        return self.frame.shape[1]

    def truth(self) -> Float[Tensor, "m m"]:
        """Return `A` as a dense matrix."""
        return self.frame * self.eigenvalues @ self.frame.mT

    def value(self, point: FactoredPoint) -> Float[Tensor, "*batch"]:
        """Return the loss `f` at a point."""
        value: Tensor = self._residual(point).square().sum((-2, -1)) / 4
        return value

    def best_magnitude(self, X: Float[Tensor, "*batch m r"]) -> FactoredPoint:
        """Return `X` with the best `Theta`, `X^T A X`; a step of `Theta` with `mu = 2` ends there."""
        Phi = self.frame.mT @ X
        return FactoredPoint(X, symmetric_part(Phi.mT * self.eigenvalues @ Phi))

    def gradient(self, point: FactoredPoint) -> FactoredPoint:
        """Return the Riemannian gradient: `R X Theta` made tangent, and `1/2 X^T R X`, with the residual `R`."""
        RX = self._residual(point) @ point.X
        return FactoredPoint(tangent_projection(point.X, RX @ point.Theta), symmetric_part(point.X.mT @ RX) / 2)

    def hessian_times(self, point: FactoredPoint, tangent: FactoredPoint) -> FactoredPoint:
        """Return the Riemannian Hessian at any point, stationary or not, times tangent vectors.

        It is the derivative of the gradient, made tangent. The curvature of the Stiefel manifold subtracts
        `xi sym(X^T E)` with `E = R X Theta`.
        """
        xi, tau = tangent.X, tangent.Theta
        X, Theta = point.X.expand_as(xi), point.Theta.expand_as(tau)
        R = self._residual(point)
        moved = xi @ Theta @ X.mT
        dR = moved + moved.mT + X @ tau @ X.mT
        RX = R @ X
        dE = dR @ X @ Theta + R @ xi @ Theta + RX @ tau
        dK = X.mT @ dR @ X / 2 + symmetric_part(xi.mT @ RX)
        curved = xi @ symmetric_part(X.mT @ RX @ Theta)
        return FactoredPoint(tangent_projection(X, dE - curved), dK)

    def hessian(self, point: FactoredPoint) -> Float[Tensor, "d d"]:
        """Return the dense Hessian in the coordinates of `tangent_basis`, `d = m r`."""
        basis = tangent_basis(point.X)
        return symmetric_part(basis.flattened() @ self.hessian_times(point, basis).flattened().mT)

    def most_negative_curvature(self, point: FactoredPoint) -> tuple[float, FactoredPoint]:
        """Return the least eigenvalue of the Hessian, and a unit eigenvector as a tangent vector."""
        values, vectors = torch.linalg.eigh(self.hessian(point))
        basis = tangent_basis(point.X)
        xi = torch.einsum("d,dmr->mr", vectors[:, 0], basis.X)
        return float(values[0]), FactoredPoint(xi, torch.einsum("d,drs->rs", vectors[:, 0], basis.Theta))

    def _residual(self, point: FactoredPoint) -> Float[Tensor, "*batch m m"]:
        rows = point.X.shape[-2]
        require(rows == self.size, f"X of {self.size} rows, as the frame has", rows)
        return point.dense() - self.truth()


def tangent_basis(X: Float[Tensor, "m r"]) -> FactoredPoint:
    """Return an orthonormal basis of the tangent space of `St(m, r) x S^r` at `(X, Theta)`, a batch of `m r`.

    The order is: `X Omega` with `r (r - 1) / 2` skew matrices `Omega`; `(m - r) r` vectors with columns orthogonal to
    `X`; `r (r + 1) / 2` symmetric matrices. Each vector moves either `X` or `Theta`; the basis does not depend on
    `Theta`.

    Raises:
        InputError: If the columns of X are not orthonormal.
    """
    _require_orthonormal("X", X)
    size, rank = X.shape
    upper, right = torch.triu_indices(rank, rank, offset=1, device=X.device)
    turns = X.new_zeros(len(upper), rank, rank)
    count = torch.arange(len(upper), device=X.device)
    turns[count, upper, right] = 0.5**0.5
    turns[count, right, upper] = -(0.5**0.5)
    beyond = torch.linalg.qr(X, mode="complete").Q[:, rank:]
    units = torch.eye(rank, dtype=X.dtype, device=X.device)
    leaving = torch.einsum("mi,jk->ijmk", beyond, units).reshape(-1, size, rank)
    moves = torch.cat([X @ turns, leaving])
    packed = packed_length(rank, is_complex=False)
    magnitudes = smat(torch.eye(packed, dtype=X.dtype, device=X.device), rank)
    return FactoredPoint(
        torch.cat([moves, X.new_zeros(packed, size, rank)]),
        torch.cat([X.new_zeros(len(moves), rank, rank), magnitudes]),
    )


def _require_orthonormal(name: str, X: Tensor) -> None:
    require_finite(name, X)
    drift = float(distance_to_stiefel(X))
    tolerance = X.shape[-2] * torch.finfo(X.dtype).eps * 8
    advice = "take the orthonormal factor of a QR factorization"
    require(drift <= tolerance, f"{name} with orthonormal columns", f"||X^T X - I||_F = {drift:.1e}", advice)
