"""Weight normalization by reweighting: iteratively reweighted least squares in tangent coordinates."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_rank
from wnsense.linalg import orthonormal_factor, random_normal, symmetric_part
from wnsense.sensing import row_reductions
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation, SensingObjective
from wnsense.solvers.row_blocks import RowBlocks, blocks_cost, row_blocks
from wnsense.solvers.smoothing import Climb, Smoothing, next_level
from wnsense.solvers.solver import State
from wnsense.solvers.tangent import Tangent, tangent_part
from wnsense.values import by_value

# Share of the first gradient at which conjugate gradients end. A sharper solve costs 20 to 60% more applications.
_INNER_TOLERANCE = 1e-2
# Most steps of conjugate gradients for one set of weights. Near the information limit 200 leave the weights behind.
_MOST_INNER = 600
# Steps of conjugate gradients in one step of the solver, between which a run can be stopped and saved.
_BURST = 20
# Largest share of degrees of freedom in the fitted rows. No method recovers with less than a tenth of surplus rows.
_SHARE = 0.92
# Directions beyond the bound of the rank that are followed, and at most that many when the rank is small.
_SURPLUS, _FIRST_WIDTH = 6, 16
_FIRST_PASSES = 8
# Reweightings after which a run is at rest, unless the smoothing or the misfit has fallen by a share since. Of 94 runs
# that reach an exact answer near the limit none pauses for longer; spectra that decay without a gap do. A fall of a
# tenth within 6 reweightings lost none either, but cost such spectra twice as much.
_REST, _FALL_THAT_COUNTS = 10, 0.5
# The same for a climb, which crosses long plateaus. With the bound at the true rank, sampled entries of 1,000 x 1,000
# at n/dof 1.5 and condition number 10 rested too early in 5 of 5 draws with 6; 3 of them were found with 20.
_REST_OF_CLIMB, _FALL_THAT_COUNTS_IN_CLIMB = 12, 0.1
# Epsilons of a gradient that is rounding.
_ROUNDINGS = 30
# Least distance of a singular value above the smoothing, relative.
_ABOVE = 1e-9


@dataclass(frozen=True)
@by_value
class Inner:
    """Conjugate gradients for `(Lambda + B_T* B_T) gamma = B_T* c`, under way.

    Attributes:
        solution: Tangent vector `gamma` so far.
        gradient: Residual of the equations, `B_T* (c - B gamma) - Lambda gamma`.
        direction: Direction of the next step.
        slope: Inner product of the gradient and its preconditioned one.
        first: Norm of the first gradient.
        balanced: `T D (M(gamma) - y/s)`, (n,).
        blocks: Preconditioner.
        steps: Number of steps.
    """

    solution: Tangent
    gradient: Tangent
    direction: Tangent
    slope: Tensor
    first: Tensor
    balanced: Float[Tensor, " n"]
    blocks: RowBlocks
    steps: int

    @property
    def has_ended(self) -> bool:
        """True if the equations are solved to the tolerance, or after the most steps."""
        size = self.gradient.squared_norm().sqrt()
        # The measurements are of size 1 in scaled units; below their rounding, further steps diverge.
        least = (_INNER_TOLERANCE * self.first).clamp(min=_ROUNDINGS * torch.finfo(size.dtype).eps)
        return not bool(size > least) or self.steps >= _MOST_INNER


@dataclass(frozen=True)
class Descent:
    """Smoothing of a run, and its descent so far.

    Attributes:
        level: Smoothing `eps`, in scaled units; it never rises.
        counted: Least smoothing that counted as progress.
        misfit: Least misfit that counted as progress.
        idle: Reweightings since the last progress.
        climb: Climb that gives the smoothing; None if it falls to the widest gap.
    """

    level: float
    counted: float
    misfit: float
    idle: int
    climb: Climb | None

    def after(self, level: float, misfit: float, climb: Climb | None) -> "Descent":
        """Return the descent after one more reweighting."""
        keep = 1 - (_FALL_THAT_COUNTS if climb is None else _FALL_THAT_COUNTS_IN_CLIMB)
        if level < keep * self.counted or misfit < keep * self.misfit:
            return Descent(level, min(level, self.counted), min(misfit, self.misfit), 0, climb)
        return replace(self, level=level, idle=self.idle + 1, climb=climb)


@dataclass(frozen=True)
@by_value
class ReweightedState(State):
    """State of `ReweightedWN`.

    Attributes:
        descent: Smoothing and its descent so far.
        inner: Conjugate gradients for the present weights.
        tail: Directions beyond the rank of the present point, with their singular values.
    """

    descent: Descent
    inner: Inner
    tail: LowRank

    @property
    def level(self) -> float:
        """Smoothing `eps` of the present weights."""
        return self.descent.level

    @property
    def is_at_rest(self) -> bool:
        """True if neither the smoothing nor the misfit has fallen during the last reweightings."""
        return self.descent.idle >= (_REST if self.descent.climb is None else _REST_OF_CLIMB)


@dataclass(frozen=True)
class ReweightedWN:
    """Iteratively reweighted least squares over the tangent space at `Z = X Theta Y^H`; the rank is not given.

        minimize ||W^{1/2} Z||^2 subject to B Z = c,   W^{-1} = eps^2 outside of the tangent space, see `Smoothing`

    `B` is the balanced operator, scaled so that `B B*` has the mean 1, and `c` the balanced measurements. By the
    formula of Woodbury this is a system on the tangent space, `(Lambda + B_T* B_T) gamma = B_T* c`, solved by
    conjugate gradients. The new matrix `gamma + B* (c - B gamma)` is never formed. Its leading singular triples come
    from one step of subspace iteration. Those above the smoothing `eps` make the next point, so that the rank grows and
    shrinks by itself while `eps` falls: the run passes from saddle to saddle.

    The weights are those of the smoothed log-determinant (Mohan and Fazel 2012; MatrixIRLS by Kuemmerle and Mayrink
    Verdun, arXiv 2106.02119, which is given the rank). Near the information limit this finds what descent over
    matrices of one rank does not.

    A step makes up to 20 steps of conjugate gradients, 2 applications each. A reweighting takes 3 more, or 4 for
    rectangular unknowns.

    Attributes:
        max_rank: Largest rank `K`; by default the largest whose degrees of freedom are 0.92 of the fitted rows.
        climbs: True to climb from rank to rank (see `Climb`), which costs more and reaches further if the largest rank
            is the true one. By default the smoothing falls to the widest gap, or by a fixed factor.
        level: Smoothing `eps` to keep, in scaled units, from a first point near the answer; by default it falls.
    """

    max_rank: int | None = None
    climbs: bool = False
    level: float | None = None

    def start(self, objective: SensingObjective, point: LowRank) -> ReweightedState:
        """Return the first state: the spectrum of the matrix that fits the measurements next to the first point.

        Raises:
            InputError: If the point is a batch, or the rank is out of range.
        """
        require(point.X.dim() == 2, "one first point", "a batch")
        seed = torch.Generator().manual_seed(objective.seed)
        width = min(_room(self.bound(objective)) + _SURPLUS, _FIRST_WIDTH, *point.shape)
        block = random_normal((point.shape[1], width), generator=seed, dtype=point.dtype, device=point.X.device)
        passes = _FIRST_PASSES
        if self.level is not None:
            block, passes = torch.cat([point.right, block], dim=-1)[:, : min(point.shape)], 1
        balanced = objective.calibration.balance(objective.residual(point))
        matrix, cost = _spectrum(objective, point, balanced, block, passes)
        never = Descent(math.inf, math.inf, math.inf, 0, Climb() if self.climbs else None)
        return _weighted(objective, matrix, never, self, 1 + cost)

    def step(self, objective: SensingObjective, state: ReweightedState) -> ReweightedState:
        """Return the state after some steps of conjugate gradients, and after new weights where these have ended."""
        weights = _weights(state.evaluation.point, state.level)
        inner = state.inner
        taken = 0
        while taken < _BURST and not inner.has_ended:
            inner, taken = _conjugate_step(objective, state.evaluation.point, weights, inner), taken + 1
        applications = state.applications + 2 * taken
        if not inner.has_ended:
            return replace(state, inner=inner, applications=applications)
        gamma, point = inner.solution, state.evaluation.point
        sides = [gamma.P] if gamma.Q is None else [gamma.Q]
        block = torch.cat([point.right, *sides, state.tail.right], dim=-1)
        block = block / torch.linalg.vector_norm(block, dim=0).clamp(min=torch.finfo(block.dtype).tiny ** 0.5)
        bound = self.bound(objective)
        matrix, cost = _spectrum(objective, gamma.at(point), inner.balanced, block[:, : min(point.shape)], 1)
        width = min(_room(bound) + _SURPLUS, 2 * point.width + _SURPLUS + 4)
        return _weighted(objective, _columns(matrix, 0, width), state.descent, self, applications + cost)

    def bound(self, objective: SensingObjective) -> int:
        """Return the largest rank `K`.

        Raises:
            InputError: If the given one is out of range.
        """
        operator = objective.problem.operator
        if self.max_rank is not None:
            require_rank("max_rank", self.max_rank, min(operator.shape))
            return self.max_rank
        rows = row_reductions.count(objective.calibration.row_scale > 0)
        rank = 1
        while rank < min(operator.shape) and operator.degrees_of_freedom(rank + 1) <= _SHARE * rows:
            rank += 1
        return rank


def _room(bound: int) -> int:
    """Return the largest width on the way to a rank within the bound."""
    return 2 * bound + 2


def _gain(objective: SensingObjective) -> float:
    """Return the squared factor `n / d` by which `B = sqrt(n / d) T D M` has `B B*` of mean 1."""
    rows = row_reductions.count(objective.calibration.row_scale > 0)
    return rows / objective.problem.operator.dimension


def _weights(point: LowRank, level: float) -> Smoothing:
    return Smoothing(level, point.Theta.diagonal().real.abs().clamp(min=level * (1 + _ABOVE)))


def _weighted(
    objective: SensingObjective, matrix: LowRank, descent: Descent, solver: ReweightedWN, applications: int
) -> ReweightedState:
    """Return the state at the leading part of a matrix, with its weights and the first step of the equations."""
    bound, values = solver.bound(objective), matrix.Theta.diagonal().real
    # A negative eigenvalue of a psd unknown is none of the answer, but as large as the noise that the smoothing covers.
    level = next_level(values.abs().sort(descending=True).values, descent.level, bound)
    values = values.clamp(min=0) if objective.kind is Kind.PSD else values.abs()
    climb = None if descent.climb is None else descent.climb.after(values, bound)
    level = level if climb is None else climb.level
    level = level if solver.level is None else solver.level
    rank = max(1, min(int((values > level * (1 + _ABOVE)).sum()), _room(bound)))
    point, tail = _columns(matrix, 0, rank), _columns(matrix, rank, matrix.width)
    at = objective.evaluate(point)
    after = descent.after(level, float(at.misfit), climb)
    applications += 2 + blocks_cost(objective, point)
    return ReweightedState(at, applications, after, _first_inner(objective, at, level), tail)


def _first_inner(objective: SensingObjective, at: Evaluation, level: float) -> Inner:
    """Return the start of conjugate gradients at `gamma = (Theta, 0, 0)`, which is the point itself."""
    gain = _gain(objective)
    point = at.point
    weights = _weights(point, level)
    solution = Tangent(point.Theta, torch.zeros_like(point.X), None if point.Y is None else torch.zeros_like(point.Y))
    minus = -torch.ones_like(at.misfit)
    gradient = at.gradient.scaled(gain * minus).plus(weights.penalized(solution), minus)
    blocks = row_blocks(objective, point, gain, weights.core(), weights.sides())
    direction = blocks.applied(gradient)
    slope = gradient.inner(direction)
    return Inner(solution, gradient, direction, slope, gradient.squared_norm().sqrt(), at.balanced, blocks, 0)


def _conjugate_step(objective: SensingObjective, point: LowRank, weights: Smoothing, inner: Inner) -> Inner:
    """Return the equations after one step of preconditioned conjugate gradients: 2 applications."""
    gain = _gain(objective)
    image, left, right = objective.normal_times(inner.direction.at(point), point.width)
    applied = weights.penalized(inner.direction).plus(
        tangent_part(point, left, right), torch.full_like(inner.slope, gain)
    )
    length = inner.slope / inner.direction.inner(applied)
    gradient = inner.gradient.plus(applied, -length)
    preconditioned = inner.blocks.applied(gradient)
    slope = gradient.inner(preconditioned)
    return Inner(
        inner.solution.plus(inner.direction, length),
        gradient,
        preconditioned.plus(inner.direction, slope / inner.slope),
        slope,
        inner.first,
        inner.balanced + length * image,
        inner.blocks,
        inner.steps + 1,
    )


def _spectrum(
    objective: SensingObjective, part: LowRank, balanced: Float[Tensor, " n"], block: Tensor, passes: int
) -> tuple[LowRank, int]:
    """Return the leading part of `Z = part - gain R`, `R` the back-projection of a balanced residual, and its cost.

    It is computed by subspace iteration from a block, and its core is diagonal with descending singular values; for
    kind psd, with descending eigenvalues.
    """
    operator, gain = objective.problem.operator, _gain(objective)
    v = objective.calibration.balance_transpose(balanced)
    V = orthonormal_factor(block)
    if operator.kind.is_symmetric:
        for _ in range(passes):
            U = orthonormal_factor(part @ V - gain * operator.adjoint_times(v, V))
            image = part @ U - gain * operator.adjoint_times(v, U)
            values, vectors = torch.linalg.eigh(symmetric_part(U.mH @ image))
            order = (values if operator.kind is Kind.PSD else values.abs()).argsort(descending=True)
            V = U @ vectors[:, order]
        return LowRank(V, torch.diag(values[order]).to(V.dtype)), 2 * passes
    for _ in range(passes):
        U = orthonormal_factor(part @ V - gain * operator.adjoint_times(v, V))
        image = part.mH @ U - gain * operator.adjoint_transpose_times(v, U)
        left, values, right = torch.linalg.svd(image.mH, full_matrices=False)
        V = right.mH
    return LowRank(U @ left, torch.diag(values).to(U.dtype), V), 2 * passes


def _columns(matrix: LowRank, first: int, last: int) -> LowRank:
    """Return the part of some of the singular triples of a matrix with a diagonal core."""
    Y = None if matrix.Y is None else matrix.Y[:, first:last]
    return LowRank(matrix.X[:, first:last], matrix.Theta[first:last, first:last], Y)
