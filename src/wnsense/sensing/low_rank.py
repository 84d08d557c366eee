"""Matrices held by their factors, `Z = X Theta Y^H`, and formed only on request."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require, require_rank, require_size, size_text
from wnsense.linalg import Dtype, frobenius_norm, orthonormal_factor, symmetric_part


@dataclass(frozen=True)
class LowRank:
    """Matrix `X Theta Y^H`; without `Y` it is `X Theta X^H`, `Theta` symmetric (Hermitian).

    The factors need not be orthonormal; `orthonormal()` gives the form with orthonormal factors and diagonal `Theta`.
    Leading dimensions are a batch of matrices.

    Attributes:
        X: Left factor, (..., m1, r).
        Theta: Core, (..., r, r), or (..., r, q) beside a `Y` of q columns.
        Y: Right factor, (..., m2, q), or None for a symmetric matrix.
    """

    X: Inexact[Tensor, "*batch m1 r"]
    Theta: Inexact[Tensor, "*batch r q"]
    Y: Inexact[Tensor, "*batch m2 q"] | None = None

    def __post_init__(self) -> None:
        """Check that the factors fit together."""
        X, Theta, Y = self.X, self.Theta, self.right
        core, batch = (*X.shape[:-2], X.shape[-1], Y.shape[-1]), X.shape[:-2]
        if Theta.shape != core or Y.shape[:-2] != batch:
            require_size(f"Theta beside factors {_sizes(X, Y)}", Theta.shape, core)
            require_size(f"the batch of Y beside X {size_text(X.shape)}", Y.shape[:-2], batch)
        require(X.dtype == Theta.dtype == Y.dtype, f"Theta and Y of X's {X.dtype}", f"{Theta.dtype} and {Y.dtype}")

    @property
    def right(self) -> Inexact[Tensor, "*batch m2 q"]:
        """Right factor, `X` itself if the matrix is symmetric."""
        return self.X if self.Y is None else self.Y

    @property
    def is_symmetric(self) -> bool:
        """True if the matrix is held as `X Theta X^H`."""
        return self.Y is None

    @property
    def shape(self) -> tuple[int, int]:
        """Sides `(m1, m2)`, without the batch dimensions."""
        return (self.X.shape[-2], self.right.shape[-2])

    @property
    def batch(self) -> tuple[int, ...]:
        """Leading dimensions."""
        return tuple(self.X.shape[:-2])

    @property
    def width(self) -> int:
        """Number of columns of `X`, an upper bound of the rank."""
        return self.X.shape[-1]

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the factors."""
        return self.X.dtype

    @property
    def mH(self) -> "LowRank":
        """Conjugate transpose."""
        if self.Y is None:
            return LowRank(self.X, self.Theta.mH)
        return LowRank(self.Y, self.Theta.mH, self.X)

    def dense(self) -> Inexact[Tensor, "*batch m1 m2"]:
        """Return the full matrix of `m1 m2` numbers, which must fit in memory."""
        return self.X @ self.Theta @ self.right.mH

    def __matmul__(self, V: Inexact[Tensor, "*batch m2 k"]) -> Inexact[Tensor, "*batch m1 k"]:
        """Return `Z V`, through the factors."""
        require(V.shape[-2] == self.shape[1], f"{self.shape[1]} rows on the right", V.shape[-2])
        return self.X @ (self.Theta @ (self.right.mH @ V))

    def scaled(self, factor: float | Float[Tensor, "*#batch"]) -> "LowRank":
        """Return the matrix times a real number, or each of a batch times its own."""
        if isinstance(factor, Tensor):
            factor = factor[..., None, None]
        return LowRank(self.X, self.Theta * factor, self.Y)

    def trace(self) -> Inexact[Tensor, "*batch"]:
        """Return the sum of the diagonal entries of a square matrix."""
        require(self.shape[0] == self.shape[1], "a square matrix for a trace", size_text(self.shape))
        return (self.Theta * (self.right.mH @ self.X).mT).sum((-2, -1))

    def inner(self, other: "LowRank") -> Float[Tensor, "*batch"]:
        """Return `Re <Z, Z'> = Re Tr(Z^H Z')`."""
        require_size("the other matrix", other.shape, self.shape)
        left = self.Theta.mH @ (self.X.mH @ other.X) @ other.Theta
        return (left * (self.right.mH @ other.right).conj()).sum((-2, -1)).real

    def norm(self) -> Float[Tensor, "*batch"]:
        """Return the Frobenius norm, computed from triangular factors so that nothing cancels."""
        return frobenius_norm(self._core())

    def distance(self, other: "LowRank") -> Float[Tensor, "*batch"]:
        """Return `||Z - Z'||_F` to machine precision relative to the larger of the two norms."""
        return self.minus(other).norm()

    def minus(self, other: "LowRank") -> "LowRank":
        """Return `Z - Z'`, as a matrix of the summed widths."""
        require_size("the other matrix", other.shape, self.shape)
        return self.plus(other.scaled(-1.0))

    def plus(self, other: "LowRank") -> "LowRank":
        """Return `Z + Z'`, as a matrix of the summed widths; one matrix may be added to each of a batch."""
        require_size("the other matrix", other.shape, self.shape)
        X = _side_by_side(self.X, other.X)
        Theta = _block_diagonal(self.Theta, other.Theta)
        if self.Y is None and other.Y is None:
            return LowRank(X, Theta)
        return LowRank(X, Theta, _side_by_side(self.right, other.right))

    def orthonormal(self) -> "LowRank":
        """Return the matrix with orthonormal `X` (and `Y`) and a diagonal `Theta`, its entries falling in magnitude.

        The diagonal holds the eigenvalues of a symmetric matrix, and the singular values otherwise.
        """
        Q, R = torch.linalg.qr(self.X)
        if self.Y is None:
            values, vectors = torch.linalg.eigh(symmetric_part(R @ self.Theta @ R.mH))
            order = values.abs().argsort(dim=-1, descending=True, stable=True)
            values = values.gather(-1, order)
            vectors = vectors.gather(-1, order.unsqueeze(-2).expand_as(vectors))
            return LowRank(Q @ vectors, torch.diag_embed(values).to(self.dtype))
        P, S = torch.linalg.qr(self.Y)
        U, values, Vh = torch.linalg.svd(R @ self.Theta @ S.mH, full_matrices=False)
        return LowRank(Q @ U, torch.diag_embed(values).to(self.dtype), P @ Vh.mH)

    def framed(self) -> "LowRank":
        """Return the matrix with orthonormal `X` (and `Y`) and a core that may be full.

        Factors that are orthonormal already are kept.
        """
        X = orthonormal_factor(self.X)
        left = X.mH @ self.X
        if self.Y is None:
            return LowRank(X, symmetric_part(left @ self.Theta @ left.mH))
        Y = orthonormal_factor(self.Y)
        return LowRank(X, left @ self.Theta @ (Y.mH @ self.Y).mH, Y)

    def eigenvalues(self) -> Float[Tensor, "*batch r"]:
        """Return the eigenvalues that can differ from zero, the largest magnitude first.

        Raises:
            InputError: If the matrix is rectangular; it has singular values.
        """
        require(self.is_symmetric, "a symmetric matrix", "a rectangular one", "ask for singular_values()")
        return torch.diagonal(self.orthonormal().Theta, dim1=-2, dim2=-1).real

    def singular_values(self) -> Float[Tensor, "*batch r"]:
        """Return the singular values that can differ from zero, falling."""
        values: Tensor = torch.linalg.svdvals(self._core())
        return values

    def rank(self, tolerance: float = 1e-8) -> int:
        """Return the number of singular values above `tolerance` times the largest; 0 for the zero matrix.

        For a batch it is the greatest rank.
        """
        values = self.singular_values()
        return int((values > tolerance * values[..., :1]).sum(-1).max())

    def truncate(self, rank: int) -> "LowRank":
        """Return the best approximation of at most this rank (Eckart-Young), in orthonormal form."""
        require_rank("the rank to keep", rank, min(self.shape))
        Z = self.orthonormal()
        Y = None if Z.Y is None else Z.Y[..., :rank]
        return LowRank(Z.X[..., :rank], Z.Theta[..., :rank, :rank], Y)

    def positive_part(self) -> "LowRank":
        """Return the nearest positive semidefinite matrix: negative eigenvalues become zero."""
        require(self.is_symmetric, "a symmetric matrix", "a rectangular one", "none other has a positive part")
        Z = self.orthonormal()
        values = torch.diagonal(Z.Theta, dim1=-2, dim2=-1).real
        return LowRank(Z.X, torch.diag_embed(values.clamp(min=0)).to(self.dtype))

    def to(self, *, device: torch.device | str | None = None, dtype: Dtype = None) -> "LowRank":
        """Return the matrix on a device and in a precision."""

        def move(A: Tensor) -> Tensor:
            return A.to(device=device or A.device, dtype=dtype or A.dtype)

        return LowRank(move(self.X), move(self.Theta), None if self.Y is None else move(self.Y))

    def __str__(self) -> str:
        """One line for people: shape and width, never the entries."""
        batch = f"{size_text(self.batch)} batch of " if self.batch else ""
        return f"{batch}{size_text(self.shape)} matrix in {self.width} directions"

    def _core(self) -> Inexact[Tensor, "*batch k l"]:
        # R Theta S^H has the singular values of Z; QR of each factor avoids squaring its condition number.
        R: Tensor = torch.linalg.qr(self.X, mode="r").R
        S = R if self.Y is None else torch.linalg.qr(self.Y, mode="r").R
        return R @ self.Theta @ S.mH


def _sizes(X: Tensor, Y: Tensor) -> str:
    return size_text(X.shape) if X is Y else f"{size_text(X.shape)} and {size_text(Y.shape)}"


def _side_by_side(A: Tensor, B: Tensor) -> Tensor:
    batch = max(A.shape[:-2], B.shape[:-2], key=len)
    return torch.cat([A.expand(*batch, *A.shape[-2:]), B.expand(*batch, *B.shape[-2:])], dim=-1)


def _block_diagonal(A: Tensor, B: Tensor) -> Tensor:
    rows, columns = A.shape[-2] + B.shape[-2], A.shape[-1] + B.shape[-1]
    batch = max(A.shape[:-2], B.shape[:-2], key=len)
    out = A.new_zeros((*batch, rows, columns))
    out[..., : A.shape[-2], : A.shape[-1]] = A
    out[..., A.shape[-2] :, A.shape[-1] :] = B
    return out
