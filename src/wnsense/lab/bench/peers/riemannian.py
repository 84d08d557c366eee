"""Least squares over the matrices of one rank by the Riemannian trust region of pymanopt.

The cost is `f(Z) = ||M(Z) - y||^2 / 2`, its gradient `G = M*(M(Z) - y)`, its second derivative `M*M`. All of them are
computed through the operator, so that no full matrix is formed.
"""

import math
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import require, require_rank, require_size
from wnsense.lab.bench.peers.least_squares import CountedLeastSquares, Sides
from wnsense.lab.bench.peers.peer_result import PeerResult, import_peer
from wnsense.linalg import haar_frame, orthonormal_factor, symmetric_part
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem

Tangent = tuple[Tensor, Tensor, Tensor]

_POWER_STEPS = 20
# Least eigenvalue of the start over its largest: iterates from a start of lower rank, on the border of the manifold,
# would stay there.
_LEAST_SHARE = 0.01


def riemannian_trust_region(
    problem: Problem,
    rank: int,
    *,
    start: LowRank | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 500,
    max_seconds: float = math.inf,
    seed: int = 0,
) -> PeerResult:
    """Fit a matrix of a given rank by pymanopt's `TrustRegions`.

    Positive semidefinite and Hermitian unknowns are `Y Y^H` on `PSDFixedRank` and `PSDFixedRankComplex`; a Hermitian
    unknown must hence be positive semidefinite, such as a state. Real rectangular unknowns are on `FixedRankEmbedded`.
    Its Hessian is not part of pymanopt; the one here is that of Vandereycken, arXiv 1209.3834. pymanopt 2.2.1 forms
    full matrices on that manifold, which limits the size. The units are those in which the start and `y` have norm 1.
    Trust regions are no larger than the start, since larger ones waste the first steps.

    Args:
        problem: Measurements without weights.
        rank: Rank of the manifold and of the answer.
        start: First point, of at least this rank; by default the leading directions of `M*(y)`, by power iterations.
        tolerance: Norm of the Riemannian gradient at which to stop, in the units above.
        max_iterations: Largest number of steps.
        max_seconds: Time limit in seconds, checked between steps.
        seed: Seed of the power iterations.

    Raises:
        InputError: If pymanopt has no manifold for the kind (symmetric and indefinite, or rectangular and complex).
            Also if sizes do not agree, the problem has weights, or pymanopt is not installed.
    """
    _check(problem, rank, start)
    pymanopt = import_peer("pymanopt", "a Riemannian trust region")
    began = time.perf_counter()
    fit = CountedLeastSquares(problem.operator, problem.measurements)
    first = _spectral_start(fit, rank, seed) if start is None else start
    first = _inside_manifold(first.truncate(rank))
    size = float(first.norm())
    require(size > 0, "a start that is not zero", "zero", "the measurements of the start's directions are all zero")
    fit.rescale(size)
    first = first.scaled(1 / size)
    rectangular = problem.operator.kind is Kind.RECTANGULAR
    setup = _embedded(pymanopt, fit, first) if rectangular else _factored(pymanopt, fit, first)
    optimizer = pymanopt.optimizers.TrustRegions(
        max_time=max_seconds, max_iterations=max_iterations, min_gradient_norm=tolerance, verbosity=0
    )
    outcome = optimizer.run(setup.problem, initial_point=setup.start, Delta_bar=setup.radius)
    answer = _matrix(fit, outcome.point).scaled(size).orthonormal()
    return PeerResult(answer, time.perf_counter() - began, fit.applications, str(outcome.stopping_criterion))


def _check(problem: Problem, rank: int, start: LowRank | None) -> None:
    operator = problem.operator
    require(
        operator.kind is not Kind.SYMMETRIC,
        "a kind of psd, hermitian or rectangular",
        operator.kind,
        "pymanopt has no manifold of indefinite symmetric matrices; measure a rectangular one at (i, j) and (j, i)",
    )
    rectangular = operator.kind is Kind.RECTANGULAR
    require(not (rectangular and operator.is_complex), "a real rectangular matrix", operator.dtype)
    require(problem.weights is None, "measurements that count alike", "weights", "multiply rows by their square roots")
    require_rank("the rank", rank, min(operator.shape))
    if start is not None:
        require_size("the start", start.shape, operator.shape)
        require(start.width >= rank, f"a start of rank {rank}", start.width)


@dataclass(frozen=True)
class _TrustRegionSetup:
    """Problem, first point and largest radius for the optimizer of pymanopt."""

    problem: Any
    start: Any
    radius: float


def _factored(pymanopt: ModuleType, fit: CountedLeastSquares, first: LowRank) -> _TrustRegionSetup:
    """Set up `Z = Y Y^H`: gradient `2 G Y`; in direction `D` the Hessian `2 (G D + M*M(Y D^H + D Y^H) Y)`."""
    manifolds = pymanopt.manifolds
    make = manifolds.PSDFixedRankComplex if first.dtype.is_complex else manifolds.PSDFixedRank
    manifold = make(first.shape[0], first.width)

    def residual(Y: np.ndarray) -> Tensor:
        return fit.residual(Y, lambda: _matrix(fit, Y))

    def gradient(Y: np.ndarray) -> Tensor:
        return 2 * fit.gradient(Y, lambda: _matrix(fit, Y))[0]

    def hessian(Y: np.ndarray, D: np.ndarray) -> Tensor:
        factor, direction = fit.tensor(Y), fit.tensor(D)
        turned, _ = fit.adjoint(residual(Y), direction)
        change = LowRank(torch.cat([factor, direction], dim=1), _exchange(factor))
        return 2 * (turned + fit.normal(change, first.width)[0])

    # pymanopt inspects the number of arguments of its functions; lambdas are not wrapped by decorators that change it.
    numpy = pymanopt.function.numpy(manifold)
    problem = pymanopt.Problem(
        manifold,
        numpy(lambda Y: _half_squared(residual(Y))),
        euclidean_gradient=numpy(lambda Y: _array(gradient(Y))),
        euclidean_hessian=numpy(lambda Y, D: _array(hessian(Y, D))),
    )
    Y = first.X * torch.diagonal(first.Theta).sqrt()
    return _TrustRegionSetup(problem, _array(Y), float(torch.linalg.vector_norm(Y)))


def _embedded(pymanopt: ModuleType, fit: CountedLeastSquares, first: LowRank) -> _TrustRegionSetup:
    """Set up `Z = U S V^T`, with tangent vectors `U C V^T + P V^T + U Q^T` for `P` orthogonal to `U`, `Q` to `V`.

    The gradient is the projection of `G`. The Hessian is the projection of `M*M` of the direction plus the curvature of
    the manifold. The curvature adds the projections of `G Q S^-1` to `P` and of `G^T P S^-1` to `Q` (Vandereycken,
    arXiv 1209.3834).
    """
    manifold = pymanopt.manifolds.FixedRankEmbedded(*first.shape, first.width)
    start = (_array(first.X), _array(torch.diagonal(first.Theta)), _array(first.right.mT))
    tangent_vector = type(manifold.zero_vector(start))

    def residual(point: tuple[np.ndarray, ...]) -> Tensor:
        return fit.residual(point[0], lambda: _matrix(fit, point))

    def gradient(point: tuple[np.ndarray, ...]) -> Tangent:
        Z = _matrix(fit, point)
        return _projected(Z, fit.gradient(point[0], lambda: Z))

    def hessian(point: tuple[np.ndarray, ...], direction: tuple[np.ndarray, ...]) -> Tangent:
        Z = _matrix(fit, point)
        U, V, s = Z.X, Z.right, torch.diagonal(Z.Theta)
        P, C, Q = (fit.tensor(part) for part in direction)
        change = LowRank(torch.cat([U, U @ C + P], dim=1), _exchange(U), torch.cat([V, Q], dim=1))
        flat = _projected(Z, fit.normal(change, first.width))
        curved = _projected(Z, fit.adjoint(residual(point), Q, P))
        return flat[0] + curved[0] / s, flat[1], flat[2] + curved[2] / s

    def vector(parts: Tangent) -> object:
        return tangent_vector(*(_array(part) for part in parts))

    numpy = pymanopt.function.numpy(manifold)
    problem = pymanopt.Problem(
        manifold,
        numpy(lambda *point: _half_squared(residual(point))),
        riemannian_gradient=numpy(lambda *point: vector(gradient(point))),
        riemannian_hessian=numpy(lambda *both: vector(hessian(both[:3], both[3:]))),
    )
    return _TrustRegionSetup(problem, start, 1.0)


def _projected(Z: LowRank, sides: Sides) -> Tangent:
    """Return `(P, C, Q)` of the tangent part of a matrix `A` at `U S V^T`, from `A V` and `A^T U`."""
    left, right = sides
    if right is None:
        raise AssertionError("a rectangular operator gives both sides")
    U, V = Z.X, Z.right
    C = U.mT @ left
    return left - U @ C, C, right - V @ (V.mT @ right)


def _matrix(fit: CountedLeastSquares, point: np.ndarray | tuple[np.ndarray, ...]) -> LowRank:
    """Return the matrix that a point of pymanopt represents."""
    if isinstance(point, np.ndarray):
        Y = fit.tensor(point)
        return LowRank(Y, torch.eye(Y.shape[1], dtype=Y.dtype, device=Y.device))
    U, s, Vt = (fit.tensor(part) for part in point)
    return LowRank(U, torch.diag(s), Vt.mT)


def _exchange(factor: Tensor) -> Tensor:
    """Return the core `[[0, I], [I, 0]]` of `A B^H + B A^H` for factors `[A, B]`."""
    k = factor.shape[1]
    return torch.eye(2 * k, dtype=factor.dtype, device=factor.device).roll(k, 0)


def _half_squared(residual: Tensor) -> float:
    return float(residual.square().sum()) / 2


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.cpu().numpy()
    return array


def _spectral_start(fit: CountedLeastSquares, rank: int, seed: int) -> LowRank:
    """Return the leading directions of `M*(y)`, scaled to fit `y` best: the usual start of phase retrieval."""
    operator = fit.operator
    generator = torch.Generator().manual_seed(seed)
    V = haar_frame(operator.shape[1], rank, generator=generator, dtype=operator.dtype, device=operator.device)
    U, symmetric = V, operator.kind.is_symmetric
    for _ in range(_POWER_STEPS):
        U = orthonormal_factor(fit.adjoint(fit.measurements, V)[0])
        V = U if symmetric else orthonormal_factor(_right(fit, U))
    core = U.mH @ fit.adjoint(fit.measurements, V)[0]
    start = LowRank(U, symmetric_part(core)) if symmetric else LowRank(U, core, V)
    start = _inside_manifold(start.orthonormal())
    image = fit.measure(start)
    return start.scaled(float(image @ fit.measurements / image.square().sum()))


def _right(fit: CountedLeastSquares, U: Tensor) -> Tensor:
    fit.applications += 1
    return fit.operator.adjoint_transpose_times(fit.measurements, U)


def _inside_manifold(Z: LowRank) -> LowRank:
    """Return an orthonormal matrix whose eigenvalues are raised to a small positive share of the largest."""
    values = torch.diagonal(Z.Theta).real
    least = _LEAST_SHARE * float(values.abs().max())
    return LowRank(Z.X, torch.diag(values.clamp(min=least)).to(Z.dtype), Z.Y)
