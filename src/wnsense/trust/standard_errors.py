"""How far a recovered matrix's leading values and named entries may be off because of noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import torch
from scipy.sparse.linalg import cg
from scipy.special import stdtrit
from torch import Tensor

from wnsense.checks import InputError, require, require_rank
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem
from wnsense.solvers.calibration import Calibration, calibrate
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective
from wnsense.trust.tangent_jacobian import TangentJacobian

_CG_TOLERANCE = 1e-8
# Refits end where steps no longer lower the residual: it is flat to second order around its least.
_REFIT = Stop(residual=1e-14, stagnation=3, gain=1e-6, max_steps=500)


class ErrorMethod(StrEnum):
    """How standard errors are found: from the derivative, or by refits to resampled residuals."""

    DELTA = "delta"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True)
class Estimate:
    """A number read off the recovered matrix.

    Attributes:
        name: "eigenvalue 1", "singular value 1", "Z[3, 5]", "Re Z[3, 5]".
        value: In the user's units.
        standard_error: Of the value, in the same units.
        left: Measurements less degrees of freedom, from which the noise was estimated.
    """

    name: str
    value: float
    standard_error: float
    left: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval that covers what the value would be without noise so often, by Student's t.

        Raises:
            InputError: If the level is not between 0 and 1.
        """
        require(0 < level < 1, "a level between 0 and 1", level)
        width = float(stdtrit(self.left, (1 + level) / 2)) * self.standard_error
        return self.value - width, self.value + width

    def __str__(self) -> str:
        """In one line."""
        return f"{self.name}: {self.value:.6g} +- {self.standard_error:.2g}"


@dataclass(frozen=True)
class StandardErrors:
    """Standard errors of what was asked for, with what they rest on.

    Attributes:
        leading: Of the leading eigenvalues (singular values of a rectangular matrix), the largest magnitude first.
        entries: Of the entries asked for, in that order; a complex entry is two, its real and its imaginary part.
        noise: The standard deviation of a measurement of weight 1, estimated from the residual.
        method: How they were found.
        applications: What finding them cost, of M and M*.
    """

    leading: tuple[Estimate, ...]
    entries: tuple[Estimate, ...]
    noise: float
    method: ErrorMethod
    applications: int

    def __str__(self) -> str:
        """One line for each."""
        return "\n".join(str(estimate) for estimate in (*self.leading, *self.entries))


def standard_errors(
    problem: Problem,
    matrix: LowRank,
    *,
    entries: Sequence[tuple[int, int]] = (),
    leading: int | None = None,
    method: ErrorMethod | str = ErrorMethod.DELTA,
    resamples: int = 200,
    seed: int = 0,
) -> StandardErrors:
    """Standard errors of a least-squares fit's leading values and entries.

    Assumed: y = M(A) + e with A of the matrix's rank and independent errors e_i of mean 0 and variance sigma^2 / w_i, w
    the weights; the matrix is the least-squares fit of that rank, as `recover` returns it with status
    REACHED_NOISE_FLOOR; noise is small against the least eigenvalue, so that A moves along its tangent space. Then,
    with J = W^{1/2} M on the tangent space, n measurements and d degrees of freedom:

    - delta: sigma^2 = ||W^{1/2} (M(Z) - y)||^2 / (n - d), and a number g(Z) whose gradient has the tangent part c has
      the variance sigma^2 c^T (J^T J)^{-1} c: the inverse Fisher information, the Cramer-Rao bound. One solve by
      conjugate gradients for each number. The gradient of a simple eigenvalue is x x^H, of a singular value x y^H.
    - bootstrap (Efron, 1979): residuals, centred and inflated by sqrt(n / (n - d)), are drawn with replacement, added
      to what the matrix measures, and refitted from the matrix; the standard deviations over the refits. It sees
      curvature that the derivative does not, and costs a fit for each resample.

    Values that come close to each other are told apart by their order only, which neither method allows for.

    Args:
        problem: What was measured, with its weights.
        matrix: The fit, in the user's units.
        entries: (row, column) of each entry asked for.
        leading: How many leading values to look at; all by default.
        method: delta or bootstrap.
        resamples: How many refits the bootstrap makes.
        seed: Of the resamples.

    Raises:
        InputError: If sizes do not agree, there are no more measurements than degrees of freedom, an entry lies
            outside the matrix, or a method has another name.
    """
    jacobian = TangentJacobian(problem, matrix)
    point, left = jacobian.point, jacobian.rows - jacobian.dimension
    require(left > 0, f"more measurements than the {jacobian.dimension} degrees of freedom", jacobian.rows)
    require(resamples >= 2, "at least 2 resamples", resamples)
    if str(method) not in set(ErrorMethod):
        raise InputError(f"needed a method of {', '.join(ErrorMethod)}, got {method}")
    count = point.width if leading is None else leading
    if count:
        require_rank("the number of leading values", count, point.width)
    for row, column in entries:
        inside = 0 <= row < point.shape[0] and 0 <= column < point.shape[1]
        require(inside, f"entries of a matrix of {point.shape[0]} rows and {point.shape[1]} columns", (row, column))

    residual = jacobian.weighted(problem.operator.measure(point) - problem.measurements)
    jacobian.applications += 1
    noise = float(residual.double().square().sum() / left) ** 0.5
    asked = _Asked(point, count, tuple(entries))
    if ErrorMethod(method) is ErrorMethod.DELTA:
        errors = np.array([_delta(jacobian, gradient, noise) for gradient in asked.gradients()])
        applications = jacobian.applications
    else:
        errors, applications = _bootstrap(jacobian, asked, residual, resamples, seed)
    found = [
        Estimate(name, float(value), float(error), left)
        for name, value, error in zip(asked.names(), asked.values(point), errors, strict=True)
    ]
    return StandardErrors(tuple(found[:count]), tuple(found[count:]), noise, ErrorMethod(method), applications)


@dataclass(frozen=True)
class _Asked:
    """The numbers asked for: their names, their values at any matrix, and their gradients at the point."""

    point: LowRank
    leading: int
    entries: tuple[tuple[int, int], ...]

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
    """The matrix whose inner product with Z is the real (factor 1) or imaginary (factor i) part of an entry."""

    def axis(size: int, position: int) -> Tensor:
        unit = torch.zeros(size, 1, dtype=point.dtype, device=point.device)
        unit[position] = 1
        return unit

    core = torch.full((1, 1), factor, dtype=point.dtype, device=point.device)
    left, right = axis(point.shape[0], row), axis(point.shape[1], column)
    if not point.is_symmetric:
        return LowRank(left, core, right)
    # Its Hermitian part has the same inner products with Hermitian matrices.
    nothing = torch.zeros_like(core)
    Theta = torch.cat([torch.cat([nothing, core / 2], 1), torch.cat([core.mH / 2, nothing], 1)])
    return LowRank(torch.cat([left, right], dim=1), Theta)


def _delta(jacobian: TangentJacobian, gradient: LowRank, noise: float) -> float:
    """The standard error of a number with this gradient, by one solve."""
    point = jacobian.point
    c = jacobian.coordinates(gradient @ point.right, None if point.Y is None else gradient.mH @ point.X)
    # For numbers like the imaginary part of a diagonal entry, which cannot change.
    if not c.any():
        return 0.0
    solution, steps = cg(jacobian.normal(), c, rtol=jacobian.within(_CG_TOLERANCE), maxiter=10 * jacobian.dimension)
    if steps:
        # What measurements hardly feel is not known.
        return float("inf")
    return noise * math.sqrt(float(c @ solution))


def _bootstrap(
    jacobian: TangentJacobian, asked: _Asked, residual: Tensor, resamples: int, seed: int
) -> tuple[np.ndarray, int]:
    """Standard deviations over refits to resampled residuals, and what they cost."""
    problem, point = jacobian.problem, jacobian.point
    root = jacobian.weighted(torch.ones_like(problem.measurements))
    counted = root > 0
    clean = problem.operator.measure(point)
    drawn_from = residual[counted] - residual[counted].mean()
    drawn_from = drawn_from * (jacobian.rows / (jacobian.rows - jacobian.dimension)) ** 0.5
    scales = _plain(calibrate(problem, seed=seed))
    applications = jacobian.applications + 1 + scales.applications
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(resamples):
        rows = torch.randint(jacobian.rows, (jacobian.rows,), generator=generator).to(drawn_from.device)
        resampled = clean.clone()
        resampled[counted] += drawn_from[rows] / root[counted]
        objective = SensingObjective(Problem(problem.operator, resampled, weights=problem.weights), given=scales)
        result = solve(objective, ConjugateWN(), objective.from_user(point), stop=_REFIT)
        # The calibration is counted with each run, but was made once.
        applications += result.applications - scales.applications
        values.append(asked.values(result.matrix))
    return np.std(values, axis=0, ddof=1), applications


def _plain(found: Calibration) -> Calibration:
    """Least squares as it is, the trace direction at the weight that measurements give it."""
    return replace(found, trace_direction=None, trace_factor=1.0)
