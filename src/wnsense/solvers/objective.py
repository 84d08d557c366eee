"""The least-squares objective that every solver descends, in units in which the answer is about 1."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import InputError, require_size
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, RowDual
from wnsense.sensing.problem import Problem
from wnsense.solvers.calibration import Calibration, calibrate


@dataclass(frozen=True)
class Evaluation:
    """The objective at a point: all that one forward and one adjoint application give.

    With q = T D (M(Z) - y/s) the balanced residual and R = (T D M)*(q) its back-projection:

    Attributes:
        point: Z, in scaled units.
        residual: M(Z) - y/s on all rows, fitted or not, (..., n).
        balanced: q, (..., n); zero in effect on rows held out.
        left: R Y, or R X for the symmetric kinds, (..., m1, r).
        right: R^H X for rectangular points, (..., m2, r); None otherwise.
        beyond: What -R holds outside of the point's directions, as far as probes carried along show it; None without.
    """

    point: LowRank
    residual: Float[Tensor, "*batch n"]
    balanced: Float[Tensor, "*batch n"]
    left: Inexact[Tensor, "*batch m1 r"]
    right: Inexact[Tensor, "*batch m2 r"] | None = None
    beyond: LowRank | None = None

    @property
    def misfit(self) -> Float[Tensor, "*batch"]:
        """||q||, about the Frobenius distance to the answer where T D M is close to an isometry."""
        misfit: Tensor = torch.linalg.vector_norm(self.balanced, dim=-1)
        return misfit


@dataclass(frozen=True)
class SensingObjective:
    """f(Z) = 1/4 ||T D (M(Z) - y/s)||^2 for symmetric kinds, 1/2 for rectangular ones (arXiv 2510.01175, section 2).

    Points and solvers live in scaled units, Z = A / s; `to_user` undoes it. D weights rows (0 for those held out) and
    T shrinks the trace direction (see `Calibration`); both are found here unless given.

    Attributes:
        problem: What is fitted.
        fitted: 1 for rows that are fitted and 0 for rows held out, (n,); None for all.
        seed: Of the probes that find the scale.
        given: The scales where they are known already; found from the problem otherwise.
        calibration: The scales.
        target: y / s.
    """

    problem: Problem
    fitted: Float[Tensor, " n"] | None = None
    seed: int = 0
    given: Calibration | None = None
    calibration: Calibration = field(init=False)
    target: Float[Tensor, " n"] = field(init=False)

    def __post_init__(self) -> None:
        """Find the scales unless they came."""
        if self.fitted is not None:
            require_size("the mask of fitted rows", self.fitted.shape, self.problem.measurements.shape)
        found = self.given if self.given is not None else calibrate(self.problem, self.fitted, seed=self.seed)
        object.__setattr__(self, "calibration", found)
        object.__setattr__(self, "target", self.problem.measurements / self.scale)

    @property
    def kind(self) -> Kind:
        """The kind of unknown."""
        return self.problem.operator.kind

    @property
    def device(self) -> torch.device:
        """Where the operator lives."""
        return self.problem.operator.device

    @property
    def applications(self) -> int:
        """What the calibration cost, in applications of M and M*."""
        return self.calibration.applications

    @property
    def scale(self) -> float:
        """s, the estimate of ||A||_2."""
        return self.calibration.scale

    def evaluate(self, point: LowRank) -> Evaluation:
        """Residual and back-projection at a point: 2 applications, in one pass where the operator can."""
        back = self.problem.operator.pull_back(point, self._dual(self.target))
        residual = back.measurements - self.target
        return Evaluation(point, residual, self.calibration.balance(residual), back.left, back.right)

    def residual(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        """M(Z) - y/s on all rows: 1 application."""
        return self.problem.operator.measure(point) - self.target

    def pull_back(self, point: LowRank, residual: Float[Tensor, "*batch n"]) -> Evaluation:
        """The evaluation at a point whose residual is known: 1 application."""
        operator = self.problem.operator
        balanced = self.calibration.balance(residual)
        v = self.calibration.balance_transpose(balanced)
        left = operator.adjoint_times(v, point.right)
        right = None if point.Y is None else operator.adjoint_transpose_times(v, point.X)
        return Evaluation(point, residual, balanced, left, right)

    def normal_times(
        self, direction: LowRank, width: int
    ) -> tuple[Float[Tensor, "*batch n"], Inexact[Tensor, "*batch m1 r"], Inexact[Tensor, "*batch m2 r"] | None]:
        """Q = T D M(direction), and (T D M)*(q) times the direction's first columns, Y then X: 2 applications."""
        back = self.problem.operator.pull_back(direction, self._dual(None), width=width)
        return self.calibration.balance(back.measurements), back.left, back.right

    def _dual(self, target: Tensor | None) -> Dual:
        """From measurements to what is back-projected, D T^2 D (y - target)."""
        calibration = self.calibration
        if calibration.trace_direction is None:
            return RowDual(calibration.row_scale.square(), target)
        return lambda y: calibration.balance_transpose(calibration.balance(y if target is None else y - target))

    def relative_residual(self, residual: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
        """||M(Z) - y|| / ||y|| over the fitted rows, in the problem's own weights."""
        return self._relative(residual, self.fitted)

    def holdout_residual(self, residual: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"] | None:
        """The same over the rows held out; None when there are none."""
        return None if self.fitted is None else self._relative(residual, 1 - self.fitted)

    def _relative(self, residual: Tensor, rows: Tensor | None) -> Tensor:
        weights = self.problem.weights
        if rows is not None:
            weights = rows if weights is None else weights * rows
        relative: Tensor
        if weights is not None:
            root = weights.sqrt()
            relative = torch.linalg.vector_norm(residual * root, dim=-1) / torch.linalg.vector_norm(self.target * root)
        else:
            relative = torch.linalg.vector_norm(residual, dim=-1) / torch.linalg.vector_norm(self.target)
        return relative

    def to_user(self, point: LowRank) -> LowRank:
        """A point in the user's units."""
        return point.scaled(self.scale)

    def from_user(self, matrix: LowRank) -> LowRank:
        """A matrix in the user's units as a point."""
        return matrix.scaled(1 / self.scale)


def relative_error(objective: SensingObjective, point: LowRank) -> Float[Tensor, "*batch"]:
    """||Z - A||_F / ||A||_F against the problem's truth, at no cost in applications.

    Raises:
        InputError: If the problem has no truth.
    """
    return relative_distance(objective.to_user(point), objective.problem.truth)


def relative_distance(matrix: LowRank, truth: LowRank | None) -> Float[Tensor, "*batch"]:
    """||Z - A||_F / ||A||_F.

    Raises:
        InputError: If there is no truth to compare with.
    """
    if truth is None:
        raise InputError("needed a problem with a truth, got one without; give Problem(..., truth=...)")
    return matrix.distance(truth) / truth.norm()
