"""Equivalent problems without repeated rows: proportional rows become one, with the mean of their measurements.

Rows `f_k a` of one group, of weights `w_k`, and their measurements `y_k` give, for every `Z`,

    sum_k w_k (f_k <a, Z> - y_k)^2 = W (<a, Z> - b)^2 + leftover,   W = sum_k w_k f_k^2,   b = sum_k w_k f_k y_k / W.
"""

import math
from dataclasses import dataclass

import torch

from wnsense.sensing import row_reductions
from wnsense.sensing.combining.restriction import operator_of_rows
from wnsense.sensing.problem import Problem


@dataclass(frozen=True)
class MergedRows:
    """Problem in which no two rows are known to be proportional.

    A row held out of it has no copy among the fitted ones, and its number of rows counts each only once.

    Attributes:
        problem: Problem with the same minimizers as the given one, of any rank.
        contradiction: Root of the leftover over `||sqrt(w) y||`: the least relative residual that any matrix leaves.
    """

    problem: Problem
    contradiction: float


def merge_repeated_rows(problem: Problem) -> MergedRows:
    """Return the problem with one row for each group of proportional rows; itself if there are none.

    The noise level is replaced by its expected value for independent noise of equal variance.
    """
    groups = problem.operator.row_groups()
    if groups is None:
        return MergedRows(problem, 0.0)
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
    return MergedRows(merged, float(leftover / size))
