"""Certificate of near-optimality: a dual bound for the convex problem behind a low-rank fit."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.checks import InputError, require, require_size
from wnsense.sensing.given_matrix import low_rank_from
from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, require_problem
from wnsense.trust.ball_descent import BallDescent
from wnsense.trust.dual_gradient import DualGradient
from wnsense.values import by_value

# Relative amount by which rounding may bring a radius below that of the matrix.
_ROUNDING = 1e-9


@dataclass(frozen=True)
@by_value
class Certificate:
    """Bound on the distance of a matrix from the global minimum of a convex problem.

    Attributes:
        gap: Upper bound on `f(Z) - min f` for `f = ||W^{1/2} (M(Z) - y)||^2`, in units of the squared measurements.
        relative_gap: The gap over `||W^{1/2} y||^2`.
        objective: Value `f(Z)`, at least the gap, since `f` is not negative.
        least_eigenvalue: Lower bound on the least eigenvalue of the gradient `G = 2 M*(W (M(Z) - y))` where `Z` is
            positive semidefinite; otherwise minus an upper bound on `||G||_2`. It bounds the slope of steepest descent
            along matrices of nuclear norm 1; -inf if Lanczos did not converge.
        radius: Bound on the trace (psd) or the nuclear norm over which the minimum is taken.
        positive: True if the minimum is over positive semidefinite matrices.
        applications: Applications of `M` and `M*` that the bound took.
    """

    gap: float
    relative_gap: float
    objective: float
    least_eigenvalue: float
    radius: float
    positive: bool
    applications: int

    def __str__(self) -> str:
        """Return the certificate in a sentence."""
        among = (
            f"positive semidefinite matrices of trace at most {self.radius:.4g}"
            if self.positive
            else f"matrices of nuclear norm at most {self.radius:.4g}"
        )
        return (
            f"No matrix of any rank among the {among} has a squared residual below "
            f"{max(self.objective - self.gap, 0.0):.3e}. This one has {self.objective:.3e}: at most {self.gap:.1e} "
            f"above the best, {self.relative_gap:.1e} of the squared measurements."
        )


def certify(
    problem: Problem,
    matrix: LowRank | NumbersLike,
    *,
    radius: float | None = None,
    positive: bool = False,
    steps: int = 100,
    seed: int = 0,
) -> Certificate:
    """Return a bound on how far a matrix is from the best one of any rank, by duality.

    Theorem. Let `f(Z) = ||q||^2`, `q = W^{1/2} (M(Z) - y)`, with the gradient `G = 2 M*(W (M(Z) - y))`. Let `C` be the
    positive semidefinite matrices of trace at most `tau`, with `nu = max(0, -lambda_min(G))`; or all matrices of the
    kind of nuclear norm at most `tau`, with `nu = ||G||_2`. For any `Z` in `C`, with `s = (<G, Z> + tau nu) / 2`:

        f(Z) - min_C f <= s (2 - s / f(Z)) where s < f(Z), and f(Z) otherwise.

    Proof. For any `p` and `q'`, `||q'||^2 >= 2 p^T q' - ||p||^2`. Let `p = t q`, `t >= 0`, and let `q'` be the residual
    of any `Z'` in `C`. Then `f(Z') >= t (<G, Z'> - 2 q^T W^{1/2} y) - t^2 f(Z)`. Over `C`, whose extreme points are of
    rank one, `<G, Z'> >= -tau nu`. Since `2 q^T W^{1/2} y = <G, Z> - 2 f(Z)`, it follows that
    `f(Z') >= 2 t (f(Z) - s) - t^2 f(Z)`. The right side is largest at `t = 1 - s / f(Z)`, or at `t = 0` where that is
    negative. (`t = 1` gives the gap `2 s` of Frank and Wolfe; Jaggi, ICML 2013.)

    The residual of any other matrix `Z''` may take the place of `q`: `f(Z') >= max(0, f(Z'') - s'')^2 / f(Z'')`. The
    steps of `BallDescent` lead towards the minimum over `C`, where this bound is higher. The bound holds for any
    matrix, whatever the steps.

    Origin. `Z = Y Y^H` with a zero column in `Y` is rank deficient. In the direction `v` of that column the curvature
    of `f(Y Y^H)` is `2 v^H G v`. At a stationary point `G Y = 0`, hence `<G, Z> = 0` and `s = tau nu / 2`. A
    second-order point, `nu = 0`, is then a global optimum: the bound of Zhang, Fattahi and Zhang, arXiv 2206.03345, by
    the least eigenvalue and the trace. Here `Z` need not be stationary, which the term `<G, Z>` takes into account.

    Assumption. Lanczos converges to the extreme eigenvalue (the norm) from a random vector, as it does with probability
    1; the norm of its residual is subtracted. No distribution of the measurements is assumed: the bound is on `f`, not
    on the distance to the true matrix. Under noise the best matrix of any rank fits noise too, so that the gap of a
    good answer is not 0. If noise is small against the matrix, its own residual gives no bound, and steps are needed.

    Args:
        problem: Measurements with their weights.
        matrix: Matrix `Z`, in the user's units, by its factors or full.
        radius: Radius `tau`; by default the nuclear norm of the matrix, which is its trace if positive semidefinite.
        positive: True if a symmetric or Hermitian matrix is known to be positive semidefinite, as states are; implied
            by kind psd.
        steps: Number of steps towards the minimum over `C`, for a sharper bound under noise. Each takes 3 applications
            to matrices at least twice as wide. With 0 the bound is that of the matrix's own residual.
        seed: Seed of the first Lanczos vector.

    Raises:
        InputError: If sizes do not agree, the matrix is not in the set, or `positive` is set for a rectangular one.
    """
    require_problem(problem)
    operator, matrix = problem.operator, low_rank_from("the matrix", matrix, problem.operator.space)
    require_size("the matrix", matrix.shape, operator.shape)
    require(not matrix.batch, "one matrix", f"a batch of {matrix.batch}")
    require(
        operator.kind.is_symmetric or not positive, "a symmetric or Hermitian kind for positive=True", operator.kind
    )
    positive = positive or operator.kind is Kind.PSD
    radius = _radius(matrix, radius, positive=positive)
    rows = problem.measurements if problem.weights is None else problem.weights.sqrt() * problem.measurements
    size = float(rows.square().sum())
    descent = BallDescent(problem, radius, positive=positive)
    image = descent.image(matrix)
    objective = descent.objective(image)
    bound, least = _bound(descent, image, seed)
    # The residual of an exact fit is rounding error, and so is its gap.
    if steps and radius > 0 and objective > torch.finfo(torch.float64).eps * size:
        better, _ = _bound(descent, descent.image(descent.run(matrix, steps, seed)), seed)
        bound = max(bound, better)
    gap = max(objective - bound, 0.0)
    return Certificate(gap, gap / size, objective, least, radius, positive, descent.applications)


def _bound(descent: BallDescent, image: Tensor, seed: int) -> tuple[float, float]:
    """Return a lower bound on `f` over the set, from the image `M(Z)`, and the gradient's least eigenvalue at `Z`."""
    v, objective = descent.dual(image), descent.objective(image)
    if objective == 0:
        return 0.0, 0.0
    gradient = DualGradient(descent.problem.operator, v)
    least = gradient.least_eigenvalue(seed) if descent.positive else -gradient.norm(seed)
    descent.applications += gradient.applications
    half = (float((v * image).sum()) + descent.radius * max(0.0, -least)) / 2
    share = max(1 - max(half, 0.0) / objective, 0.0)
    return share * share * objective, least


def _radius(matrix: LowRank, radius: float | None, *, positive: bool) -> float:
    """Return the radius of the set, which must hold the matrix."""
    values = matrix.eigenvalues() if positive else matrix.singular_values()
    own = float(values.abs().sum())
    if positive and float(values.min()) < -_ROUNDING * own:
        raise InputError(
            f"needed a positive semidefinite matrix, got one with an eigenvalue of {float(values.min()):.3g}; "
            "take its positive_part()"
        )
    if radius is None:
        return own
    require(
        radius >= own * (1 - _ROUNDING),
        f"a radius of at least {own:.6g}, the matrix's own",
        radius,
        "the matrix must be one of those it is compared with",
    )
    return radius
