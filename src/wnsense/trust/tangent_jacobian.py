"""The derivative of measurements along the matrices of one rank, as a map between real vectors that SciPy can take."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Inexact
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import smat, svec, symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import RowDual
from wnsense.sensing.problem import Problem
from wnsense.solvers.tangent import Tangent, tangent_part

# Singular values below this part of the largest are what rounding leaves of none.
_IDLE = 1e-14


@dataclass(frozen=True)
class _Complement:
    """An orthonormal basis of what is orthogonal to a frame, held as Householder reflectors: as small as the frame."""

    reflectors: Inexact[Tensor, "m r"]
    factors: Inexact[Tensor, " r"]

    @classmethod
    def of(cls, X: Inexact[Tensor, "m r"]) -> "_Complement":
        """Of an orthonormal frame."""
        return cls(*torch.geqrf(X))

    def embed(self, C: Inexact[Tensor, "k r"]) -> Inexact[Tensor, "m r"]:
        """The basis times coordinates."""
        r = self.reflectors.shape[1]
        padded = torch.cat([C.new_zeros(r, C.shape[1]), C])
        return torch.ormqr(self.reflectors, self.factors, padded)

    def coordinates(self, A: Inexact[Tensor, "m r"]) -> Inexact[Tensor, "k r"]:
        """The adjoint of the basis times a matrix."""
        r = self.reflectors.shape[1]
        return torch.ormqr(self.reflectors, self.factors, A, transpose=True)[r:]


@dataclass
class TangentJacobian:
    """J = W^{1/2} M restricted to the tangent space at a matrix, (n, d) with d its degrees of freedom.

    The tangent space of the matrices of rank r is { X S Y^H + P Y^H + X Q^H }, P orthogonal to X and Q to Y;
    coordinates are those of S, of P and of Q in orthonormal bases, so that lengths of coordinate vectors are Frobenius
    norms. W holds the problem's weights. Units are those of the measurements over those of the matrix: nothing is
    calibrated.

    Attributes:
        problem: What is measured.
        point: The matrix, in orthonormal form and without idle directions.
        applications: Of M and M*, so far.
    """

    problem: Problem
    point: LowRank
    applications: int = 0
    _left: _Complement = field(init=False, repr=False)
    _right: _Complement | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Bring the matrix into orthonormal form.

        Raises:
            InputError: If its shape is not the operator's, it is a batch, or it is zero.
        """
        require_size("the matrix", self.point.shape, self.problem.operator.shape)
        require(not self.point.batch, "one matrix", f"a batch of {self.point.batch}")
        rank = self.point.rank(_IDLE)
        require(rank > 0, "a matrix that is not zero", "zero", "it has no rank to keep")
        self.point = self.point.truncate(rank)
        self._left = _Complement.of(self.point.X)
        self._right = None if self.point.Y is None else _Complement.of(self.point.Y)

    @property
    def dimension(self) -> int:
        """d, the number of coordinates: the degrees of freedom of the matrix."""
        return self.problem.operator.degrees_of_freedom(self.point.width)

    @property
    def rows(self) -> int:
        """The number of measurements that count."""
        weights = self.problem.weights
        return self.problem.operator.count if weights is None else int((weights > 0).sum())

    def within(self, tolerance: float) -> float:
        """A tolerance that products in the operator's precision can meet: at least ten times its rounding."""
        return max(tolerance, 10 * torch.finfo(self.point.dtype).eps)

    def weighted(self, values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """W^{1/2} times measurements."""
        weights = self.problem.weights
        return values if weights is None else weights.sqrt() * values

    def direction(self, coordinates: np.ndarray) -> LowRank:
        """The tangent vector of coordinates, as a matrix."""
        point, is_complex = self.point, self.point.dtype.is_complex
        v = torch.as_tensor(coordinates, device=point.device).to(point.dtype.to_real())
        r = point.width
        if self._right is None:
            head = self.problem.operator.kind.dimension((r, r), is_complex=is_complex)
            S = smat(v[:head], r, is_complex=is_complex)
            return Tangent(S, self._left.embed(self._block(v[head:], r) / math.sqrt(2)), None).at(point)
        parts = 2 if is_complex else 1
        first, second = parts * r * r, parts * r * point.shape[0]
        S, C, D = (self._block(part, r) for part in (v[:first], v[first:second], v[second:]))
        return Tangent(S, self._left.embed(C), self._right.embed(D)).at(point)

    def coordinates(self, left: Inexact[Tensor, "m1 r"], right: Inexact[Tensor, "m2 r"] | None) -> np.ndarray:
        """Those of the projection of a matrix R onto the tangent space, from R Y and R^H X; (d,), double precision."""
        part = tangent_part(self.point, left, right)
        if self._right is None or part.Q is None:
            C = self._left.coordinates(part.P)
            pieces = [svec(symmetric_part(part.S)), math.sqrt(2) * _real(C)]
        else:
            pieces = [_real(part.S), _real(self._left.coordinates(part.P)), _real(self._right.coordinates(part.Q))]
        return torch.cat(pieces).double().cpu().numpy()

    def times(self, coordinates: np.ndarray) -> Float[Tensor, " n"]:
        """J v: 1 application."""
        self.applications += 1
        return self.weighted(self.problem.operator.measure(self.direction(coordinates)))

    def normal_times(self, coordinates: np.ndarray) -> np.ndarray:
        """J^T J v: 2 applications, in one pass where the operator can."""
        self.applications += 2
        weights = self.problem.weights
        dual = RowDual(torch.ones_like(self.problem.measurements) if weights is None else weights)
        back = self.problem.operator.pull_back(self.direction(coordinates), dual, width=self.point.width)
        return self.coordinates(back.left, back.right)

    def normal(self) -> LinearOperator:
        """J^T J for SciPy."""
        return LinearOperator((self.dimension,) * 2, matvec=self.normal_times, dtype=np.float64)

    def dense(self) -> np.ndarray:
        """J as an array, (n, d): d applications, only where that fits."""
        return np.stack([self.times(unit).double().cpu().numpy() for unit in np.eye(self.dimension)], axis=1)

    def _block(self, v: Tensor, columns: int) -> Tensor:
        if self.point.dtype.is_complex:
            # A copy, since pairs of numbers must begin at an even place.
            v = torch.view_as_complex(v.clone().reshape(-1, 2))
        return v.reshape(-1, columns)


def _real(A: Tensor) -> Tensor:
    """The entries as real numbers, row by row."""
    flat = A.flatten().resolve_conj()
    return torch.view_as_real(flat).flatten() if flat.is_complex() else flat
