"""Standard errors of a recovered matrix's leading values and entries under noise."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import torch
from scipy.sparse.linalg import cg
from scipy.special import stdtrit
from torch import Tensor

from wnsense.checks import InputError, require, require_rank, size_text
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.given_numbers import NumbersLike, index_tensor
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem
from wnsense.solvers.calibration import Calibration, calibrate
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective
from wnsense.trust.tangent_jacobian import TangentJacobian
from wnsense.values import by_value

_CG_TOLERANCE = 1e-8
# Refits end where steps no longer lower the residual, which is flat to second order around its minimum.
_REFIT = Stop(residual=1e-14, stagnation=3, gain=1e-6, max_steps=500)


class ErrorMethod(StrEnum):
    """Ways to compute standard errors: from the derivative, or from refits to resampled residuals."""

    DELTA = "delta"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True)
@by_value
class Estimate:
    """Number computed from the recovered matrix, with its standard error.

    Attributes:
        name: Name such as "eigenvalue 1", "singular value 1", "Z[3, 5]" or "Re Z[3, 5]".
        value: Value in the user's units.
        standard_error: Standard error of the value, in the same units.
        residual_degrees_of_freedom: Measurements minus degrees of freedom, from which the noise was estimated.
    """

    name: str
    value: float
    standard_error: float
    residual_degrees_of_freedom: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of the value by Student's t.

        Args:
            level: Probability that the interval holds the value without noise, between 0 and 1.

        Raises:
            InputError: If the level is not between 0 and 1.
        """
        require(0 < level < 1, "a level between 0 and 1", level)
        width = float(stdtrit(self.residual_degrees_of_freedom, (1 + level) / 2)) * self.standard_error
        return self.value - width, self.value + width

    def __str__(self) -> str:
        """Return the estimate in one line."""
        return f"{self.name}: {self.value:.6g} +- {self.standard_error:.2g}"


@dataclass(frozen=True)
@by_value
class StandardErrors:
    """Standard errors of leading values and entries.

    Attributes:
        leading: Leading eigenvalues (singular values of a rectangular matrix), largest magnitude first.
        entries: Entries in the order of the request; a complex entry gives two, its real and its imaginary part.
        noise: Standard deviation of a measurement of weight 1, estimated from the residual.
        method: Method of computation.
        applications: Applications of `M` and `M*` that this took.
    """

    leading: tuple[Estimate, ...]
    entries: tuple[Estimate, ...]
    noise: float
    method: ErrorMethod
    applications: int

    def __str__(self) -> str:
        """Return one line for each estimate."""
        return "\n".join(str(estimate) for estimate in (*self.leading, *self.entries))


def standard_errors(
    problem: Problem,
    matrix: LowRank | NumbersLike,
    *,
    entries: NumbersLike = (),
    leading: int | None = None,
    method: ErrorMethod | str = ErrorMethod.DELTA,
    resamples: int = 200,
    seed: int = 0,
) -> StandardErrors:
    """Return standard errors of the leading values and of entries of a least-squares fit.

    Assumptions. `y = M(A) + e` with `A` of the matrix's rank and independent errors `e_i` of mean 0 and variance
    `sigma^2 / w_i`, with weights `w`. The matrix is the least-squares fit of that rank, as `recover` returns it with
    status REACHED_NOISE_FLOOR. Noise is small against the least eigenvalue, so that the fit moves in the tangent space
    of `A`. Then, with `J = W^{1/2} M` on the tangent space, `n` measurements and `d` degrees of freedom:

    - delta: `sigma^2 = ||W^{1/2} (M(Z) - y)||^2 / (n - d)`. A number `g(Z)` whose gradient has the tangent part `c` has
      the variance `sigma^2 c^T (J^T J)^{-1} c`: the inverse Fisher information, the Cramer-Rao bound. Each number takes
      one solve by conjugate gradients. The gradient of a simple eigenvalue is `x x^H`, of a singular value `x y^H`.
    - bootstrap (Efron, 1979): residuals, centred and inflated by `sqrt(n / (n - d))`, are drawn with replacement, added
      to `M(Z)`, and refitted from the matrix; the result is the standard deviation over the refits. It includes
      curvature, which the derivative does not, and takes a fit for each resample.

    Values that are close to each other are distinguished by their order only, which neither method accounts for.

    Args:
        problem: Measurements with their weights.
        matrix: Fit in the user's units, by its factors or full.
        entries: (row, column) of each requested entry, (k, 2).
        leading: Number of leading values; by default all.
        method: Method, delta or bootstrap.
        resamples: Number of refits of the bootstrap.
        seed: Seed of the resamples.

    Raises:
        InputError: If sizes do not agree, there are no more measurements than degrees of freedom, an entry lies
            outside the matrix, or a method has another name.
    """
    jacobian = TangentJacobian.at(problem, matrix)
    point, freedom = jacobian.point, jacobian.rows - jacobian.dimension
    require(freedom > 0, f"more measurements than the {jacobian.dimension} degrees of freedom", jacobian.rows)
    require(resamples >= 2, "at least 2 resamples", resamples)
    if str(method) not in set(ErrorMethod):
        raise InputError(f"needed a method of {', '.join(ErrorMethod)}, got {method}")
    request = _Request.checked(point, leading, entries)

    residual = jacobian.weighted(problem.operator.measure(point) - problem.measurements)
    jacobian.applications += 1
    noise = float(residual.double().square().sum() / freedom) ** 0.5
    if ErrorMethod(method) is ErrorMethod.DELTA:
        errors = np.array([_delta(jacobian, gradient, noise) for gradient in request.gradients()])
        applications = jacobian.applications
    else:
        errors, applications = _bootstrap(jacobian, request, residual, resamples, seed)
    estimates = tuple(
        Estimate(name, float(value), float(error), freedom)
        for name, value, error in zip(request.names(), request.values(point), errors, strict=True)
    )
    count = request.leading
    return StandardErrors(estimates[:count], estimates[count:], noise, ErrorMethod(method), applications)


@dataclass(frozen=True)
class _Request:
    """Requested numbers: their names, their values for any matrix, and their gradients at the point."""

    point: LowRank
    leading: int
    entries: tuple[tuple[int, int], ...]

    @classmethod
    def checked(cls, point: LowRank, leading: int | None, entries: NumbersLike) -> "_Request":
        """Return the request, checked against the size and the rank of the point."""
        count = point.width if leading is None else leading
        if count:
            require_rank("the number of leading values", count, point.width)
        places = index_tensor("entries", entries)
        if places.numel():
            require(places.dim() == 2 and places.shape[1] == 2, "entries of size k x 2", size_text(places.shape))
        pairs = tuple((int(row), int(column)) for row, column in places.tolist())
        for row, column in pairs:
            inside = 0 <= row < point.shape[0] and 0 <= column < point.shape[1]
            require(inside, f"entries of a matrix of {point.shape[0]} rows and {point.shape[1]} columns", (row, column))
        return cls(point, count, pairs)

    def names(self) -> list[str]:
        value = "eigenvalue" if self.point.is_symmetric else "singular value"
        names = [f"{value} {k + 1}" for k in range(self.leading)]
        for row, column in self.entries:
            entry = f"Z[{row}, {column}]"
            names += [f"Re {entry}", f"Im {entry}"] if self.point.dtype.is_complex else [entry]
        return names

    def values(self, matrix: LowRank) -> np.ndarray:
        Z = matrix.orthonormal()
        values = torch.diagonal(Z.Theta).real[: self.leading].tolist()
        for row, column in self.entries:
            entry = (Z.X[row] @ Z.Theta @ Z.right[column].conj()).item()
            values += [entry.real, entry.imag] if self.point.dtype.is_complex else [entry]
        return np.array(values)

    def gradients(self) -> list[LowRank]:
        X, Y = self.point.X, self.point.Y
        one = torch.ones(1, 1, dtype=X.dtype, device=X.device)
        gradients = [LowRank(X[:, [k]], one, None if Y is None else Y[:, [k]]) for k in range(self.leading)]
        factors = (1, 1j) if X.is_complex() else (1,)
        for row, column in self.entries:
            gradients += [_unit(self.point, row, column, factor) for factor in factors]
        return gradients


def _unit(point: LowRank, row: int, column: int, factor: complex) -> LowRank:
    """Return the matrix whose inner product with `Z` is the real (factor 1) or imaginary (i) part of an entry."""

    def axis(size: int, position: int) -> Tensor:
        unit = torch.zeros(size, 1, dtype=point.dtype, device=point.X.device)
        unit[position] = 1
        return unit

    core = torch.full((1, 1), factor, dtype=point.dtype, device=point.X.device)
    left, right = axis(point.shape[0], row), axis(point.shape[1], column)
    if not point.is_symmetric:
        return LowRank(left, core, right)
    # The Hermitian part has the same inner products with Hermitian matrices.
    nothing = torch.zeros_like(core)
    Theta = torch.cat([torch.cat([nothing, core / 2], 1), torch.cat([core.mH / 2, nothing], 1)])
    return LowRank(torch.cat([left, right], dim=1), Theta)


def _delta(jacobian: TangentJacobian, gradient: LowRank, noise: float) -> float:
    """Return the standard error of a number with this gradient, by one solve."""
    point = jacobian.point
    c = jacobian.coordinates(gradient @ point.right, None if point.Y is None else gradient.mH @ point.X)
    # The number cannot change, as the imaginary part of a diagonal entry of a Hermitian matrix.
    if not c.any():
        return 0.0
    solution, steps = cg(jacobian.normal(), c, rtol=jacobian.within(_CG_TOLERANCE), maxiter=10 * jacobian.dimension)
    if steps:
        # No convergence: the number depends on directions of a restricted singular value near 0.
        return float("inf")
    return noise * math.sqrt(float(c @ solution))


def _bootstrap(
    jacobian: TangentJacobian, request: _Request, residual: Tensor, resamples: int, seed: int
) -> tuple[np.ndarray, int]:
    """Return standard deviations over refits to resampled residuals, and their cost in applications."""
    problem, point = jacobian.problem, jacobian.point
    root = jacobian.weighted(torch.ones_like(problem.measurements))
    is_used = root > 0
    clean = problem.operator.measure(point)
    pool = residual[is_used] - residual[is_used].mean()
    pool = pool * (jacobian.rows / (jacobian.rows - jacobian.dimension)) ** 0.5
    scales = _plain(calibrate(problem, seed=seed))
    applications = jacobian.applications + 1 + scales.applications
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(resamples):
        rows = torch.randint(jacobian.rows, (jacobian.rows,), generator=generator).to(pool.device)
        resampled = clean.clone()
        resampled[is_used] += pool[rows] / root[is_used]
        objective = SensingObjective(Problem(problem.operator, resampled, weights=problem.weights), given=scales)
        result = solve(objective, ConjugateWN(), objective.from_user(point), stop=_REFIT)
        # Each run counts the calibration, which was made once.
        applications += result.applications - scales.applications
        values.append(request.values(result.answer))
    return np.std(values, axis=0, ddof=1), applications


def _plain(calibration: Calibration) -> Calibration:
    """Return the calibration of plain least squares, with the trace direction at its full weight."""
    return replace(calibration, trace_direction=None, trace_factor=1.0)
