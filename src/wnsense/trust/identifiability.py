"""Identifiability of a matrix: the restricted singular values of the measurements on its tangent space.

`recovery.evidence.restricted_singular_value` has the cheaper measure that `recover` uses for its verdict.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh

from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem
from wnsense.trust.tangent_jacobian import TangentJacobian
from wnsense.values import by_value

# Up to this number of degrees of freedom, all of `J` costs no more than Lanczos steps.
_DENSE = 100
_LARGEST_TOLERANCE = 1e-6
_LEAST_TOLERANCE = 1e-9


@dataclass(frozen=True)
@by_value
class Identifiability:
    """Least and largest restricted singular value of the measurements at a matrix.

    For small changes `Xi` of the matrix that keep its rank, `least ||Xi||_F <= ||M(Xi)|| <= largest ||Xi||_F`, weighted
    as the problem is. To first order, an error `e` of the measurements thus moves the answer by at most
    `||e|| / least`.

    Attributes:
        least: Least restricted singular value, in units of the measurements over those of the matrix; 0 if the
            restricted null space is not trivial.
        largest: Largest restricted singular value.
        degrees_of_freedom: Degrees of freedom of the matrix, the dimension of its tangent space.
        measurements: Number of measurements of positive weight.
        applications: Applications of `M` and `M*` that this took.
    """

    least: float
    largest: float
    degrees_of_freedom: int
    measurements: int
    applications: int

    @property
    def condition(self) -> float:
        """Ratio of the largest to the least restricted singular value, which bounds the growth of errors; inf for 0."""
        return self.largest / self.least if self.least > 0 else math.inf

    def __str__(self) -> str:
        """Return the values in a sentence."""
        sizes = f"{self.measurements} measurements of {self.degrees_of_freedom} degrees of freedom"
        if self.least == 0:
            return f"{sizes}: the matrix can be changed, its rank kept, without a change of the measurements."
        return (
            f"{sizes}: restricted singular values from {self.least:.3g} to {self.largest:.3g}. To first order, an "
            f"error of norm e in the measurements moves the matrix by at most e / {self.least:.3g}."
        )


def identifiability(problem: Problem, matrix: LowRank | NumbersLike, *, seed: int = 0) -> Identifiability:
    """Return the least and the largest singular value of `W^{1/2} M` on the tangent space of a matrix.

    The measurements are those of the user, without calibration. Up to 100 degrees of freedom the values come from a
    singular value decomposition. Beyond, they come from Lanczos (ARPACK) on `J^T J`; for the least one, on a multiple
    of the identity minus `J^T J`, so that no system is solved. The values are then `||J v||` of a direction `v`, so
    that the least is an upper bound. It cannot be distinguished from 0 below about 3e-5 of the largest (1e-3 in single
    precision).

    Args:
        problem: Measurements with their weights.
        matrix: Matrix in the user's units, of the rank that it has, by its factors or full.
        seed: Seed of the first Lanczos vector.

    Raises:
        InputError: If sizes do not agree or the matrix is zero.
        ArpackNoConvergence: If Lanczos does not converge, as with thousands of equally small singular values.
    """
    jacobian = TangentJacobian.at(problem, matrix)
    d = jacobian.dimension
    if d <= _DENSE:
        values = np.linalg.svd(jacobian.dense(), compute_uv=False)
        # With fewer rows than columns, J has singular values that this decomposition leaves out: they are 0.
        least, largest = (float(values[-1]) if jacobian.rows >= d else 0.0), float(values[0])
    else:
        start = np.random.default_rng(seed).standard_normal(d)
        largest = _largest(jacobian, start)
        least = _least(jacobian, start, largest) if jacobian.rows >= d else 0.0
    return Identifiability(least, largest, d, jacobian.rows, jacobian.applications)


def _largest(jacobian: TangentJacobian, start: np.ndarray) -> float:
    _, vectors = eigsh(jacobian.normal(), k=1, which="LA", v0=start, tol=jacobian.within(_LARGEST_TOLERANCE))
    return _length(jacobian, vectors[:, 0])


def _least(jacobian: TangentJacobian, start: np.ndarray, largest: float) -> float:
    """Return the least singular value, from the largest eigenvalue of `largest^2 I - J^T J`.

    ARPACK's tolerance is relative to the eigenvalue. For the least one of `J^T J`, near 0, it would be too strict.
    """

    def flipped(vector: np.ndarray) -> np.ndarray:
        image: np.ndarray = largest**2 * vector - jacobian.normal_times(vector)
        return image

    operator = LinearOperator(jacobian.normal().shape, matvec=flipped, dtype=np.float64)
    _, vectors = eigsh(operator, k=1, which="LA", v0=start, tol=jacobian.within(_LEAST_TOLERANCE))
    return _length(jacobian, vectors[:, 0])


def _length(jacobian: TangentJacobian, vector: np.ndarray) -> float:
    return float(torch.linalg.vector_norm(jacobian.times(vector))) / float(np.linalg.norm(vector))
