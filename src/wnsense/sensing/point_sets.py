"""Sets of points: their squared distances as a matrix in factors, and points from squared distances."""

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.sensing.low_rank import LowRank


def squared_distances(P: Float[Tensor, "m d"]) -> LowRank:
    """Return `D_ij = |p_i - p_j|^2` in factors.

    The matrix `|p_i|^2 + |p_j|^2 - 2 p_i^T p_j` has rank `d + 2` and eigenvalues of both signs.
    """
    lengths, ones = P.square().sum(1, keepdim=True), P.new_ones((len(P), 1))
    d = P.shape[1]
    Theta = P.new_zeros((d + 2, d + 2))
    Theta[:d, :d] = -2 * torch.eye(d, dtype=P.dtype)
    Theta[d, d + 1] = Theta[d + 1, d] = 1
    return LowRank(torch.cat([P, lengths, ones], dim=1), Theta)


def positions(distances: LowRank, dimension: int) -> Float[Tensor, "m d"]:
    """Return points with these squared distances, up to a motion.

    This is classical scaling, `G = -J D J / 2`, from the factors.
    """
    X = distances.X - distances.X.mean(0)
    gram = LowRank(X, distances.Theta / -2).positive_part().truncate(dimension)
    points: Tensor = gram.X * torch.diagonal(gram.Theta).clamp(min=0).sqrt()
    return points


def moved_onto(P: Float[Tensor, "m d"], target: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
    """Return `P` after the rotation or reflection that brings it closest to the target; both are centred."""
    U, _, Vh = torch.linalg.svd(P.mT @ target)
    moved: Tensor = P @ (U @ Vh)
    return moved
