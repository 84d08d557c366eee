"""Random arrays and points, drawn by seeded generators."""

import torch
from torch import Tensor

from cases.flavors import Flavor
from wnsense.sensing.low_rank import LowRank


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, dtype: torch.dtype = torch.float64, rng: torch.Generator | None = None) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=rng or generator())


def hermitian(A: Tensor) -> Tensor:
    return (A + A.mH) / 2


def random_point(
    flavor: Flavor,
    shape: tuple[int, int],
    rank: int,
    *,
    batch: tuple[int, ...] = (),
    dtype: torch.dtype = torch.float64,
    rng: torch.Generator | None = None,
) -> LowRank:
    """Factors of independent normal entries, not orthonormal."""
    rng = rng or generator()
    dtype = flavor.dtype(dtype)
    X = normal(*batch, shape[0], rank, dtype=dtype, rng=rng)
    Theta = normal(*batch, rank, rank, dtype=dtype, rng=rng)
    if flavor.kind.is_symmetric:
        return LowRank(X, hermitian(Theta))
    return LowRank(X, Theta, normal(*batch, shape[1], rank, dtype=dtype, rng=rng))


def outer(a: Tensor) -> Tensor:
    return torch.einsum("ni,nj->nij", a, a.conj())
