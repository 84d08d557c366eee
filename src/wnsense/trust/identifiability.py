"""How clearly measurements tell a matrix from its neighbours of the same rank, as a number."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh

from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem
from wnsense.trust.tangent_jacobian import TangentJacobian

# Up to so many degrees of freedom all of J costs no more than Lanczos steps would.
_DENSE = 100
_LARGEST_TOLERANCE = 1e-6
_LEAST_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Identifiability:
    """The extreme singular values of the measurements' derivative at a matrix.

    For small changes Xi of the matrix that keep its rank, least ||Xi||_F <= ||M(Xi)|| <= largest ||Xi||_F (weighted as
    the problem is), so that an error e of the measurements moves the answer by at most ||e|| / least, to first order.

    Attributes:
        least: In units of the measurements over those of the matrix; 0 where some direction is not felt at all.
        largest: The same of the direction that is felt most.
        degrees_of_freedom: Of the matrix: the dimension of the tangent space.
        measurements: Those of positive weight.
        applications: What finding this cost, of M and M*.
    """

    least: float
    largest: float
    degrees_of_freedom: int
    measurements: int
    applications: int

    @property
    def condition(self) -> float:
        """The largest over the least: by how much errors of the measurements can grow; infinite at a least of 0."""
        return self.largest / self.least if self.least > 0 else math.inf

    def __str__(self) -> str:
        """In words."""
        counted = f"{self.measurements} measurements of {self.degrees_of_freedom} degrees of freedom"
        if self.least == 0:
            return f"{counted}: the matrix can be changed, its rank kept, without a measurement changing."
        return (
            f"{counted}: they feel each change of the matrix with at least {self.least:.3g} of its norm and at most "
            f"{self.largest:.3g}; an error of norm e in them moves the matrix by at most e / {self.least:.3g}, to "
            "first order."
        )


def identifiability(problem: Problem, matrix: LowRank, *, seed: int = 0) -> Identifiability:
    """The least and the largest singular value of W^{1/2} M on the tangent space of the matrices of this rank.

    Of the measurements as the user has them, not as solvers see them. Up to 100 degrees of freedom by a singular value
    decomposition; beyond, by Lanczos (ARPACK) on J^T J, the least one on a multiple of the identity minus J^T J, so
    that nothing is solved. The values found are then those of a direction, ||J v||: the least is approached from above.
    It is not told from 0 below about 3e-5 of the largest, 1e-3 in single precision.

    Args:
        problem: What was measured, with its weights.
        matrix: Where to ask, in the user's units; its rank is taken as it is.
        seed: Of the vector that Lanczos starts from.

    Raises:
        InputError: If sizes do not agree or the matrix is zero.
        ArpackNoConvergence: If Lanczos does not converge, as where thousands of directions are felt equally little.
    """
    jacobian = TangentJacobian(problem, matrix)
    d = jacobian.dimension
    if d <= _DENSE:
        values = np.linalg.svd(jacobian.dense(), compute_uv=False)
        # Of fewer rows than directions J has fewer values than directions: the others are 0.
        least, largest = (float(values[-1]) if jacobian.rows >= d else 0.0), float(values[0])
    else:
        start = np.random.default_rng(seed).standard_normal(d)
        largest = _largest(jacobian, start)
        least = _least(jacobian, start, largest) if jacobian.rows >= d else 0.0
    return Identifiability(least, largest, d, jacobian.rows, jacobian.applications)


def _largest(jacobian: TangentJacobian, start: np.ndarray) -> float:
    _, vectors = eigsh(jacobian.normal(), k=1, which="LA", v0=start, tol=jacobian.within(_LARGEST_TOLERANCE))
    return _felt(jacobian, vectors[:, 0])


def _least(jacobian: TangentJacobian, start: np.ndarray, largest: float) -> float:
    """ARPACK's tolerance is relative to the eigenvalue: of J^T J itself it would ask too much where that is near 0."""

    def flipped(vector: np.ndarray) -> np.ndarray:
        image: np.ndarray = largest**2 * vector - jacobian.normal_times(vector)
        return image

    operator = LinearOperator(jacobian.normal().shape, matvec=flipped, dtype=np.float64)
    _, vectors = eigsh(operator, k=1, which="LA", v0=start, tol=jacobian.within(_LEAST_TOLERANCE))
    return _felt(jacobian, vectors[:, 0])


def _felt(jacobian: TangentJacobian, vector: np.ndarray) -> float:
    return float(torch.linalg.vector_norm(jacobian.times(vector))) / float(np.linalg.norm(vector))
