"""How far from globally optimal a matrix is at most: a dual bound for the convex problem behind a low-rank fit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, svds
from torch import Tensor

from wnsense.checks import InputError, require, require_size
from wnsense.linalg import symmetric_part
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.trust.ball_descent import Descent

# Up to this side all of the gradient is formed: Lanczos needs more vectors than there are.
_DENSE = 32
# The residual of the Ritz vector is added to the bound, so that a loose tolerance costs sharpness, not truth.
_TOLERANCE = 1e-6
_NORM_TOLERANCE = 1e-2
# What a radius may fall short of the matrix's own by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Certificate:
    """A bound on how far a matrix is from the global minimum of a convex problem, with what it rests on.

    Attributes:
        gap: f(Z) - min f is at most this, in units of the squared measurements: f = ||W^{1/2} (M(Z) - y)||^2.
        relative_gap: The same over ||W^{1/2} y||^2.
        objective: f(Z); never below the gap, since f is never negative.
        least_eigenvalue: Of the gradient G = 2 M*(W (M(Z) - y)) where Z is positive semidefinite; -||G||_2 otherwise.
            In either case the steepest descent there is along matrices of nuclear norm 1, with the error of finding
            it taken off; -inf where it was not found.
        radius: The bound on the trace (psd) or the nuclear norm over which the minimum is taken.
        positive: Whether the minimum is over positive semidefinite matrices.
        applications: What finding this cost, of M and M*.
    """

    gap: float
    relative_gap: float
    objective: float
    least_eigenvalue: float
    radius: float
    positive: bool
    applications: int

    def __str__(self) -> str:
        """In words."""
        among = (
            f"positive semidefinite matrices of trace at most {self.radius:.4g}"
            if self.positive
            else f"matrices of nuclear norm at most {self.radius:.4g}"
        )
        return (
            f"Of all {among}, of whatever rank, none leaves a squared residual below "
            f"{max(self.objective - self.gap, 0.0):.3e}; this one leaves {self.objective:.3e}: at most {self.gap:.1e} "
            f"above the best, {self.relative_gap:.1e} of the squared measurements."
        )


def certify(
    problem: Problem,
    matrix: LowRank,
    *,
    radius: float | None = None,
    positive: bool = False,
    steps: int = 100,
    seed: int = 0,
) -> Certificate:
    """Bound how far a matrix is from the best one of any rank, by duality.

    Theorem. Let f(Z) = ||q||^2, q = W^{1/2} (M(Z) - y), G = 2 M*(W (M(Z) - y)) its gradient, and let C be the positive
    semidefinite matrices of trace at most tau, with nu = max(0, -lambda_min(G)); or all matrices of the kind of nuclear
    norm at most tau, with nu = ||G||_2. For any Z in C, with s = (<G, Z> + tau nu) / 2:

        f(Z) - min_C f <= s (2 - s / f(Z)) where s < f(Z), and f(Z) otherwise.

    Proof. For any p and q', ||q'||^2 >= 2 p^T q' - ||p||^2. With p = t q, t >= 0, and q' the residual of any Z' in C,
    f(Z') >= t (<G, Z'> - 2 q^T W^{1/2} y) - t^2 f(Z), and <G, Z'> >= -tau nu over C, whose extreme points are of rank
    one. Since 2 q^T W^{1/2} y = <G, Z> - 2 f(Z), f(Z') >= 2 t (f(Z) - s) - t^2 f(Z), which is largest at
    t = 1 - s / f(Z), or at t = 0 where that is negative. (t = 1 gives the gap 2 s, that of Frank and Wolfe; Jaggi, ICML
    2013.)

    The residual of any other matrix Z'' may take the place of q: f(Z') >= max(0, f(Z'') - s'')^2 / f(Z''). Steps
    towards the minimum over C (`steps` of them) end at a matrix of which that bound is higher, the closer the better;
    how they are made, and how far they get, has no bearing on its truth.

    Where this comes from: Z = Y Y^H with one idle column in Y is rank deficient, and in the direction v of that column
    the curvature of f(Y Y^H) is 2 v^H G v; at a stationary point G Y = 0, hence <G, Z> = 0. There s = tau nu / 2, and a
    second-order point, nu = 0, is a global optimum: the bound of Zhang, Fattahi and Zhang, arXiv 2206.03345, in terms
    of the least eigenvalue and the trace. Here Z need not be stationary: <G, Z> accounts for what is missing.

    Assumed: the least eigenvalue (the norm) that Lanczos converges to from a random vector is the extreme one, as it is
    with probability 1; the norm of its residual is taken off. No law of the measurements is assumed: the bound is about
    f, not about the truth. Under noise the best matrix of any rank fits noise too, so that the gap of a good answer is
    not 0; and its own residual gives no bound at all where noise is small against the matrix, so that steps are needed.

    Args:
        problem: What was measured, with its weights.
        matrix: The matrix, in the user's units.
        radius: tau; by default the nuclear norm of the matrix, its trace where it is positive semidefinite.
        positive: Whether a symmetric or Hermitian matrix is known to be positive semidefinite, as states are; kind psd
            is.
        steps: Towards the minimum over C, for a sharper bound under noise: 3 applications each, of matrices twice as
            wide and more. 0 leaves it at the bound of the matrix's own residual.
        seed: Of the vector that Lanczos starts from.

    Raises:
        InputError: If sizes do not agree, the matrix is not in the set, or positive is said of a rectangular one.
    """
    operator = problem.operator
    require_size("the matrix", matrix.shape, operator.shape)
    require(not matrix.batch, "one matrix", f"a batch of {matrix.batch}")
    require(
        operator.kind.is_symmetric or not positive, "a symmetric or Hermitian kind for positive=True", operator.kind
    )
    positive = positive or operator.kind is Kind.PSD
    radius = _radius(matrix, radius, positive=positive)
    rows = problem.measurements if problem.weights is None else problem.weights.sqrt() * problem.measurements
    size = float(rows.square().sum())
    descent = Descent(problem, radius, positive=positive)
    image = descent.image(matrix)
    objective = descent.objective(image)
    bound, least = _bound(descent, image, seed)
    # What is left of an exact fit is rounding, and its gap is no larger.
    if steps and radius > 0 and objective > torch.finfo(torch.float64).eps * size:
        better, _ = _bound(descent, descent.image(descent.run(matrix, steps, seed)), seed)
        bound = max(bound, better)
    gap = max(objective - bound, 0.0)
    return Certificate(gap, gap / size, objective, least, radius, positive, descent.applications)


def _bound(descent: Descent, image: Tensor, seed: int) -> tuple[float, float]:
    """What f is at least over the set, from what a matrix measures; and the gradient's least eigenvalue there."""
    v, objective = descent.dual(image), descent.objective(image)
    if objective == 0:
        return 0.0, 0.0
    gradient = _Gradient(descent.problem.operator, v)
    least = gradient.least_eigenvalue(seed) if descent.positive else -gradient.norm(seed)
    descent.applications += gradient.applications
    half = (float((v * image).sum()) + descent.radius * max(0.0, -least)) / 2
    share = max(1 - max(half, 0.0) / objective, 0.0)
    return share * share * objective, least


def _radius(matrix: LowRank, radius: float | None, *, positive: bool) -> float:
    """The radius to use, which must not leave the matrix out."""
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


@dataclass
class _Gradient:
    """G = M*(v) by its products with vectors; each is an application."""

    operator: Operator
    v: Tensor
    applications: int = 0

    def times(self, x: np.ndarray) -> np.ndarray:
        self.applications += 1
        return self._array(self.operator.adjoint_times(self.v, self._column(x)))

    def transpose_times(self, x: np.ndarray) -> np.ndarray:
        self.applications += 1
        return self._array(self.operator.adjoint_transpose_times(self.v, self._column(x)))

    def least_eigenvalue(self, seed: int) -> float:
        """Of a symmetric G, from below."""
        m = self.operator.shape[0]
        if m <= _DENSE:
            return float(torch.linalg.eigvalsh(symmetric_part(self._dense()))[0])
        start = self._start(m, seed)
        try:
            norm = float(abs(eigsh(self._linear(self.times), k=1, which="LM", v0=start, tol=_NORM_TOLERANCE)[0][0]))

            def flipped(x: np.ndarray) -> np.ndarray:
                image: np.ndarray = norm * x - self.times(x)
                return image

            # ARPACK's tolerance is relative to the eigenvalue, which is near 0 where the answer is good.
            _, vectors = eigsh(self._linear(flipped), k=1, which="LA", v0=start, tol=self._tolerance())
        except ArpackNoConvergence:
            return -np.inf
        x = vectors[:, 0] / np.linalg.norm(vectors[:, 0])
        image = self.times(x)
        value = float(np.vdot(x, image).real)
        return value - float(np.linalg.norm(image - value * x))

    def norm(self, seed: int) -> float:
        """||G||_2, from above."""
        if min(self.operator.shape) <= _DENSE:
            return float(torch.linalg.matrix_norm(self._dense(), 2))
        try:
            if self.operator.kind.is_symmetric:
                start = self._start(self.operator.shape[0], seed)
                _, vectors = eigsh(self._linear(self.times), k=1, which="LM", v0=start, tol=self._tolerance())
                x = vectors[:, 0] / np.linalg.norm(vectors[:, 0])
                image = self.times(x)
                value = float(np.vdot(x, image).real)
                return abs(value) + float(np.linalg.norm(image - value * x))
            start = self._start(min(self.operator.shape), seed)
            U, _, _ = svds(self._linear(self.times, self.transpose_times), k=1, v0=start, tol=self._tolerance())
        except ArpackNoConvergence:
            return np.inf
        u = U[:, 0] / np.linalg.norm(U[:, 0])
        back = self.transpose_times(u)
        value = float(np.linalg.norm(back))
        # Of the dilation [0 G; G^H 0], whose eigenvalues are the singular values: (u, back / value) is off by this.
        return value + float(np.linalg.norm(self.times(back / value) - value * u)) if value > 0 else 0.0

    def _tolerance(self) -> float:
        """One that products in the operator's precision can meet."""
        return max(_TOLERANCE, 10 * torch.finfo(self.operator.dtype).eps)

    def _linear(
        self,
        times: Callable[[np.ndarray], np.ndarray],
        transpose_times: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> LinearOperator:
        wide = np.complex128 if self.operator.is_complex else np.float64
        return LinearOperator(self.operator.shape, matvec=times, rmatvec=transpose_times, dtype=wide)

    def _dense(self) -> Tensor:
        self.applications += 1
        G = self.operator.adjoint(self.v)
        return G.to(torch.complex128 if self.operator.is_complex else torch.float64)

    def _start(self, length: int, seed: int) -> np.ndarray:
        start: np.ndarray = np.random.default_rng(seed).standard_normal(length)
        return start.astype(np.complex128) if self.operator.is_complex else start

    def _column(self, x: np.ndarray) -> Tensor:
        return torch.as_tensor(x.reshape(-1, 1), device=self.operator.device).to(self.operator.dtype)

    def _array(self, column: Tensor) -> np.ndarray:
        wide = torch.complex128 if self.operator.is_complex else torch.float64
        array: np.ndarray = column.squeeze(-1).to(wide).cpu().numpy()
        return array
