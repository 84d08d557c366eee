"""What can be trained on: loaders of pairs, how long they are, and what their order comes from."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from wnsense.checks import InputError, require

# What gives pairs (inputs, targets) each time that it is passed through: a `DataLoader`, a list, anything like them.
Batches = Iterable[Any]
_RANDOM = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def pair(batch: object, device: torch.device) -> tuple[Tensor, Tensor]:
    """A batch on a device.

    Args:
        batch: What a loader gave.
        device: The model's.

    Raises:
        InputError: When it is not a pair of tensors.
    """
    if isinstance(batch, tuple | list):
        parts = [part for part in batch if isinstance(part, Tensor)]
        if len(batch) == len(parts) == 2:
            inputs, targets = (part.to(device, non_blocking=True) for part in parts)
            return inputs, targets
    came = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
    raise InputError(f"needed batches (inputs, targets) of tensors, got {came}; collate them so (`collate_fn`)")


def batch_count(data: Batches) -> int | None:
    """Batches in a pass; None for a stream, of which nobody knows.

    Raises:
        InputError: When there is none, or when the data can be passed through only once.
    """
    if isinstance(data, Iterator):
        raise InputError(
            f"needed batches that can be passed through again, got {type(data).__name__}; give a loader or a list"
        )
    if isinstance(data, DataLoader) and isinstance(data.dataset, IterableDataset):
        return None
    try:
        count = len(data) if isinstance(data, Sized) else None
    except TypeError:
        # A loader has a length by name even where its data set has none.
        return None
    require(count != 0, "at least one batch", "none")
    return count


def in_order(data: Batches) -> Batches:
    """The same samples in their own order, without a word to the generator of the given loader.

    What has no order of its own to go back to (lists, streams, samplers that are not torch's) comes as it is.
    """
    if not isinstance(data, DataLoader) or isinstance(data.dataset, IterableDataset):
        return data
    if not isinstance(data.dataset, Sized):
        raise InputError("needed a data set with a length, got one without; give it a `__len__`")
    rest = torch.Generator()
    whole = data.sampler if isinstance(data.sampler, BatchSampler) else None
    if whole is not None and data.batch_size is None and data.batch_sampler is None:
        sampler = BatchSampler(_ordered(whole.sampler, data.dataset), whole.batch_size, drop_last=False)
        return DataLoader(data.dataset, batch_size=None, sampler=sampler, collate_fn=data.collate_fn, generator=rest)
    if data.batch_sampler is not None and data.batch_size is None:
        if not isinstance(data.batch_sampler, BatchSampler):
            return data
        inner = data.batch_sampler
        sampler = BatchSampler(_ordered(inner.sampler, data.dataset), inner.batch_size, drop_last=False)
        return DataLoader(data.dataset, batch_sampler=sampler, collate_fn=data.collate_fn, generator=rest)
    return DataLoader(
        data.dataset,
        batch_size=data.batch_size,
        sampler=_ordered(data.sampler, data.dataset),
        collate_fn=data.collate_fn,
        generator=rest,
    )


def order_generator(data: Batches) -> torch.Generator | None:
    """The generator that a loader's order comes from; None where its samples come in their own order.

    Raises:
        InputError: When the order comes from elsewhere, so that a resumed run would not see the same.
    """
    if not isinstance(data, DataLoader) or isinstance(data.dataset, IterableDataset):
        came = "a stream" if isinstance(data, DataLoader) else type(data).__name__
        raise InputError(
            f"needed a DataLoader of a data set with a length for a training that is kept, got {came}; "
            "give one, or train without `checkpoint`"
        )
    own: torch.Generator | None = data.generator
    for sampler in _samplers(data):
        if isinstance(sampler, _RANDOM) and (own is None or sampler.generator is not own):
            raise InputError(
                "needed a loader that shuffles by a generator of its own for a training that is kept, got one without; "
                "give the same torch.Generator to the DataLoader and its sampler, as DataLoader(..., shuffle=True, "
                "generator=torch.Generator().manual_seed(0)) does"
            )
    return own


def _samplers(data: DataLoader[Any]) -> list[object]:
    outer = [data.sampler, data.batch_sampler]
    return [*outer, *(sampler.sampler for sampler in outer if isinstance(sampler, BatchSampler))]


def _ordered(sampler: object, dataset: Sized) -> Iterable[int]:
    return sampler.indices if isinstance(sampler, SubsetRandomSampler) else SequentialSampler(dataset)
