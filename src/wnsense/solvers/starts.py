"""Where a run begins."""

import math

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require_rank
from wnsense.linalg import haar_frame, random_normal
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.subspace import Products, dominant_part

# Columns beyond the rank, which make the power method converge on the ones asked for.
_OVERSAMPLING = 4


def haar_start(
    objective: SensingObjective,
    rank: int,
    *,
    magnitude: float = 0.1,
    batch: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
) -> LowRank:
    """A random frame with a small multiple of the identity: X_0 Haar on the Stiefel manifold, Theta_0 = magnitude I.

    For indefinite kinds every second sign is negative, since a direction whose Theta has the wrong sign waits until it
    has crossed zero. From Theta_0 = 0 no direction would move at all.

    Args:
        objective: What will be minimized; the point is in its scaled units.
        rank: r, the working rank.
        magnitude: The size of Theta_0's eigenvalues, against 1 for the answer's largest.
        batch: How many starts at once.
        generator: The source of randomness.

    Raises:
        InputError: If the rank is out of range.
    """
    operator = objective.problem.operator
    m1, m2 = operator.shape
    require_rank("the working rank", rank, min(m1, m2))

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
    generator: torch.Generator | None = None,
) -> LowRank:
    """Y Y^H or L Q^H of small Gaussian factors, Y = alpha G with E |G_ij|^2 = 1/m and alpha^2 = magnitude.

    Where ScaledGD(lambda) (arXiv 2302.01186) and AGN (Jia and others, NeurIPS 2024) begin. What the surplus directions
    are left with at the end depends on the magnitude.

    Args:
        objective: What will be minimized; the point is in its scaled units.
        rank: r, the working rank.
        magnitude: alpha^2, against 1 for the answer's largest singular value.
        batch: How many starts at once.
        generator: The source of randomness.

    Raises:
        InputError: If the rank is out of range.
    """
    operator = objective.problem.operator
    m1, m2 = operator.shape
    require_rank("the working rank", rank, min(m1, m2))

    def factor(rows: int) -> Inexact[Tensor, "*batch m r"]:
        shape = (*batch, rows, rank)
        G = random_normal(shape, generator=generator, dtype=operator.dtype, device=operator.device)
        return G / math.sqrt(rows)

    Theta = magnitude * torch.eye(rank, dtype=operator.dtype, device=operator.device).expand(*batch, rank, rank)
    return LowRank(factor(m1), Theta, None if objective.kind.is_symmetric else factor(m2))


def spectral_start(
    objective: SensingObjective, rank: int, *, power_steps: int = 10, generator: torch.Generator | None = None
) -> tuple[LowRank, int]:
    """The best approximation of rank r of the back-projected measurements, (T D M)*(T D y/s), and its cost.

    Where ScaledGD (arXiv 2005.08898), RISRO (arXiv 2011.08360), PrecGD (arXiv 2206.03345) and MiFGD (arXiv 2104.07006)
    begin; for kind psd without its negative part. By subspace iteration from a random block.

    Args:
        objective: What will be minimized; the point is in its scaled units.
        rank: r, the working rank.
        power_steps: Steps of subspace iteration; each costs one application of M*, two for rectangular unknowns.
        generator: The source of randomness.

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
    found = dominant_part(B, V, power_steps)
    if objective.kind is Kind.PSD:
        found = found.positive_part()
    return found.truncate(rank), B.cost(power_steps)
