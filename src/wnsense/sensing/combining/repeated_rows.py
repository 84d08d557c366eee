"""Equivalent problems without repeated rows: proportional rows become one, with the mean of their measurements.

Rows `f_k a` of one group, of weights `w_k`, and their measurements `y_k` give, for every `Z`,

    sum_k w_k (f_k <a, Z> - y_k)^2 = W (<a, Z> - b)^2 + leftover,   W = sum_k w_k f_k^2,   b = sum_k w_k f_k y_k / W.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.linalg import random_normal
from wnsense.sensing import row_reductions
from wnsense.sensing.combining.restriction import operator_of_rows
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import MeasuresEntries, Operator
from wnsense.sensing.problem import Problem
from wnsense.sensing.row_groups import RowGroups, proportional_rows
from wnsense.values import by_value

# Random matrices whose measurements tell rows apart, and their seed. With two, rows would agree by chance in one of
# 1e12 pairs; with three, in one of 1e24.
_PROBES, _SEED = 3, 0


@dataclass(frozen=True)
@by_value
class MergedRows:
    """Problem in which no two rows are known to be proportional.

    A row held out of it has no copy among the fitted ones, and its number of rows counts each only once.

    Attributes:
        problem: Problem with the same minimizers as the given one, of any rank.
        contradiction: Root of the leftover over `||sqrt(w) y||`: the least relative residual that any matrix leaves.
        applications: Applications of the operator that the search for proportional rows took.
    """

    problem: Problem
    contradiction: float
    applications: int = 0


def merge_repeated_rows(problem: Problem) -> MergedRows:
    """Return the problem with one row for each group of proportional rows; itself if there are none.

    Rows of an operator that does not know its groups, and has no law of random rows, are compared by their
    measurements of random matrices. The noise level is replaced by its expected value for independent noise of equal
    variance.
    """
    groups, cost = _groups(problem.operator)
    if groups is None:
        return MergedRows(problem, 0.0, cost)
    y, f = problem.measurements, groups.factors
    w = torch.ones_like(y) if problem.weights is None else problem.weights
    weights = row_reductions.group_sums(w * f.square(), groups.labels, groups.count)
    sums = row_reductions.group_sums(w * f * y, groups.labels, groups.count)
    means = sums / torch.where(weights == 0, 1, weights)
    leftover = row_reductions.norm(w.sqrt() * (y - f * means[groups.labels]))
    size, merged_size = row_reductions.norm(w.sqrt() * y), row_reductions.norm(weights.sqrt() * means)
    level = problem.noise_level
    if level is not None:
        share = row_reductions.count(weights > 0) / row_reductions.count(w > 0)
        level *= math.sqrt(share) * float(size / merged_size)
    is_equal = row_reductions.has_all(weights == weights[0])
    operator = operator_of_rows(problem.operator, groups.leading)
    merged = Problem(operator, means, problem.truth, level, None if is_equal else weights)
    return MergedRows(merged, float(leftover / size), cost)


def _groups(operator: Operator) -> tuple[RowGroups | None, int]:
    """Return the groups of proportional rows, None without any, and the cost in applications."""
    groups = operator.row_groups()
    if groups is not None or operator.second_moment is not None or isinstance(operator, MeasuresEntries):
        return groups, 0
    generator = torch.Generator().manual_seed(_SEED)

    def frame(rows: int) -> Tensor:
        shape = (_PROBES, rows, min(2, *operator.shape))
        return random_normal(shape, generator=generator, dtype=operator.dtype, device=operator.device)

    X = frame(operator.shape[0])
    signs = torch.tensor([1.0, -1.0][: X.shape[-1]], dtype=operator.dtype, device=operator.device)
    Theta = torch.diag(signs).expand(_PROBES, -1, -1)
    matrices = LowRank(X, Theta, None if operator.kind.is_symmetric else frame(operator.shape[1]))
    return proportional_rows(operator.measure(matrices)), _PROBES
