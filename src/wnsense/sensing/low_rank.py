"""Matrices held by their factors, `Z = X Theta Y^H`, and formed only on request."""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar, overload

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.cards import card
from wnsense.checks import require, require_memory, require_rank, require_size, size_text
from wnsense.linalg import Dtype, frobenius_norm, orthonormal_factor, symmetric_part
from wnsense.sensing.factor_products import Factors
from wnsense.sensing.matrix_indices import matrix_indices
from wnsense.values import by_value

# Number of singular values that a notebook shows, and of numbers in factors whose values take no noticeable time.
_SHOWN, _QUICK = 8, 10**6


@dataclass(frozen=True)
@by_value
class LowRank:
    """Matrix `X Theta Y^H`; without `Y` it is `X Theta X^H`, `Theta` symmetric (Hermitian).

    The factors need not be orthonormal; `orthonormal()` gives the form with orthonormal factors and diagonal `Theta`.
    Leading dimensions are a batch of matrices.

    NumPy takes it as the full matrix: `np.asarray(matrix)`, `matrix - array`. Entries `matrix[i, j]`, rows
    `matrix[rows]` and products `matrix @ array` are computed from the factors. Two matrices are equal (`==`) if their
    factors are.

    Attributes:
        X: Left factor, (..., m1, r).
        Theta: Core, (..., r, r), or (..., r, q) beside a `Y` of q columns.
        Y: Right factor, (..., m2, q), or None for a symmetric matrix.
    """

    X: Inexact[Tensor, "*batch m1 r"]
    Theta: Inexact[Tensor, "*batch r q"]
    Y: Inexact[Tensor, "*batch m2 q"] | None = None

    # NumPy leaves `array - matrix` and the like to this class, and still makes an array of it elsewhere.
    __array_priority__: ClassVar[float] = 1000.0

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

    @property
    def T(self) -> "LowRank":
        """Transpose, without conjugation."""
        if self.Y is None:
            return LowRank(self.X.conj(), self.Theta.mT)
        return LowRank(self.Y.conj(), self.Theta.mT, self.X.conj())

    def dense(self) -> Inexact[Tensor, "*batch m1 m2"]:
        """Return the full matrix of `m1 m2` numbers.

        Raises:
            InputError: If it does not fit in memory.
        """
        size, advice = (*self.batch, *self.shape), "use the factors X, Theta and Y, or a product with @"
        require_memory("a full matrix", size, self.dtype, self.X.device, advice)
        return self.X @ self.Theta @ self.right.mH

    def to_numpy(self) -> np.ndarray:
        """Return the full matrix as a NumPy array in the host's memory, without gradients."""
        array: np.ndarray = self.dense().numpy(force=True)
        return array

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: object = None) -> np.ndarray:
        """Return the full matrix for NumPy: `np.asarray(matrix)`.

        Raises:
            ValueError: If `copy` is False, since the full matrix is always made anew.
        """
        if copy is False:
            raise ValueError("needed copy=None or True, got False; a matrix held by its factors is formed anew")
        array = self.to_numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, index: object) -> Inexact[Tensor, "*_"]:
        """Return entries `Z[i, j]`, rows `Z[rows]` or a block as a tensor, computed from the rows of the factors.

        An index means what it means to NumPy: integers, slices, arrays, masks; two arrays are pairs. The result has
        the dimensions of the batch first.

        Raises:
            IndexError: If an index lies outside the matrix, or is no index of a matrix.
        """
        rows, columns, are_pairs = matrix_indices(index, self.shape, self.X.device)
        left, right = self.X[..., rows.flatten(), :] @ self.Theta, self.right[..., columns.flatten(), :]
        if are_pairs:
            return (left * right.conj()).sum(-1).reshape((*self.batch, *rows.shape))
        return (left @ right.mH).reshape((*self.batch, *rows.shape, *columns.shape))

    @overload
    def __matmul__(self, V: Tensor) -> Tensor: ...
    @overload
    def __matmul__(self, V: np.ndarray) -> np.ndarray: ...
    @overload
    def __matmul__(self, V: "LowRank") -> "LowRank": ...
    def __matmul__(self, V: object) -> object:
        """Return `Z V` through the factors, of the type of `V`: a tensor, a NumPy array or a `LowRank`.

        `V` has `m2` rows, or is a vector of `m2` numbers.
        """
        if isinstance(V, LowRank):
            require(V.shape[0] == self.shape[1], f"{self.shape[1]} rows on the right", V.shape[0])
            A, B = _of_one_dtype(self, V)
            return LowRank(A.X, A.Theta @ (A.right.mH @ B.X) @ B.Theta, B.right)
        if isinstance(V, np.ndarray):
            return self._factors.times(V)
        return self._factors.times(V) if isinstance(V, Tensor) else NotImplemented

    def __rmatmul__(self, V: object) -> object:
        """Return `V Z` through the factors, a tensor or a NumPy array as `V` is."""
        if isinstance(V, np.ndarray):
            return self._factors.left_times(V)
        return self._factors.left_times(V) if isinstance(V, Tensor) else NotImplemented

    def __add__(self, other: object) -> object:
        """Return `Z + other`: by the factors if it is a `LowRank`, else the full matrix, of the type of the other."""
        if isinstance(other, LowRank):
            A, B = _of_one_dtype(self, other)
            return A.plus(B)
        if isinstance(other, np.ndarray):
            return self.to_numpy() + other
        return self.dense() + other if isinstance(other, Tensor) else NotImplemented

    def __radd__(self, other: object) -> object:
        """Return `other + Z`, see `Z + other`."""
        return self + other

    def __sub__(self, other: object) -> object:
        """Return `Z - other`, see `Z + other`."""
        if isinstance(other, LowRank):
            return self + -other
        if isinstance(other, np.ndarray):
            return self.to_numpy() - other
        return self.dense() - other if isinstance(other, Tensor) else NotImplemented

    def __rsub__(self, other: object) -> object:
        """Return `other - Z`, see `Z + other`."""
        return -self + other

    def __neg__(self) -> "LowRank":
        """Return `-Z`."""
        return self.scaled(-1.0)

    def __mul__(self, factor: object) -> object:
        """Return the matrix times a real number."""
        return self.scaled(float(factor)) if isinstance(factor, Real) else NotImplemented

    def __rmul__(self, factor: object) -> object:
        """Return a real number times the matrix."""
        return self * factor

    def __truediv__(self, divisor: object) -> object:
        """Return the matrix over a real number."""
        return self.scaled(1 / float(divisor)) if isinstance(divisor, Real) else NotImplemented

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

    def __repr__(self) -> str:
        """One line: the shape, the width, the dtype and a device other than the CPU."""
        place = "" if self.X.device.type == "cpu" else f", {self.X.device}"
        return f"LowRank({self}, {str(self.dtype).removeprefix('torch.')}{place})"

    def _repr_html_(self) -> str:
        """Return the text and the leading singular values for a notebook."""
        facts = {}
        if (
            not self.batch
            and self.X.numel() + self.right.numel() <= _QUICK
            and bool(torch.isfinite(self._core()).all())
        ):
            values = self.singular_values().tolist()
            facts["singular values"] = ", ".join(f"{value:.4g}" for value in values[:_SHOWN])
            facts["singular values"] += ", ..." if len(values) > _SHOWN else ""
        return card(repr(self), facts=facts)

    @property
    def _factors(self) -> Factors:
        return Factors(self.X, self.Theta, self.right)

    def _core(self) -> Inexact[Tensor, "*batch k l"]:
        # R Theta S^H has the singular values of Z; QR of each factor avoids squaring its condition number.
        R: Tensor = torch.linalg.qr(self.X, mode="r").R
        S = R if self.Y is None else torch.linalg.qr(self.Y, mode="r").R
        return R @ self.Theta @ S.mH


def _of_one_dtype(A: LowRank, B: LowRank) -> tuple[LowRank, LowRank]:
    dtype = torch.promote_types(A.dtype, B.dtype)
    return A.to(dtype=dtype), B.to(dtype=dtype)


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
