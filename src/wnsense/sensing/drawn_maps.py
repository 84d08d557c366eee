"""Random linear maps of vectors whose columns have a norm of about 1."""

import math

import torch

from wnsense.checks import require
from wnsense.linalg import Place, Rng, random_normal
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.linear_map import (
    DenseMap,
    PartialCosineMap,
    SparseMap,
    require_map_precision,
    require_sides,
)


def gaussian_map(
    M: int, N: int, generator: Rng = None, *, dtype: torch.dtype = torch.float64, device: Place = "cpu"
) -> DenseMap:
    """Draw independent entries N(0, 1 / M), so that columns have a norm of about 1.

    Args:
        M: Number of measurements.
        N: Number of unknowns.
        generator: Source of randomness.
        dtype: float64 or float32.
        device: Device of the map.

    Raises:
        InputError: If a side is not positive, or the dtype is another.
    """
    require_sides(M, N)
    require_map_precision(dtype)
    return DenseMap(random_normal((M, N), generator=generator, dtype=dtype, device=device).div_(math.sqrt(M)))


def partial_cosine_map(
    M: int, N: int, generator: Rng = None, *, dtype: torch.dtype = torch.float64, device: Place = "cpu"
) -> PartialCosineMap:
    """Draw M rows of the orthonormal DCT-II without replacement, times `sqrt(N / M)`: columns have a norm of about 1.

    Args:
        M: Number of measurements, at most N.
        N: Number of unknowns.
        generator: Source of randomness.
        dtype: float64 or float32.
        device: Device of the map.

    Raises:
        InputError: If there are fewer than M rows, or the dtype is another.
    """
    require_sides(M, N)
    require(M <= N, f"at most {N} rows, as many as frequencies", M)
    return PartialCosineMap(draw_distinct(M, N, generator=generator).to(device), N, dtype)


def sparse_map(
    M: int,
    N: int,
    generator: Rng = None,
    *,
    per_column: int = 8,
    dtype: torch.dtype = torch.float64,
    device: Place = "cpu",
) -> SparseMap:
    """Draw signs at `per_column` distinct places of each column, over the root of their number: columns have norm 1.

    Args:
        M: Number of measurements.
        N: Number of unknowns.
        generator: Source of randomness.
        per_column: Number of nonzeros of each column, at most M.
        dtype: float64 or float32.
        device: Device of the map.

    Raises:
        InputError: If a number is out of its range, or the dtype is another.
    """
    require_sides(M, N)
    require_map_precision(dtype)
    require(1 <= per_column <= M, f"between 1 and {M} nonzeros in a column", per_column)
    source = generator.device if generator is not None else torch.device("cpu")
    rows = torch.randint(M, (N, per_column), generator=generator, device=source).sort(-1).values
    # A column with a repeated place is drawn again as a whole, so that every set of places is equally likely.
    while len(again := (rows[:, 1:] == rows[:, :-1]).any(-1).nonzero().squeeze(-1)):
        if per_column**2 > M:
            keys = torch.rand((len(again), M), generator=generator, device=source)
            rows[again] = keys.argsort(-1)[:, :per_column].sort(-1).values
        else:
            drawn = torch.randint(M, (len(again), per_column), generator=generator, device=source)
            rows[again] = drawn.sort(-1).values
    signs = torch.randint(2, (N * per_column,), generator=generator, device=source).to(dtype).mul_(2).sub_(1)
    columns = torch.arange(N, device=source).repeat_interleave(per_column)
    values = signs / math.sqrt(per_column)
    return SparseMap(values.to(device), rows.reshape(-1).to(device), columns.to(device), (M, N))
