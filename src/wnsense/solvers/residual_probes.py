"""Probes: directions of zero magnitude beside a point, which show the directions that the point misses."""

from dataclasses import replace

import torch
from jaxtyping import Inexact
from torch import Tensor

from wnsense.linalg import orthonormal_factor, random_normal, symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import Evaluation

_SEED = 0


def with_probes(point: LowRank, probes: LowRank | None, count: int) -> LowRank:
    """Return the point with a number of probes of zero magnitude, random ones if `probes` is None.

    If there is no room for them, the point itself is returned.
    """
    count = min(count, *(side - point.width for side in point.shape))
    if count <= 0:
        return point
    generator = torch.Generator().manual_seed(_SEED)

    def frame(Q: Inexact[Tensor, "*batch m r"]) -> Inexact[Tensor, "*batch m k"]:
        return random_normal((*Q.shape[:-1], count), generator=generator, dtype=Q.dtype, device=Q.device)

    if probes is None:
        U, V = frame(point.X), None if point.Y is None else frame(point.Y)
    else:
        U, V = probes.X, probes.Y
    U = _outside(point.X, U)
    zero = torch.zeros(*U.shape[:-2], count, count, dtype=U.dtype, device=U.device)
    return point.plus(LowRank(U, zero, None if V is None or point.Y is None else _outside(point.Y, V)))


def without_probes(at: Evaluation, width: int) -> Evaluation:
    """Return the evaluation of a point of this width, from the one with probes.

    `beyond` holds the probes after a step of the power method, `U+ = orth((I - X X^H) R V)` and `V+` likewise, with the
    core `-U+^H R V V^H V+`. Once the probes have converged, this is the dominant part of `-R` outside of the point's
    directions; before, it is smaller.
    """
    Z, R_V = at.point, at.left
    if Z.width == width:
        return at
    X, Y = Z.X[..., :width], None if Z.Y is None else Z.Y[..., :width]
    probed = R_V[..., width:]
    U = _outside(X, probed)
    if at.right is None or Y is None:
        V = U
        beyond = LowRank(U, -symmetric_part((U.mH @ probed) @ (Z.X[..., width:].mH @ U)))
    else:
        V = _outside(Y, at.right[..., width:])
        beyond = LowRank(U, -(U.mH @ probed) @ (Z.right[..., width:].mH @ V), V)
    return replace(
        at,
        point=LowRank(X, Z.Theta[..., :width, :width], Y),
        left=R_V[..., :width],
        right=None if at.right is None else at.right[..., :width],
        beyond=beyond,
    )


def _outside(Q: Inexact[Tensor, "*batch m r"], W: Inexact[Tensor, "*batch m k"]) -> Inexact[Tensor, "*batch m k"]:
    """Return an orthonormal basis of the part of `W` orthogonal to `Q`; it is projected twice against rounding."""
    W = orthonormal_factor(W - Q @ (Q.mH @ W))
    return orthonormal_factor(W - Q @ (Q.mH @ W))
