"""Diagonal linear networks: the problem, the weights, the least-squares objective of `L` entrywise factors."""

import math
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError, require, require_finite, require_size
from wnsense.sensing.linear_map import LinearMap


@dataclass(frozen=True)
class DiagonalProblem:
    """Measurements `y = A z` of an unknown vector.

    Attributes:
        operator: Map `A`, (M, N).
        measurements: Measurements `y`, (M,), a tensor of the map's dtype.
        truth: True vector `z`, (N,), of the map's dtype; None if not known.
        weights: Always None: all measurements have the same weight.
    """

    operator: LinearMap
    measurements: Float[Tensor, " m"]
    truth: Float[Tensor, " n"] | None = None
    weights: None = None

    def __post_init__(self) -> None:
        """Check sizes, dtypes and numbers once, for all later steps."""
        M, N = self.operator.shape
        require_size("the measurements", self.measurements.shape, (M,), "one for each row")
        _require_tensor("measurements", self.measurements, self.operator.dtype)
        require_finite("the measurements", self.measurements)
        require(bool((self.measurements != 0).any()), "measurements that are not all zero", "a zero vector")
        if self.truth is not None:
            require_size("the truth", self.truth.shape, (N,))
            _require_tensor("a truth", self.truth, self.operator.dtype)
            require_finite("the truth", self.truth)


def _require_tensor(name: str, values: object, dtype: torch.dtype) -> None:
    """Raise `InputError` unless the values have the map's dtype, so that no step converts them."""
    came = values.dtype if isinstance(values, Tensor) else f"an object of {type(values).__name__}"
    advice = f"torch.as_tensor(..., dtype={dtype})"
    require(isinstance(values, Tensor) and values.dtype == dtype, f"{name} of {dtype}", came, advice)


@dataclass(frozen=True)
class Weights:
    """Weights of a network: `x` itself, or `x = r u / ||u||`.

    Attributes:
        direction: Direction `u`, (..., N); `x` itself without a magnitude. A signed network has 2 N entries, `w_+`
            before `w_-`.
        magnitude: Magnitude `r`, (...); None for `x` itself.
    """

    direction: Float[Tensor, "*batch n"]
    magnitude: Float[Tensor, "*batch"] | None = None

    @property
    def x(self) -> Float[Tensor, "*batch n"]:
        """Factor `x` whose `L`-th power is measured."""
        if self.magnitude is None:
            return self.direction
        u: Tensor = self.direction / torch.linalg.vector_norm(self.direction, dim=-1, keepdim=True)
        return self.magnitude.unsqueeze(-1) * u

    def normalized(self) -> "Weights":
        """Return the same `x` with `||u|| = 1`."""
        size = torch.linalg.vector_norm(self.direction, dim=-1)
        u = self.direction / size.unsqueeze(-1)
        return Weights(u, size if self.magnitude is None else self.magnitude)

    def plain(self) -> "Weights":
        """Return the same `x` without a magnitude."""
        return Weights(self.x)


@dataclass(frozen=True)
class DiagonalEvaluation:
    """Objective at a point, from one product with `A` and one with `A^T`.

    Attributes:
        point: Weights.
        residual: Residual `A z - y` on all rows, (..., M).
        misfit: Norm of the residual on the fitted rows, (...).
        gradient: Gradient of the loss by `x`, (..., N).
    """

    point: Weights
    residual: Float[Tensor, "*batch m"]
    misfit: Float[Tensor, "*batch"]
    gradient: Float[Tensor, "*batch n"]


@dataclass(frozen=True)
class DiagonalObjective:
    """Loss `1/2 ||A z - y||^2` with `z = x^L`, or `z = w_+^L - w_-^L` (arXiv 2305.05448).

    Its gradient by `x` is `L x^{L-1} . A^T (A z - y)`. Depth 1, `z = x`, is plain least squares, on which weight
    normalization was studied first (arXiv 1911.07956).

    Attributes:
        problem: Problem to fit.
        depth: Number of factors `L`, at least 1.
        signed: True if `z = w_+^L - w_-^L`, with 2 N weights of one common radius.
        fitted: 1 for fitted rows and 0 for held-out rows, (M,); None if all are fitted.
    """

    problem: DiagonalProblem
    depth: int = 2
    signed: bool = True
    fitted: Float[Tensor, " m"] | None = None

    def __post_init__(self) -> None:
        """Check the depth and the mask."""
        require(self.depth >= 1, "a depth of at least 1", self.depth)
        require(self.depth % 1 == 0, "a depth that is a whole number", self.depth)
        if self.fitted is not None:
            require_size("the mask of fitted rows", self.fitted.shape, self.problem.measurements.shape)
            held = bool(((self.fitted == 0) | (self.fitted == 1)).all()) and bool((self.fitted == 1).any())
            require(held, "a mask of ones (fitted, at least one) and zeros", "other numbers")

    @property
    def width(self) -> int:
        """Number of weights: N, or 2 N if signed."""
        return self.problem.operator.shape[1] * (2 if self.signed else 1)

    @property
    def device(self) -> torch.device:
        """Device of the map."""
        return self.problem.operator.device

    @property
    def applications(self) -> int:
        """Number of applications that the objective itself used, 0."""
        return 0

    def vector(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n2"]:
        """Return the vector `z` of N entries from the weights."""
        powers = x**self.depth
        if not self.signed:
            return powers
        N = self.problem.operator.shape[1]
        return powers[..., :N] - powers[..., N:]

    def evaluate(self, point: Weights) -> DiagonalEvaluation:
        """Return residual and gradient at a point, at 2 applications."""
        x = point.x
        residual = self.problem.operator.times(self.vector(x)) - self.problem.measurements
        counted = residual if self.fitted is None else residual * self.fitted
        back = self.problem.operator.transpose_times(counted)
        back = torch.cat([back, -back], dim=-1) if self.signed else back
        gradient = self.depth * x ** (self.depth - 1) * back
        return DiagonalEvaluation(point, residual, torch.linalg.vector_norm(counted, dim=-1), gradient)

    def relative_residual(self, residual: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch"]:
        """Return `||A z - y|| / ||y||` over the fitted rows."""
        return self._relative(residual, self.fitted)

    def holdout_residual(self, residual: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch"] | None:
        """Return `||A z - y|| / ||y||` over the held-out rows, None if there are none."""
        return None if self.fitted is None else self._relative(residual, 1 - self.fitted)

    def to_user(self, point: Weights) -> Float[Tensor, "*batch n"]:
        """Return `z`, (..., N)."""
        return self.vector(point.x)

    def _relative(self, residual: Tensor, rows: Tensor | None) -> Tensor:
        y = self.problem.measurements
        if rows is not None:
            residual, y = residual * rows, y * rows
        relative: Tensor = torch.linalg.vector_norm(residual, dim=-1) / torch.linalg.vector_norm(y)
        return relative


def equal_start(objective: DiagonalObjective, scale: float, *, batch: tuple[int, ...] = ()) -> Weights:
    """Return weights `x = alpha` in every entry.

    Args:
        objective: Objective to minimize.
        scale: Scale `alpha`, positive; an entry at zero never moves.
        batch: Sizes of a batch of starts.

    Raises:
        InputError: If alpha is not positive and finite.
    """
    require(scale != 0, "a start other than zero", scale, "no entry would ever move")
    require(scale > 0 and math.isfinite(scale), "a scale of the start that is positive and finite", scale)
    operator = objective.problem.operator
    return Weights(torch.full((*batch, objective.width), scale, dtype=operator.dtype, device=operator.device))


def vector_error(objective: DiagonalObjective, point: Weights) -> Float[Tensor, "*batch"]:
    """Return `||z - truth|| / ||truth||`, at no cost in applications.

    Raises:
        InputError: If the problem has no truth.
    """
    truth = objective.problem.truth
    if truth is None:
        raise InputError("needed a problem with a truth, got one without; give DiagonalProblem(..., truth=...)")
    error: Tensor = torch.linalg.vector_norm(objective.to_user(point) - truth, dim=-1) / torch.linalg.vector_norm(truth)
    return error


@dataclass(frozen=True)
class DiagonalState:
    """State of a solver; solvers with more state extend it.

    Attributes:
        evaluation: Present point with its residual and gradient.
        applications: Number of products with `A` and `A^T`.
        taken: Number of steps taken, the argument of schedules.
    """

    evaluation: DiagonalEvaluation
    applications: int
    taken: int

    @property
    def answer(self) -> DiagonalEvaluation:
        """Evaluation to report if the run ends here."""
        return self.evaluation

    @property
    def is_at_rest(self) -> bool:
        """False: these descents do not say so."""
        return False

    def moved(self, objective: DiagonalObjective, point: Weights) -> "DiagonalState":
        """Return the state at the next point, evaluated."""
        return replace(
            self, evaluation=objective.evaluate(point), applications=self.applications + 2, taken=self.taken + 1
        )


S = TypeVar("S", bound=DiagonalState)


@runtime_checkable
class DiagonalSolver(Protocol[S]):
    """Frozen hyper-parameters with two functions, as `Solver` is for matrices."""

    def start(self, objective: DiagonalObjective, point: Weights) -> S:
        """Return the state at the first point."""
        ...

    def step(self, objective: DiagonalObjective, state: S) -> S:
        """Return the state after one step."""
        ...
