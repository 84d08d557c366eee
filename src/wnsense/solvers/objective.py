"""Least-squares objective of all solvers, in units in which the answer has norm about 1."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import InputError, require_size
from wnsense.sensing import row_reductions
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, RowDual
from wnsense.sensing.problem import Problem
from wnsense.solvers.calibration import Calibration, calibrate
from wnsense.solvers.tangent import Tangent, tangent_part
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class Evaluation:
    """Residual and gradient in one point, from one forward and one adjoint application.

    `q = T D (M(Z) - y/s)` is the balanced residual and `R = (T D M)*(q)` its back-projection.

    Attributes:
        point: Point `Z`, in scaled units.
        residual: Residual `M(Z) - y/s` on all rows, fitted or not, (..., n).
        balanced: Balanced residual `q`, (..., n); 0 up to the trace direction on held-out rows.
        left: `R Y`, or `R X` for the symmetric kinds, (..., m1, r).
        right: `R^H X` for rectangular points, (..., m2, r); None otherwise.
    """

    point: LowRank
    residual: Float[Tensor, "*batch n"]
    balanced: Float[Tensor, "*batch n"]
    left: Inexact[Tensor, "*batch m1 r"]
    right: Inexact[Tensor, "*batch m2 r"] | None = None

    @cached_property
    def misfit(self) -> Float[Tensor, "*batch"]:
        """Norm `||q||`, about the Frobenius distance to the answer if `T D M` is close to an isometry."""
        return row_reductions.norm(self.balanced)

    @cached_property
    def gradient(self) -> Tangent:
        """Gradient, projected onto the tangent space at the point."""
        return tangent_part(self.point, self.left, self.right)


@dataclass(frozen=True)
@by_value
class SensingObjective:
    """Least squares `f(Z) = 1/4 ||T D (M(Z) - y/s)||^2`; 1/2 for rectangular unknowns (arXiv 2510.01175, section 2).

    Points are in scaled units, `Z = A / s`; `to_user` returns to the user's units. `D` weights rows (0 for held-out
    rows) and `T` shrinks the trace direction (see `Calibration`).

    Attributes:
        problem: Measurements with their weights.
        fitted: 1 for rows to fit, 0 for held-out rows, (n,); None for all.
        seed: Seed of the probes for the calibration.
        given: Calibration to use; None to compute it from the problem.
    """

    problem: Problem
    fitted: Float[Tensor, " n"] | None = None
    seed: int = 0
    given: Calibration | None = None

    def __post_init__(self) -> None:
        """Check the sizes; this computes the calibration, so that its errors come at once."""
        count = self.problem.measurements.shape
        if self.fitted is not None:
            require_size("the mask of fitted rows", self.fitted.shape, count)
        require_size("the row scale of the calibration", self.calibration.row_scale.shape, count)

    @cached_property
    def calibration(self) -> Calibration:
        """Calibration: the given one, or that of the problem."""
        return self.given if self.given is not None else calibrate(self.problem, self.fitted, seed=self.seed)

    @cached_property
    def target(self) -> Float[Tensor, " n"]:
        """Measurements in scaled units, `y / s`, (n,)."""
        return self.problem.measurements / self.calibration.scale

    @property
    def kind(self) -> Kind:
        """Kind of the unknown."""
        return self.problem.operator.kind

    @property
    def device(self) -> torch.device:
        """Device of the operator."""
        return self.problem.operator.device

    @property
    def applications(self) -> int:
        """Applications of `M` and `M*` that the calibration took."""
        return self.calibration.applications

    def evaluate(self, point: LowRank) -> Evaluation:
        """Return residual and gradient in a point: 2 applications, in one pass where the operator has one."""
        back = self.problem.operator.pull_back(point, self._dual(self.target))
        residual = back.measurements - self.target
        return Evaluation(point, residual, self.calibration.balance(residual), back.left, back.right)

    def residual(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        """Return `M(Z) - y/s` on all rows: 1 application."""
        return self.problem.operator.measure(point) - self.target

    def pull_back(self, point: LowRank, residual: Float[Tensor, "*batch n"]) -> Evaluation:
        """Return the evaluation in a point of known residual: 1 application."""
        operator = self.problem.operator
        balanced = self.calibration.balance(residual)
        v = self.calibration.balance_transpose(balanced)
        left = operator.adjoint_times(v, point.right)
        right = None if point.Y is None else operator.adjoint_transpose_times(v, point.X)
        return Evaluation(point, residual, balanced, left, right)

    def normal_times(
        self, direction: LowRank, width: int
    ) -> tuple[Float[Tensor, "*batch n"], Inexact[Tensor, "*batch m1 r"], Inexact[Tensor, "*batch m2 r"] | None]:
        """Return `q = T D M(direction)`, and `(T D M)*(q)` times the first columns of `Y` and `X`: 2 applications."""
        back = self.problem.operator.pull_back(direction, self._dual(None), width=width)
        return self.calibration.balance(back.measurements), back.left, back.right

    def _dual(self, target: Tensor | None) -> Dual:
        """Return the map from measurements `y` to the dual vector `D T^2 D (y - target)`."""
        calibration = self.calibration
        if calibration.trace_direction is None:
            return RowDual(calibration.row_scale.square(), target)
        return lambda y: calibration.balance_transpose(calibration.balance(y if target is None else y - target))

    def relative_residual(self, residual: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
        """Return `||M(Z) - y|| / ||y||` over the fitted rows, with the problem's weights."""
        return self._fitted_share.of(residual)

    def holdout_residual(self, residual: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"] | None:
        """Return the ratio over the held-out rows, or None if there are none."""
        return None if self._held_share is None else self._held_share.of(residual)

    def holdout_misfit(self, residual: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        """Return the norm of a residual over the held-out rows, without the part that an error of the trace explains.

        Raw rank-one rows measure the trace far more than all else, and would compare little but that.

        Raises:
            ValueError: If no rows are held out.
        """
        if self.fitted is None:
            raise ValueError("no rows are held out")
        rows = 1 - self.fitted
        root = rows if self.problem.weights is None else rows * self.problem.weights.sqrt()
        misfit = root * residual
        if self.calibration.traces is not None:
            traces = root * self.calibration.traces
            squared = row_reductions.squared_norm(traces).clamp(min=torch.finfo(traces.dtype).tiny)
            misfit = misfit - traces * (row_reductions.inner(misfit, traces) / squared)
        return row_reductions.norm(misfit)

    @cached_property
    def _fitted_share(self) -> "_Share":
        return self._share(self.fitted)

    @cached_property
    def _held_share(self) -> "_Share | None":
        return None if self.fitted is None else self._share(1 - self.fitted)

    def _share(self, rows: Tensor | None) -> "_Share":
        weights = self.problem.weights
        if rows is not None:
            weights = rows if weights is None else weights * rows
        root = None if weights is None else weights.sqrt()
        return _Share(root, row_reductions.norm(self.target if root is None else self.target * root))

    def to_user(self, point: LowRank) -> LowRank:
        """Return a point in the user's units."""
        return point.scaled(self.calibration.scale)

    def from_user(self, matrix: LowRank) -> LowRank:
        """Return a matrix in the user's units as a point."""
        return matrix.scaled(1 / self.calibration.scale)


@dataclass(frozen=True)
class _Share:
    """Norm of a residual relative to that of the measurements, over weighted rows.

    Attributes:
        root: Square roots of the weights, (n,); None for ones.
        whole: Norm of the weighted measurements.
    """

    root: Float[Tensor, " n"] | None
    whole: Float[Tensor, ""]

    def of(self, residual: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
        """Return the relative norm of a residual."""
        weighted = residual if self.root is None else residual * self.root
        return row_reductions.norm(weighted) / self.whole


def relative_error(objective: SensingObjective, point: LowRank) -> Float[Tensor, "*batch"]:
    """Return `||Z - A||_F / ||A||_F` for the problem's true matrix `A`, without an application.

    Raises:
        InputError: If the problem has no true matrix.
    """
    return relative_distance(objective.to_user(point), objective.problem.truth)


def relative_distance(matrix: LowRank, truth: LowRank | None) -> Float[Tensor, "*batch"]:
    """Return `||Z - A||_F / ||A||_F` for the true matrix `A`.

    Raises:
        InputError: If there is no true matrix.
    """
    if truth is None:
        raise InputError("needed a problem with a truth, got one without; give Problem(..., truth=...)")
    return matrix.distance(truth) / truth.norm()
