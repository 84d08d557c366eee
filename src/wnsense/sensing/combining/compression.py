"""Equivalent problems of fewer rows: with more measurements than unknowns, least squares needs only `R` and `Q^T y`.

The rows of an operator, packed (`Kind.pack`), are a matrix `A` of n rows and D columns. Let `sqrt(w) A = Q R` be the
orthogonal factorization. Then for every `Z`, with `z = pack(Z)`, the weighted least squares is

    ||sqrt(w) (M(Z) - y)||^2 = ||R z - Q^T sqrt(w) y||^2 + leftover.

A step so costs D^2 instead of n D for any n.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.sensing.combining.triangular_factor import Factorization, triangular_factor
from wnsense.sensing.ensembles.dense import DenseSensing
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator, selected_rows
from wnsense.sensing.problem import Problem
from wnsense.values import by_value

# Rows that are computed from unit vectors at once. If rows can be taken apart, each is measured against every other,
# so that few are best; otherwise the unit vectors and their back-projections have about this many numbers.
_UNIT_ROWS = 64
_SCRATCH_NUMBERS = 2**23
# Numbers of all matrices together up to which full matrices are faster than packed ones.
_UNPACKED_NUMBERS = 2**17


@dataclass(frozen=True)
@by_value
class Compression:
    """Problem with no more rows than unknowns, and the numbers that relate it to the given one.

    Attributes:
        problem: Problem `||R z - b||^2`: the same minimizers, differences and gradients as the given objective, weights
            included.
        leftover: Constant `||sqrt(w) y||^2 - ||b||^2`, the difference of the two objectives at every matrix.
        squared_norm: `||sqrt(w) y||^2`.
        count: Number n of given rows whose weight is not zero.
        factorization: Method by which `R` was computed; NONE if n is at most D and the problem is the given one.
        condition: Estimate of the condition number of `sqrt(w) A`, at worst two or three times too small. It is
            infinite if columns depend on each other up to rounding, and NaN if it was not needed.
    """

    problem: Problem
    leftover: float
    squared_norm: float
    count: int
    factorization: Factorization
    condition: float

    @property
    def residual_floor(self) -> float:
        """Lower bound `sqrt(leftover) / ||sqrt(w) y||` of the relative residual of matrices of any rank."""
        return math.sqrt(self.leftover / self.squared_norm)

    @property
    def noise_deviation(self) -> float:
        """Standard deviation of the noise from the leftover, of n - D degrees of freedom; NaN for `n <= D`.

        It is that of each row if all weights are 1, and in units of `1/sqrt(w)` otherwise, for any rank of the unknown.
        """
        freedom = self.count - self.problem.operator.dimension
        return math.sqrt(self.leftover / freedom) if freedom > 0 else math.nan

    def relative_residual(self, matrix: LowRank) -> float:
        """Return `||sqrt(w) (M(Z) - y)|| / ||sqrt(w) y||` of the given problem, at the cost of the compressed one."""
        error = self.problem.operator.measure(matrix) - self.problem.measurements
        if self.problem.weights is not None:
            error = self.problem.weights.sqrt() * error
        squared = float(torch.linalg.vector_norm(error)) ** 2
        return math.sqrt((squared + self.leftover) / self.squared_norm)


def compress(problem: Problem) -> Compression:
    """Return an equivalent least-squares problem with no more rows than the dimension D of the packed matrices.

    For every `Z`, of any rank, the given weighted objective is the compressed one plus `leftover`. So the minimizers
    over any set of matrices, the gradients and the differences are the same. A problem with `n <= D` is returned as it
    is.

    The Gram matrix `A^T W A` is formed in blocks of rows. It is factorized by Cholesky if the condition number of `A`
    allows that in the problem's precision: up to about 10 in double precision. Otherwise, and if the Gram matrix is
    singular, blocks of rows are added to `R` one after the other by Householder QR. Memory holds `R` and a block a few
    times each, in double precision; a block is 32 MiB or as large as `R`. Rows of operators that store none come from
    back-projected unit vectors. Columns that depend on each other leave zeros on the diagonal of `R`, up to rounding;
    the objective is the same.

    Two conclusions for the compressed rows:

    - Noise of equal variance in all rows stays white, since `Q` has orthonormal columns, and Gaussian noise stays
      independent; with weights, if they are the inverse variances. The noise level is replaced by its expected value:
      `Q^T` keeps D of the n parts of the squared noise. Weighted problems have none, since it depends on the rows.
    - Each compressed row mixes all given ones, and row i of `R` depends only on the unknowns from the i-th on. Rows are
      not alike any more. Holding out some of them is no test of a recovery, and may hide one unknown altogether. Hold
      out first (`restrict`), compress the other rows, and test on those held out. `recover` holds out rows by itself,
      and needs the given problem; the compressed one is for `solve`.

    Args:
        problem: Measurements, with or without weights.

    Raises:
        InputError: If y is orthogonal to the range of the operator.
    """
    operator, weights = problem.operator, problem.weights
    dimension = operator.dimension
    root = torch.ones_like(problem.measurements) if weights is None else weights.sqrt()
    y = (root * problem.measurements).double()
    squared_norm = float(torch.linalg.vector_norm(y)) ** 2
    count = operator.count if weights is None else int((weights > 0).sum())
    if operator.count <= dimension:
        return Compression(problem, 0.0, squared_norm, count, Factorization.NONE, math.nan)

    def block(start: int, stop: int) -> Tensor:
        """Return `[sqrt(w) A, sqrt(w) y]` of some rows."""
        rows = packed_rows(operator, start, stop) * root[start:stop, None].double()
        return torch.cat([rows, y[start:stop, None]], dim=1)

    (R, b, leftover, condition), factorization = triangular_factor(block, operator, root, y)
    real = operator.real_dtype
    measurements = b.to(real)
    level = _noise_level(problem, count, float(torch.linalg.vector_norm(b)), math.sqrt(squared_norm))
    compressed = Problem(_operator_of(R.to(real), problem), measurements, problem.truth, level)
    return Compression(compressed, leftover, squared_norm, count, factorization, condition)


def packed_rows(operator: Operator, start: int, stop: int) -> Float[Tensor, "b d"]:
    """Return the rows from start to stop of an operator as vectors, `<row, pack(Z)> = y_i`, in double precision."""
    if isinstance(operator, PackedSensing):
        return operator.packed_rows(start, stop).double() * operator.scale
    rows = torch.empty((stop - start, operator.dimension), dtype=torch.float64, device=operator.device)
    # The adjoint of b rows reads b rows if they can be taken apart, and n otherwise.
    apart = selected_rows(operator, torch.arange(start, start + 1, device=operator.device)) is not None
    step = _UNIT_ROWS if apart else max(1, _SCRATCH_NUMBERS // (operator.count + max(operator.shape) ** 2))
    for first in range(start, stop, step):
        last = min(first + step, stop)
        rows[first - start : last - start] = _unit_adjoints(operator, first, last, apart=apart)
    return rows


def _unit_adjoints(operator: Operator, first: int, last: int, *, apart: bool) -> Tensor:
    """Return a few packed `M_i`."""
    selected = selected_rows(operator, torch.arange(first, last, device=operator.device)) if apart else None
    if selected is not None:
        units = torch.eye(last - first, dtype=operator.real_dtype, device=operator.device)
        return operator.kind.pack(selected.adjoint(units))
    units = torch.zeros((last - first, operator.count), dtype=operator.real_dtype, device=operator.device)
    units[:, first:last].fill_diagonal_(1)
    return operator.kind.pack(operator.adjoint(units))


def _operator_of(R: Tensor, problem: Problem) -> Operator:
    """Return the operator whose packed rows are `R`; since `R^T R = A^T A`, a law of `M*M` is kept."""
    operator = problem.operator
    space = operator.space
    moment = operator.second_moment if problem.weights is None else None
    if space.kind.is_symmetric and R.shape[0] * space.shape[0] * space.shape[1] <= _UNPACKED_NUMBERS:
        return UnpackedSensing.from_matrices(space.unpack(R), space.kind, second_moment=moment)
    return DenseSensing(R.contiguous(), space, moment)


def _noise_level(problem: Problem, count: int, b: float, y: float) -> float | None:
    """Return the expected `||noise|| / ||b||` of white noise with a given share in y."""
    level = problem.noise_level
    if level is None or level == 0:
        return level
    if problem.weights is not None:
        return None
    return level * math.sqrt(problem.operator.dimension / count) * y / b
