"""Points of two balanced factors without a core: `Z = Y Y^H` or `Z = L Q^H`."""

import torch

from wnsense.checks import require
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State


def require_factorable(objective: SensingObjective, method: str) -> None:
    """Check that the kind can be factored as `Y Y^H` or `L Q^H`.

    Args:
        objective: Objective to minimize.
        method: Name of the method, for the message.

    Raises:
        InputError: If the kind is symmetric, since `Y Y^T` has no negative eigenvalues.
    """
    require(
        objective.kind is not Kind.SYMMETRIC,
        f"kind psd, hermitian (taken as positive semidefinite) or rectangular for {method} on Y Y^H",
        "symmetric",
        "a solver of weight normalization takes it",
    )


def balanced_factors(point: LowRank) -> LowRank:
    """Return the point as `LowRank(Y, I)`, `Y = X |Theta|^{1/2}`; rectangular: `LowRank(L, I, Q)`, `L^H L = Q^H Q`."""
    Z = point.orthonormal()
    root = torch.diagonal(Z.Theta, dim1=-2, dim2=-1).abs().sqrt().unsqueeze(-2)
    identity = torch.eye(Z.width, dtype=Z.dtype, device=Z.X.device).expand_as(Z.Theta)
    return LowRank(Z.X * root, identity, None if Z.Y is None else Z.Y * root)


def factored_start(objective: SensingObjective, point: LowRank, method: str) -> State:
    """Return the first state of a method on balanced factors: `Y = X |Theta|^{1/2}`.

    Args:
        objective: Objective to minimize.
        point: First point.
        method: Name of the method, for the message.

    Raises:
        InputError: If the kind is symmetric.
    """
    require_factorable(objective, method)
    return State(objective.evaluate(balanced_factors(point)), 2)
