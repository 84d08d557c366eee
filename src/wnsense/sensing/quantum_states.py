"""Density matrices of low rank: fidelity and the nearest state."""

import torch
from jaxtyping import Complex
from torch import Tensor

from wnsense.sensing.low_rank import LowRank


def fidelity(state: LowRank, truth: LowRank) -> float:
    """Return the fidelity `(Tr sqrt(sqrt(rho) sigma sqrt(rho)))^2` of two states of low rank, through their factors.

    The square root of the fidelity is the sum of the singular values of `A^H B` for `rho = A A^H`, `sigma = B B^H`.
    """
    A, B = (_root(Z) for Z in (state, truth))
    return float(torch.linalg.svdvals(A.mH @ B).sum() ** 2)


def _root(Z: LowRank) -> Complex[Tensor, "d r"]:
    Z = Z.orthonormal()
    return Z.X * torch.diagonal(Z.Theta).real.clamp(min=0).sqrt().to(Z.dtype)


def nearest_state(matrix: LowRank) -> LowRank:
    """Return the state closest to a Hermitian matrix in the Frobenius norm.

    Its eigenvalues are those of the matrix, projected onto the simplex.
    """
    Z = matrix.orthonormal()
    values = torch.diagonal(Z.Theta).real
    falling = values.sort(descending=True).values
    means = (falling.cumsum(0) - 1) / torch.arange(1, len(values) + 1, dtype=values.dtype)
    rank = int((falling > means).sum())
    projected = (values - means[rank - 1]).clamp(min=0)
    return LowRank(Z.X, torch.diag(projected).to(Z.dtype))
