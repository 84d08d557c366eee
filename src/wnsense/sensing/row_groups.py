"""Groups of proportional rows: measurements of one number, each by a factor of its own."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from wnsense.values import by_value

# Directions are equal up to this power of the rounding error: to 12 digits in double precision and to 5 in single.
_PRECISION = 0.75


@dataclass(frozen=True)
@by_value
class RowGroups:
    """Groups of proportional rows of an operator.

    The first of the largest rows stands for its group. Groups are numbered in the order of these rows.

    Attributes:
        labels: Number of the group of each row, (n,).
        leading: Row that stands for each group, (g,), ascending.
        factors: Factor of each row relative to the one that stands for its group, (n,), at most 1 in magnitude.
    """

    labels: Int[Tensor, " n"]
    leading: Int[Tensor, " g"]
    factors: Float[Tensor, " n"]

    @property
    def count(self) -> int:
        """Number of groups, which is the number of distinct rows."""
        return len(self.leading)

    @property
    def is_leading(self) -> Bool[Tensor, " n"]:
        """True for the rows that stand for their groups."""
        return torch.zeros_like(self.labels, dtype=torch.bool).index_fill_(0, self.leading, value=True)

    def with_copies(self, mask: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Return the mask of all rows of the groups whose leading row is in a mask."""
        return mask[self.leading][self.labels]


def row_groups(keys: Int[Tensor, " n"], factors: Float[Tensor, " n"]) -> RowGroups | None:
    """Return the groups of rows with equal keys, or None if all keys are different.

    Args:
        keys: Key of each row, (n,).
        factors: Factor of each row, (n,): rows of one key are proportional to their factors.
    """
    if bool((keys[1:] > keys[:-1]).all()):
        return None
    values, labels = torch.unique(keys, return_inverse=True)
    if len(values) == len(keys):
        return None
    largest_first = factors.abs().argsort(descending=True, stable=True)
    by_label = largest_first[labels[largest_first].argsort(stable=True)]
    is_first = torch.ones_like(by_label, dtype=torch.bool)
    is_first[1:] = labels[by_label[1:]] != labels[by_label[:-1]]
    leading, order = by_label[is_first].sort()
    labels = order.argsort()[labels]
    largest = factors[leading][labels]
    # Rows that measure nothing are equal.
    return RowGroups(labels, leading, torch.where(largest == 0, 1, factors / torch.where(largest == 0, 1, largest)))


def proportional_rows(images: Float[Tensor, "k n"]) -> RowGroups | None:
    """Return the groups of rows that are proportional in the measurements of a few random matrices, None without any.

    Other rows agree in three random measurements with a probability of about the squared tolerance.

    Args:
        images: Measurements of `k` random matrices.
    """
    sizes = torch.linalg.vector_norm(images, dim=0)
    strongest = images.gather(0, images.abs().argmax(0, keepdim=True)).squeeze(0)
    factors = torch.where(strongest < 0, -sizes, sizes)
    directions = images / torch.where(sizes == 0, 1, factors)
    order = directions[0].argsort(stable=True)
    steps = (directions[:, order[1:]] - directions[:, order[:-1]]).abs().amax(0)
    begins = torch.cat([steps.new_ones(1, dtype=torch.bool), steps > torch.finfo(images.dtype).eps ** _PRECISION])
    keys = torch.empty_like(order)
    keys[order] = begins.cumsum(0)
    return row_groups(keys, factors)
