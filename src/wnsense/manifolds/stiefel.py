"""Stiefel manifold `St(m, r) = {X : X^H X = I_r}`, real and complex, with the Euclidean metric."""

from collections.abc import Callable
from enum import StrEnum

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.linalg import frobenius_norm, orthonormal_factor, polar_factor, symmetric_part


def tangent_projection(
    X: Inexact[Tensor, "*batch m r"], E: Inexact[Tensor, "*batch m r"]
) -> Inexact[Tensor, "*batch m r"]:
    """Return the part of `E` tangent to the manifold at `X`, `E - X sym(X^H E)`.

    It equals `(I - X X^H) E + X (X^H E - E^H X) / 2`, the first line of Algorithm 1 in arXiv 2510.01175.
    """
    return E - X @ symmetric_part(X.mH @ E)


def polar_retraction(
    X: Inexact[Tensor, "*batch m r"], G: Inexact[Tensor, "*batch m r"]
) -> Inexact[Tensor, "*batch m r"]:
    """Return the frame nearest to `X + G`.

    For tangent `G` it is `(X + G)(I + G^H G)^{-1/2}` (arXiv 2510.01175, Alg. 1, line 2).
    """
    return polar_factor(X + G)


def qr_retraction(X: Inexact[Tensor, "*batch m r"], G: Inexact[Tensor, "*batch m r"]) -> Inexact[Tensor, "*batch m r"]:
    """Return the orthonormal factor of `X + G`, its signs fixed by a positive diagonal of `R`."""
    return orthonormal_factor(X + G)


def cayley_retraction(
    X: Inexact[Tensor, "*batch m r"], G: Inexact[Tensor, "*batch m r"]
) -> Inexact[Tensor, "*batch m r"]:
    """Return `(I - W/2)^{-1} (I + W/2) X` with the skew `W = P G X^H - X G^H P`, `P = I - X X^H / 2`.

    The source is Wen and Yin (2013). `W` has rank `2r`, so that the inverse is that of a `2r x 2r` matrix
    (Sherman-Morrison-Woodbury). The result is only as orthonormal as `X`. One Newton-Schulz step prevents drift in a
    long run.
    """
    PG = G - X @ (X.mH @ G) / 2
    U = torch.cat([PG, X], dim=-1)
    V = torch.cat([X, -PG], dim=-1)
    middle = torch.eye(U.shape[-1], dtype=X.dtype, device=X.device) - V.mH @ U / 2
    Z: Tensor = X + U @ torch.linalg.solve_ex(middle, V.mH @ X).result
    return Z @ (3 * torch.eye(X.shape[-1], dtype=X.dtype, device=X.device) - Z.mH @ Z) / 2


def distance_to_stiefel(X: Inexact[Tensor, "*batch m r"]) -> Float[Tensor, "*batch"]:
    """Return `||X^H X - I||_F`, zero exactly on the manifold."""
    return frobenius_norm(X.mH @ X - torch.eye(X.shape[-1], dtype=X.dtype, device=X.device))


class Retraction(StrEnum):
    """Method that returns `X` to the manifold after a tangent step `t G`.

    All three leave `X` in the direction `G` and differ by `O(t^2)`. Polar and QR frames span the same subspace, and
    differ by a rotation alone. Cayley agrees with polar to `O(t^3)` if `G` is orthogonal to `X`.
    """

    POLAR = "polar"
    QR = "qr"
    CAYLEY = "cayley"

    def __call__(
        self, X: Inexact[Tensor, "*batch m r"], G: Inexact[Tensor, "*batch m r"]
    ) -> Inexact[Tensor, "*batch m r"]:
        """Retract the tangent step `G` at `X`."""
        return _RETRACTIONS[self](X, G)


_RETRACTIONS: dict[Retraction, Callable[[Tensor, Tensor], Tensor]] = {
    Retraction.POLAR: polar_retraction,
    Retraction.QR: qr_retraction,
    Retraction.CAYLEY: cayley_retraction,
}
