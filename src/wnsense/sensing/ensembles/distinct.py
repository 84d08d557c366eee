"""Draws without replacement from sets that are too large to be shuffled."""

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from wnsense.linalg import Rng

# Up to this many candidates for each number that is drawn, listing them all is cheaper than drawing again.
_LISTED_PER_DRAWN = 16


def draw_distinct(
    count: int, limit: int, *, generator: Rng = None, accept: Callable[[Tensor], Tensor] | None = None
) -> Int[Tensor, " count"]:
    """Draw distinct integers of [0, limit), uniform among the sets of that size, ascending.

    If few of many are drawn, they are drawn one after the other, and repetitions are dropped. That is drawing without
    replacement, and the memory is O(count). If they are a fair part of all, all are listed and shuffled.

    Args:
        count: Number of integers, at most the number of accepted ones.
        limit: Upper end of the range, exclusive.
        generator: Source of randomness, on the device where the numbers are drawn.
        accept: Map from integers to True for those that may be drawn, a fair part of all; all by default.
    """
    device = generator.device if generator is not None else torch.device("cpu")
    if limit <= _LISTED_PER_DRAWN * count:
        listed = torch.arange(limit, device=device)
        listed = listed if accept is None else listed[accept(listed)]
        return listed[torch.randperm(len(listed), generator=generator, device=device)[:count]].sort().values
    distinct = torch.empty(0, dtype=torch.int64, device=device)
    while len(distinct) < count:
        drawn = torch.randint(limit, (2 * count,), generator=generator, device=device)
        drawn = drawn if accept is None else drawn[accept(drawn)]
        distinct = _first_of_each(torch.cat([distinct, drawn]))
    return distinct[:count].sort().values


def _first_of_each(values: Tensor) -> Tensor:
    """Return the values in their order, each at its first place only."""
    ascending, order = values.sort(stable=True)
    first = torch.ones_like(ascending, dtype=torch.bool)
    first[1:] = ascending[1:] != ascending[:-1]
    return values[order[first].sort().values]
