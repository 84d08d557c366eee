"""Equivalent problems with rows of one size: each row and its measurement over the norm of the row.

An exact answer solves `M(Z) = y` however its rows are scaled, and least squares reaches it fastest with rows of one
size. A noisy answer depends on the weights. Rows of one size suit errors in proportion to the sizes of the rows, as
from sensors that measure in different units.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.linalg import random_normal
from wnsense.sensing import row_reductions
from wnsense.sensing.combining.measurement_maps import scaled_rows
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem

# Share of the rows that least squares uses in effect, below which sizes count as unequal. Sizes spread evenly over 1.5
# decades have 0.29. Squared lengths of vectors of `m` normal numbers have about `m / (m + 8)`.
_LEAST_SHARE = 0.3
# The same for measurements, where the norms of rows are not known. Normal ones have 1/3, their squares 0.09, and normal
# ones in units that spread over two decades 0.07.
_LEAST_SHARE_OF_MEASUREMENTS = 0.07
# Norms that differ by less than this share need no scaling.
_ALIKE = 1e-3
# Random matrices that measure norms of rows; the norms are right to a quarter.
_PROBES = 8
_PROBE_RANK = 8


@dataclass(frozen=True)
class EqualRows:
    """Problem whose rows have one size, made of a problem whose rows have not.

    Attributes:
        problem: Problem with the same exact answers. Its weights do not contain the user's.
        sizes: Sizes by which rows and measurements were divided, (n,).
        ratio: Ratio of the largest to the smallest weighted size.
        applications: Applications that the sizes took.
    """

    problem: Problem
    sizes: Float[Tensor, " n"]
    ratio: float
    applications: int


def equal_rows(problem: Problem, *, has_weights: bool, seed: int) -> EqualRows | None:
    """Return the problem with rows of one size, or None if the weighted rows have about one size already.

    Args:
        problem: Problem, whose weights are the user's or count repetitions.
        has_weights: True if the weights are the user's.
        seed: Seed of the probes, where the norms of the rows are not known.
    """
    weights = torch.ones_like(problem.measurements) if problem.weights is None else problem.weights
    root = weights.sqrt()
    norms, applications = _norms(problem, root, seed)
    if norms is None:
        return None
    # A row that measures nothing keeps its measurement, in the unit of the others.
    norms = norms.clamp(min=row_reductions.largest(norms) * torch.finfo(norms.dtype).eps)
    weighted = root * norms
    if effective_share(weighted) >= _LEAST_SHARE:
        return None
    used = weighted[weighted > 0]
    ratio = row_reductions.largest(used) / row_reductions.smallest(used)
    counted = (weights > 0).to(weights) if has_weights else weights
    is_one = row_reductions.has_all(counted == 1)
    operator = problem.operator
    if row_reductions.smallest(norms) < (1 - _ALIKE) * row_reductions.largest(norms):
        operator = scaled_rows(operator, 1 / norms)
    else:
        norms = torch.ones_like(norms)
    equal = Problem(operator, problem.measurements / norms, problem.truth, None, None if is_one else counted)
    return EqualRows(equal, norms, ratio, applications)


def effective_share(sizes: Float[Tensor, " n"]) -> float:
    """Return the share of the rows that least squares uses in effect: Kish's effective sample size over the number.

    The influence of a row on least squares is its squared size. The source is Kish, Survey Sampling, 1965.
    """
    count = row_reductions.count(sizes > 0)
    if count == 0:
        return 1.0
    relative = sizes / row_reductions.largest(sizes)
    total = float(row_reductions.squared_norm(relative))
    return total * total / (count * float(row_reductions.squared_norm(relative.square())))


def _norms(problem: Problem, root: Tensor, seed: int) -> tuple[Tensor | None, int]:
    """Return the norms of the rows, or None if all show one size, and the applications that they took."""
    operator = problem.operator
    if operator.second_moment is not None:
        # The rows of a declared law have one size.
        return torch.ones_like(problem.measurements), 0
    norms = operator.row_norms()
    if norms is not None:
        return norms, 0
    if effective_share((root * problem.measurements).abs()) >= _LEAST_SHARE_OF_MEASUREMENTS:
        return None, 0
    return _probed_norms(operator, seed), _PROBES


def _probed_norms(operator: Operator, seed: int) -> Tensor:
    """Return estimates of the norms of the rows up to a common factor, from random matrices."""
    generator = torch.Generator().manual_seed(seed)
    rank = min(_PROBE_RANK, *operator.shape)

    def factor(side: int) -> Tensor:
        return random_normal((_PROBES, side, rank), generator=generator, dtype=operator.dtype, device=operator.device)

    signs = torch.ones(rank, dtype=operator.dtype, device=operator.device)
    signs[1::2] = -1
    right = None if operator.kind.is_symmetric else factor(operator.shape[1])
    probes = LowRank(factor(operator.shape[0]), torch.diag(signs).expand(_PROBES, rank, rank), right)
    return operator.measure(probes).square().mean(0).sqrt()
