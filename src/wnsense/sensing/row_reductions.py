"""Reductions over rows: norms, sums, counts, quantiles, ranks and draws of measurement vectors.

Each function turns vectors with one entry for each row, (..., n), into few numbers, or draws among all rows. Recovery
uses no other ones. If rows are distributed over several devices, only these functions must exchange numbers.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def norm(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Return the Euclidean norm."""
    size: Tensor = torch.linalg.vector_norm(values, dim=-1)
    return size


def squared_norm(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Return the sum of squares."""
    return values.square().sum(-1)


def inner(a: Float[Tensor, "*batch n"], b: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Return the inner product."""
    return (a * b).sum(-1)


def component(values: Float[Tensor, "*batch n"], direction: Float[Tensor, " n"]) -> Float[Tensor, "*batch"]:
    """Return the inner product of each vector of a batch with one direction."""
    return values @ direction


def mean(values: Float[Tensor, " n"]) -> float:
    """Return the mean."""
    return float(values.mean())


def deviation(values: Float[Tensor, " n"]) -> float:
    """Return the standard deviation of a sample of at least 2 rows."""
    return float(values.std(unbiased=True))


def root_mean_square(values: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Return the root of the mean of squares."""
    return values.square().mean().sqrt()


def smallest(values: Float[Tensor, " n"]) -> float:
    """Return the smallest value."""
    return float(values.min())


def median(values: Float[Tensor, " n"]) -> float:
    """Return the median, the lower one of two."""
    return float(values.median())


def largest(values: Float[Tensor, " n"]) -> float:
    """Return the largest value."""
    return float(values.max())


def count(mask: Bool[Tensor, " n"]) -> int:
    """Return the number of rows of a mask."""
    return int(mask.sum())


def has_any(mask: Bool[Tensor, " n"]) -> bool:
    """Return True if a mask has at least one row."""
    return bool(mask.any())


def has_all(mask: Bool[Tensor, " n"]) -> bool:
    """Return True if a mask has all rows."""
    return bool(mask.all())


def group_sums(values: Float[Tensor, " n"], labels: Int[Tensor, " n"], groups: int) -> Float[Tensor, " g"]:
    """Return the sum over each group of rows, in the same order of addition on all devices."""
    sums = torch.zeros(groups, dtype=values.dtype).index_add_(0, labels.cpu(), values.cpu())
    return sums.to(values.device)


def least_squares(columns: Float[Tensor, "n k"], values: Float[Tensor, " n"]) -> Float[Tensor, " k"]:
    """Return the coefficients of a few columns that fit the values best."""
    coefficients: Tensor = torch.linalg.lstsq(columns, values.unsqueeze(-1), driver="gelsd").solution
    return coefficients.squeeze(-1)


def rank_correlation(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> float:
    """Return Spearman's rank correlation, 0 if all values of a vector are equal."""
    # scipy.stats takes half a second to import.
    from scipy.stats import rankdata

    ranks = torch.stack([torch.from_numpy(rankdata(v.cpu().numpy())) for v in (a, b)])
    ranks = ranks - ranks.mean(-1, keepdim=True)
    norms = norm(ranks).prod()
    return float(ranks.prod(0).sum() / norms) if norms > 0 else 0.0


def drawn(candidates: Bool[Tensor, " n"], size: int, seed: int) -> Bool[Tensor, " n"]:
    """Return the mask of some rows, drawn from a seed among the candidates; it is the same on all devices."""
    rows = torch.nonzero(candidates).flatten().cpu()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros_like(candidates)
    mask[rows[order[:size]].to(candidates.device)] = True
    return mask


def coins(count: int, generator: torch.Generator) -> Int[Tensor, " n"]:
    """Return 0 or 1 at random for each row; they are the same on all devices."""
    return torch.randint(0, 2, (count,), generator=generator)
