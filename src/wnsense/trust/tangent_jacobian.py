"""Jacobian of the measurements on the tangent space of a matrix, as a map between real vectors for SciPy."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Inexact
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import smat, svec, symmetric_part
from wnsense.sensing.given_matrix import low_rank_from
from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import RowDual
from wnsense.sensing.problem import Problem, require_problem
from wnsense.solvers.tangent import Tangent, tangent_part

# Singular values below this share of the largest are rounding errors of 0.
_IDLE = 1e-14


@dataclass(frozen=True)
class _Complement:
    """Orthonormal basis of the orthogonal complement of a frame, as Householder reflectors of the frame's size."""

    reflectors: Inexact[Tensor, "m r"]
    factors: Inexact[Tensor, " r"]

    @classmethod
    def from_frame(cls, X: Inexact[Tensor, "m r"]) -> "_Complement":
        """Return the complement of an orthonormal frame."""
        return cls(*torch.geqrf(X))

    def embed(self, C: Inexact[Tensor, "k r"]) -> Inexact[Tensor, "m r"]:
        """Return the basis times coordinates."""
        r = self.reflectors.shape[1]
        padded = torch.cat([C.new_zeros(r, C.shape[1]), C])
        return torch.ormqr(self.reflectors, self.factors, padded)

    def coordinates(self, A: Inexact[Tensor, "m r"]) -> Inexact[Tensor, "k r"]:
        """Return the adjoint of the basis times a matrix."""
        r = self.reflectors.shape[1]
        return torch.ormqr(self.reflectors, self.factors, A, transpose=True)[r:]


@dataclass
class TangentJacobian:
    """Jacobian `J = W^{1/2} M` on the tangent space at a matrix, (n, d) with its degrees of freedom `d`.

    The tangent space of the matrices of rank r is `{X S Y^H + P Y^H + X Q^H}`, `P` orthogonal to `X` and `Q` to `Y`.
    The coordinates are those of `S`, `P` and `Q` in orthonormal bases, so that lengths of coordinate vectors are
    Frobenius norms. `W` holds the problem's weights. The units are those of the measurements over those of the matrix,
    without calibration.

    Attributes:
        problem: Measurements with their weights.
        point: Matrix in orthonormal form, without idle directions.
        left_complement: Basis of the complement of `X`.
        right_complement: Basis of the complement of `Y`; None where `Y = X`.
        applications: Applications of `M` and `M*` so far.
    """

    problem: Problem
    point: LowRank
    left_complement: _Complement
    right_complement: _Complement | None
    applications: int = 0

    @classmethod
    def at(cls, problem: Problem, matrix: LowRank | NumbersLike) -> "TangentJacobian":
        """Return the Jacobian at a matrix.

        Raises:
            InputError: If its shape is not the operator's, it is a batch, or it is zero.
        """
        require_problem(problem)
        matrix = low_rank_from("the matrix", matrix, problem.operator.space)
        require_size("the matrix", matrix.shape, problem.operator.shape)
        require(not matrix.batch, "one matrix", f"a batch of {matrix.batch}")
        rank = matrix.rank(_IDLE)
        require(rank > 0, "a matrix that is not zero", "zero", "it has no rank to keep")
        point = matrix.truncate(rank)
        right = None if point.Y is None else _Complement.from_frame(point.Y)
        return cls(problem, point, _Complement.from_frame(point.X), right)

    @property
    def dimension(self) -> int:
        """Number of coordinates `d`, the degrees of freedom of the matrix."""
        return self.problem.operator.degrees_of_freedom(self.point.width)

    @property
    def rows(self) -> int:
        """Number of measurements of positive weight."""
        weights = self.problem.weights
        return self.problem.operator.count if weights is None else int((weights > 0).sum())

    def within(self, tolerance: float) -> float:
        """Return a tolerance of at least ten times the rounding of the operator's precision."""
        return max(tolerance, 10 * torch.finfo(self.point.dtype).eps)

    def weighted(self, values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return `W^{1/2}` times measurements."""
        weights = self.problem.weights
        return values if weights is None else weights.sqrt() * values

    def direction(self, coordinates: np.ndarray) -> LowRank:
        """Return the tangent vector of coordinates, as a matrix."""
        point, is_complex = self.point, self.point.dtype.is_complex
        v = torch.as_tensor(coordinates, device=point.X.device).to(point.dtype.to_real())
        r = point.width
        if self.right_complement is None:
            head = self.problem.operator.kind.dimension((r, r), is_complex=is_complex)
            S = smat(v[:head], r, is_complex=is_complex)
            return Tangent(S, self.left_complement.embed(self._block(v[head:], r) / math.sqrt(2)), None).at(point)
        parts = 2 if is_complex else 1
        first, second = parts * r * r, parts * r * point.shape[0]
        S, C, D = (self._block(part, r) for part in (v[:first], v[first:second], v[second:]))
        return Tangent(S, self.left_complement.embed(C), self.right_complement.embed(D)).at(point)

    def coordinates(self, left: Inexact[Tensor, "m1 r"], right: Inexact[Tensor, "m2 r"] | None) -> np.ndarray:
        """Return the coordinates of a projected matrix `R`, from `R Y` and `R^H X`; (d,), double precision."""
        part = tangent_part(self.point, left, right)
        if self.right_complement is None or part.Q is None:
            C = self.left_complement.coordinates(part.P)
            pieces = [svec(symmetric_part(part.S)), math.sqrt(2) * _real(C)]
        else:
            pieces = [
                _real(part.S),
                _real(self.left_complement.coordinates(part.P)),
                _real(self.right_complement.coordinates(part.Q)),
            ]
        return torch.cat(pieces).double().cpu().numpy()

    def times(self, coordinates: np.ndarray) -> Float[Tensor, " n"]:
        """Return `J v`: 1 application."""
        self.applications += 1
        return self.weighted(self.problem.operator.measure(self.direction(coordinates)))

    def normal_times(self, coordinates: np.ndarray) -> np.ndarray:
        """Return `J^T J v`: 2 applications, in one pass where the operator has one."""
        self.applications += 2
        weights = self.problem.weights
        dual = RowDual(torch.ones_like(self.problem.measurements) if weights is None else weights)
        back = self.problem.operator.pull_back(self.direction(coordinates), dual, width=self.point.width)
        return self.coordinates(back.left, back.right)

    def normal(self) -> LinearOperator:
        """Return `J^T J` for SciPy."""
        return LinearOperator((self.dimension,) * 2, matvec=self.normal_times, dtype=np.float64)

    def dense(self) -> np.ndarray:
        """Return `J` as an array, (n, d): d applications."""
        return np.stack([self.times(unit).double().cpu().numpy() for unit in np.eye(self.dimension)], axis=1)

    def _block(self, v: Tensor, columns: int) -> Tensor:
        if self.point.dtype.is_complex:
            # A copy, since complex numbers must begin at an even offset.
            v = torch.view_as_complex(v.clone().reshape(-1, 2))
        return v.reshape(-1, columns)


def _real(A: Tensor) -> Tensor:
    """Return the entries as real numbers, row by row."""
    flat = A.flatten().resolve_conj()
    return torch.view_as_real(flat).flatten() if flat.is_complex() else flat
