"""Points held by two balanced factors and nothing between them: Z = Y Y^H, or Z = L Q^H."""

import torch

from wnsense.checks import require
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective


def require_factorable(objective: SensingObjective, method: str) -> None:
    """Refuse the kind that Y Y^H cannot hold.

    Args:
        objective: What is to be minimized.
        method: Who asks, for the message.

    Raises:
        InputError: For kind symmetric, since Y Y^T has no negative eigenvalues.
    """
    require(
        objective.kind is not Kind.SYMMETRIC,
        f"kind psd, hermitian (taken as positive semidefinite) or rectangular for {method} on Y Y^H",
        "symmetric",
        "a solver of weight normalization takes it",
    )


def balanced_factors(point: LowRank) -> LowRank:
    """The point as LowRank(Y, I) with Y = X |Theta|^{1/2}; as LowRank(L, I, Q) with L^H L = Q^H Q when rectangular."""
    Z = point.orthonormal()
    root = torch.diagonal(Z.Theta, dim1=-2, dim2=-1).abs().sqrt().unsqueeze(-2)
    identity = torch.eye(Z.width, dtype=Z.dtype, device=Z.device).expand_as(Z.Theta)
    return LowRank(Z.X * root, identity, None if Z.Y is None else Z.Y * root)
