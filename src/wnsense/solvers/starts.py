"""Where a run begins."""

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.checks import require_rank
from wnsense.linalg import haar_frame
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective


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
        InputError: When the rank is out of range.
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
