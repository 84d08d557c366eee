"""Nuclear-norm minimization (Recht, Fazel and Parrilo, arXiv 0706.4138): a semidefinite program, solved by CVXPY."""

import time
from types import ModuleType
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from wnsense.checks import InputError, require, size_text
from wnsense.lab.bench.peers.peer_result import PeerResult, import_peer
from wnsense.lab.bench.peers.semidefinite import solve_program
from wnsense.sensing.combining.compression import packed_rows
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem

# The program holds every row as an array. At this size it takes minutes and several GB (benchmarks/results).
MOST_ENTRIES = 2**16
# Rows with a smaller share of nonzeros are passed as a sparse array.
_SPARSE_SHARE = 0.2


def nuclear_norm_minimization(problem: Problem, *, positive: bool = False, solver: str = "CLARABEL") -> PeerResult:
    """Find the matrix of least nuclear norm that explains the measurements, by CVXPY.

    The program minimizes `||Z||_*` subject to `M(Z) = y`, or to `||M(Z) - y|| <= noise_level ||y||` if the noise level
    is not zero. A symmetric `Z` is `P - Q` with `P`, `Q` positive semidefinite, and `||Z||_*` is the least value of
    `Tr P + Tr Q`. If `Z` is positive semidefinite, then `Q = 0` and `Tr Z` is minimized (PhaseLift, arXiv 1109.4499).

    Args:
        problem: Measurements with their noise level (0 for exact ones), of a matrix of at most 65,536 entries.
        positive: True if a symmetric or Hermitian matrix is positive semidefinite, such as a state.
        solver: Name of the solver to try first, CLARABEL or SCS. If it fails or ends inexactly, the other installed
            solvers follow; the ending of the result names the one that solved the program.

    Raises:
        InputError: If the matrix is too large, the noise level is None, or the problem has weights. Also if no matrix
            of the kind explains the measurements, or CVXPY is not installed.
    """
    level = _checked_level(problem, positive=positive)
    cvxpy = import_peer("cvxpy", "nuclear-norm minimization")
    operator = problem.operator
    start = time.perf_counter()
    rows = packed_rows(operator, 0, operator.count).cpu().numpy()
    # Rows of mean length 1 and y of length 1: the tolerances of solvers are absolute.
    length = float(np.sqrt(np.square(rows).sum(1).mean()))
    size = float(torch.linalg.vector_norm(problem.measurements))
    A = _sparse_if_smaller(rows / length)
    y = problem.measurements.double().cpu().numpy() / size
    z, objective, constraints = _program(cvxpy, operator, positive=positive or operator.kind is Kind.PSD)
    constraints.append(A @ z == y if level == 0 else cvxpy.norm(A @ z - y) <= level)
    outcome = solve_program(cvxpy, cvxpy.Problem(cvxpy.Minimize(objective), constraints), solver)
    if z.value is None:
        raise InputError(
            f"needed measurements that some {operator.kind} matrix explains, {outcome.solver} says {outcome.status}; "
            "give a larger noise level"
        )
    Z = operator.kind.unpack(torch.from_numpy(z.value * size / length), operator.shape, is_complex=operator.is_complex)
    matrix = _factored(Z.to(dtype=operator.dtype, device=operator.device), operator.kind)
    return PeerResult(matrix, time.perf_counter() - start, None, outcome.ending)


def _checked_level(problem: Problem, *, positive: bool) -> float:
    """Check that the program can be set up, and return the noise level."""
    operator = problem.operator
    m1, m2 = operator.shape
    require(
        m1 * m2 <= MOST_ENTRIES,
        f"a matrix of at most {MOST_ENTRIES} entries for a semidefinite program",
        f"{m1 * m2} ({size_text(operator.shape)})",
        "recover() takes large ones",
    )
    level = problem.noise_level
    if level is None:
        raise InputError("needed the noise level for the constraint, got None; say noise_level, 0 for exact data")
    require(problem.weights is None, "measurements that count alike", "weights", "multiply rows by their square roots")
    square = operator.kind.is_symmetric
    require(square or not positive, "a symmetric or Hermitian kind for positive=True", operator.kind)
    return level


def _program(cvxpy: ModuleType, operator: Operator, *, positive: bool) -> tuple[Any, Any, list[Any]]:
    """Return the packed unknown, the expression of its nuclear norm, and the constraints on its parts."""
    D, kind = operator.dimension, operator.kind
    sides = tuple(side * (2 if operator.is_complex else 1) for side in operator.shape)
    entries = _entries(operator)

    def matrix(z: Any) -> Any:
        return cvxpy.reshape(entries @ z, sides, order="C")

    if not kind.is_symmetric:
        z = cvxpy.Variable(D)
        # The real form of a complex matrix has each singular value twice.
        return z, cvxpy.normNuc(matrix(z)) / (2 if operator.is_complex else 1), []
    identity = torch.eye(operator.shape[0], dtype=operator.dtype)
    trace = kind.pack(identity).double().numpy()
    parts = [cvxpy.Variable(D) for _ in range(1 if positive else 2)]
    unknown = parts[0] if positive else parts[0] - parts[1]
    return unknown, sum(trace @ part for part in parts), [matrix(part) >> 0 for part in parts]


def _entries(operator: Operator) -> csr_array:
    """Return the map from packed coordinates to the entries of `Z`, row by row.

    A complex `Z` is replaced by `[Re -Im; Im Re]`. Each entry is one coordinate times a factor. Unpacking coordinates
    that are all 1 gives the factors; unpacking `1, 2, 3, ...` gives the indices of the coordinates.
    """
    D = operator.dimension

    def real_form(z: Tensor) -> np.ndarray:
        Z = operator.kind.unpack(z, operator.shape, is_complex=operator.is_complex)
        if operator.is_complex:
            Z = torch.cat([torch.cat([Z.real, -Z.imag], dim=1), torch.cat([Z.imag, Z.real], dim=1)])
        entries: np.ndarray = Z.reshape(-1).numpy()
        return entries

    factors = real_form(torch.ones(D, dtype=torch.float64))
    indices = real_form(torch.arange(1, D + 1, dtype=torch.float64))
    (filled,) = np.nonzero(factors)
    coordinates = np.rint(indices[filled] / factors[filled]).astype(np.int64) - 1
    return csr_array((factors[filled], (filled, coordinates)), shape=(len(factors), D))


def _sparse_if_smaller(rows: np.ndarray) -> np.ndarray | csr_array:
    return csr_array(rows) if np.count_nonzero(rows) < _SPARSE_SHARE * rows.size else rows


def _factored(Z: Tensor, kind: Kind) -> LowRank:
    """Return a full matrix in orthonormal form."""
    if kind.is_symmetric:
        return LowRank(torch.eye(len(Z), dtype=Z.dtype, device=Z.device), Z).orthonormal()
    identity = torch.eye(Z.shape[1], dtype=Z.dtype, device=Z.device)
    return LowRank(Z, identity, identity).orthonormal()
