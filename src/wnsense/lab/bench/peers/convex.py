"""Nuclear-norm minimization (Recht, Fazel and Parrilo, arXiv 0706.4138): a semidefinite program, solved by CVXPY."""

import time
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from wnsense.checks import InputError, require, size_text
from wnsense.lab.bench.peers.peer_result import PeerResult, imported
from wnsense.sensing.combining.compression import packed_rows
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem

# The program holds every row as an array. At this size minutes and several GB are the rule (benchmarks/results).
MOST_ENTRIES = 2**16
# Rows with fewer nonzeros than this share are handed over as a sparse array.
_SPARSE_SHARE = 0.2


def nuclear_norm_minimization(problem: Problem, *, positive: bool = False, solver: str = "CLARABEL") -> PeerResult:
    """The matrix of least nuclear norm that explains the measurements, by CVXPY.

    minimize ||Z||_* subject to M(Z) = y, or to ||M(Z) - y|| <= noise_level ||y|| where the noise level is not zero. A
    symmetric Z is P - Q with P, Q positive semidefinite, and ||Z||_* the least Tr P + Tr Q; where Z is known to be
    positive semidefinite Q = 0, and Tr Z is what is minimized (PhaseLift, arXiv 1109.4499).

    Args:
        problem: Measurements with their noise level (0 for exact ones), of a matrix of at most 65,536 entries.
        positive: Whether a symmetric or Hermitian matrix is known to be positive semidefinite, as states are.
        solver: One of those that CVXPY finds installed and that take semidefinite programs: CLARABEL or SCS.

    Raises:
        InputError: When the matrix is too large, the noise level unknown, the problem weighted, no matrix of the kind
            explains the measurements, or CVXPY is not installed.
    """
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
    cvxpy = imported("cvxpy", "nuclear-norm minimization")
    start = time.perf_counter()
    rows = packed_rows(operator, 0, operator.count).cpu().numpy()
    # Rows of unit length on average, and y of unit length: solvers' tolerances are absolute.
    length = float(np.sqrt(np.square(rows).sum(1).mean()))
    size = float(torch.linalg.vector_norm(problem.measurements))
    A = _sparse_where_it_pays(rows / length)
    y = problem.measurements.double().cpu().numpy() / size
    z, objective, constraints = _program(cvxpy, operator, positive=positive or operator.kind is Kind.PSD)
    constraints.append(A @ z == y if level == 0 else cvxpy.norm(A @ z - y) <= level)
    program = cvxpy.Problem(cvxpy.Minimize(objective), constraints)
    _solve(cvxpy, program, solver)
    if z.value is None:
        raise InputError(
            f"needed measurements that some {operator.kind} matrix explains, {solver} says {program.status}; "
            "give a larger noise level"
        )
    Z = operator.kind.unpack(torch.from_numpy(z.value * size / length), operator.shape, is_complex=operator.is_complex)
    matrix = _factored(Z.to(dtype=operator.dtype, device=operator.device), operator.kind)
    return PeerResult(matrix, time.perf_counter() - start, None, f"{solver}: {program.status}")


def _solve(cvxpy: ModuleType, program: Any, solver: str) -> None:
    with warnings.catch_warnings():
        # The status "optimal_inaccurate" says the same, and is handed on.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate", category=UserWarning)
        try:
            program.solve(solver=solver)
        except cvxpy.SolverError as error:
            needed = f"a solver of semidefinite programs that ends, of {', '.join(cvxpy.installed_solvers())}"
            raise InputError(f"needed {needed}, got from {solver}: {error}") from error


def _program(cvxpy: ModuleType, operator: Operator, *, positive: bool) -> tuple[Any, Any, list[Any]]:
    """The packed unknown, its nuclear norm, and what makes it so."""
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
    """The map from packed coordinates to the entries, row by row, of Z, or of [Re -Im; Im Re] for a complex Z.

    Each entry is one coordinate times a number: coordinates that are all 1 show the numbers, counted ones show which.
    """
    D = operator.dimension

    def real_form(z: Tensor) -> np.ndarray:
        Z = operator.kind.unpack(z, operator.shape, is_complex=operator.is_complex)
        if operator.is_complex:
            Z = torch.cat([torch.cat([Z.real, -Z.imag], dim=1), torch.cat([Z.imag, Z.real], dim=1)])
        entries: np.ndarray = Z.reshape(-1).numpy()
        return entries

    numbers = real_form(torch.ones(D, dtype=torch.float64))
    counted = real_form(torch.arange(1, D + 1, dtype=torch.float64))
    (filled,) = np.nonzero(numbers)
    coordinates = np.rint(counted[filled] / numbers[filled]).astype(np.int64) - 1
    return csr_array((numbers[filled], (filled, coordinates)), shape=(len(numbers), D))


def _sparse_where_it_pays(rows: np.ndarray) -> np.ndarray | csr_array:
    return csr_array(rows) if np.count_nonzero(rows) < _SPARSE_SHARE * rows.size else rows


def _factored(Z: Tensor, kind: Kind) -> LowRank:
    """A full matrix in orthonormal form."""
    if kind.is_symmetric:
        return LowRank(torch.eye(len(Z), dtype=Z.dtype, device=Z.device), Z).orthonormal()
    identity = torch.eye(Z.shape[1], dtype=Z.dtype, device=Z.device)
    return LowRank(Z, identity, identity).orthonormal()
