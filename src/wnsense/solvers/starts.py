"""First points of a run."""

import math

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require_rank
from wnsense.linalg import Rng, haar_frame, random_normal
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.subspace import Products, dominant_part

# Surplus columns, which make the power method converge on the requested ones.
_OVERSAMPLING = 4


def haar_start(
    objective: SensingObjective,
    rank: int,
    *,
    magnitude: float = 0.1,
    batch: tuple[int, ...] = (),
    generator: Rng = None,
) -> LowRank:
    """Return a random frame and a small core: `X_0` Haar on the Stiefel manifold, `Theta_0 = magnitude I`.

    For indefinite kinds every second sign is negative, since an eigenvalue of `Theta` with the wrong sign delays its
    direction until it has crossed zero. From `Theta_0 = 0` no direction would move.

    Args:
        objective: Objective; the point is in its scaled units.
        rank: Working rank r.
        magnitude: Size of the eigenvalues of `Theta_0`, relative to the answer's largest.
        batch: Batch shape of the starts.
        generator: Random generator.

    Raises:
        InputError: If the rank is out of range.
    """
    operator = objective.problem.operator
    m1, m2 = _checked_sides(objective, rank)

    def frame(rows: int) -> Inexact[Tensor, "*batch m r"]:
        return haar_frame(rows, rank, batch=batch, generator=generator, dtype=operator.dtype, device=operator.device)

    X = frame(m1)
    signs: Float[Tensor, " r"] = torch.ones(rank, dtype=operator.real_dtype)
    if objective.kind in {Kind.SYMMETRIC, Kind.HERMITIAN}:
        signs[1::2] = -1
    Theta = torch.diag(magnitude * signs).to(device=operator.device, dtype=operator.dtype).expand(*batch, rank, rank)
    return LowRank(X, Theta.clone(), None if objective.kind.is_symmetric else frame(m2))


def gaussian_start(
    objective: SensingObjective,
    rank: int,
    *,
    magnitude: float = 1e-6,
    batch: tuple[int, ...] = (),
    generator: Rng = None,
) -> LowRank:
    """Return `Y Y^H` or `L Q^H` of small Gaussian factors, `Y = alpha G`, `E |G_ij|^2 = 1/m`, `alpha^2 = magnitude`.

    This is the start of ScaledGD(lambda) (arXiv 2302.01186) and of AGN (Jia and others, NeurIPS 2024). The final size
    of surplus directions depends on the magnitude.

    Args:
        objective: See `haar_start`.
        rank: See `haar_start`.
        magnitude: Size `alpha^2`, relative to the answer's largest singular value.
        batch: See `haar_start`.
        generator: See `haar_start`.
    """
    operator = objective.problem.operator
    m1, m2 = _checked_sides(objective, rank)

    def factor(rows: int) -> Inexact[Tensor, "*batch m r"]:
        shape = (*batch, rows, rank)
        G = random_normal(shape, generator=generator, dtype=operator.dtype, device=operator.device)
        return G / math.sqrt(rows)

    Theta = magnitude * torch.eye(rank, dtype=operator.dtype, device=operator.device).expand(*batch, rank, rank)
    return LowRank(factor(m1), Theta, None if objective.kind.is_symmetric else factor(m2))


def spectral_start(
    objective: SensingObjective, rank: int, *, power_steps: int = 10, generator: Rng = None
) -> tuple[LowRank, int]:
    """Return the best rank-r approximation of the back-projected measurements `(T D M)*(T D y/s)`, and its cost.

    This is the start of ScaledGD (arXiv 2005.08898), RISRO (arXiv 2011.08360), PrecGD (arXiv 2206.03345) and MiFGD
    (arXiv 2104.07006). For kind psd the negative part is left out. It is computed by subspace iteration from a random
    block.

    Args:
        objective: Objective; the point is in its scaled units.
        rank: Working rank r.
        power_steps: Steps of subspace iteration; each takes one application of `M*`, two for rectangular unknowns.
        generator: Random generator.

    Returns:
        The point, in orthonormal form, and the number of applications.

    Raises:
        InputError: If the rank is out of range.
    """
    operator, calibration = objective.problem.operator, objective.calibration
    require_rank("the working rank", rank, min(operator.shape))
    v = calibration.balance_transpose(calibration.balance(objective.target))
    B = Products(lambda V: operator.adjoint_times(v, V))
    if not objective.kind.is_symmetric:
        B = Products(B.times, lambda U: operator.adjoint_transpose_times(v, U))
    shape = (operator.shape[1], min(rank + _OVERSAMPLING, *operator.shape))
    V = random_normal(shape, generator=generator, dtype=operator.dtype, device=operator.device)
    point = dominant_part(B, V, power_steps)
    if objective.kind is Kind.PSD:
        point = point.positive_part()
    return point.truncate(rank), B.cost(power_steps)


def _checked_sides(objective: SensingObjective, rank: int) -> tuple[int, int]:
    """Return the sides of the unknown, after a check of the rank against them."""
    m1, m2 = objective.problem.operator.shape
    require_rank("the working rank", rank, min(m1, m2))
    return m1, m2
