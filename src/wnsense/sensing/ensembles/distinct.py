"""Drawing without replacement from ensembles that are too large to be shuffled."""

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

# Up to this many candidates for each number that is drawn, listing them all is cheaper than drawing again.
_LISTED_PER_DRAWN = 16


def draw_distinct(
    count: int,
    limit: int,
    *,
    generator: torch.Generator | None = None,
    accept: Callable[[Tensor], Tensor] | None = None,
) -> Int[Tensor, " count"]:
    """Distinct integers of [0, limit), uniform among the sets of that many, ascending.

    Few of many are drawn one after the other, those that came before being dropped, which is what drawing without
    replacement is; the memory is O(count). Where they are a fair part of all, all are listed and shuffled.

    Args:
        count: How many; no more than are accepted.
        limit: One above the greatest.
        generator: The source of randomness, on the device where the numbers are drawn.
        accept: From integers to whether each may be drawn; all by default. A fair part of all must be.
    """
    device = generator.device if generator is not None else torch.device("cpu")
    if limit <= _LISTED_PER_DRAWN * count:
        listed = torch.arange(limit, device=device)
        listed = listed if accept is None else listed[accept(listed)]
        return listed[torch.randperm(len(listed), generator=generator, device=device)[:count]].sort().values
    chosen = torch.empty(0, dtype=torch.int64, device=device)
    while len(chosen) < count:
        drawn = torch.randint(limit, (2 * count,), generator=generator, device=device)
        drawn = drawn if accept is None else drawn[accept(drawn)]
        chosen = _first_of_each(torch.cat([chosen, drawn]))
    return chosen[:count].sort().values


def _first_of_each(values: Tensor) -> Tensor:
    """The values in their order, each where it stands first."""
    ascending, order = values.sort(stable=True)
    first = torch.ones_like(ascending, dtype=torch.bool)
    first[1:] = ascending[1:] != ascending[:-1]
    return values[order[first].sort().values]
