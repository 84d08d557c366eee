"""Batches to train on: pairs on a device, length of a pass, own order, and generator of a random order."""

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

# Iterable of pairs (inputs, targets) that can be iterated again: a `DataLoader`, a list, or anything like them.
Batches = Iterable[Any]
_RANDOM = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def pair(batch: object, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of a batch on a device.

    Args:
        batch: Batch of a loader.
        device: Device of the model.

    Raises:
        InputError: If it is not a pair of tensors.
    """
    if isinstance(batch, tuple | list):
        parts = [part for part in batch if isinstance(part, Tensor)]
        if len(batch) == len(parts) == 2:
            inputs, targets = (part.to(device, non_blocking=True) for part in parts)
            return inputs, targets
    came = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
    raise InputError(
        f"needed batches (inputs, targets) of tensors, got {came}; collate them so (`collate_fn`), or wrap the loader"
    )


def batch_count(data: Batches) -> int | None:
    """Return the number of batches in a pass, None for a stream, whose length is not known.

    Raises:
        InputError: If there is no batch, or the data can be iterated only once.
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
        # A loader has `__len__` even if its data set has none.
        return None
    require(count != 0, "at least one batch", "none")
    return count


def in_order(data: Batches) -> Batches:
    """Return a loader of the same samples in the order of the data set. The given loader's generator is not used.

    Lists, streams and loaders with samplers that are not torch's are returned unchanged.
    """
    if not isinstance(data, DataLoader) or isinstance(data.dataset, IterableDataset):
        return data
    if not isinstance(data.dataset, Sized):
        raise InputError("needed a data set with a length, got one without; give it a `__len__`")
    unused = torch.Generator()
    whole = data.sampler if isinstance(data.sampler, BatchSampler) else None
    if whole is not None and data.batch_size is None and data.batch_sampler is None:
        sampler = BatchSampler(_ordered(whole.sampler, data.dataset), whole.batch_size, drop_last=False)
        return DataLoader(data.dataset, batch_size=None, sampler=sampler, collate_fn=data.collate_fn, generator=unused)
    if data.batch_sampler is not None and data.batch_size is None:
        if not isinstance(data.batch_sampler, BatchSampler):
            return data
        inner = data.batch_sampler
        sampler = BatchSampler(_ordered(inner.sampler, data.dataset), inner.batch_size, drop_last=False)
        return DataLoader(data.dataset, batch_sampler=sampler, collate_fn=data.collate_fn, generator=unused)
    return DataLoader(
        data.dataset,
        batch_size=data.batch_size,
        sampler=_ordered(data.sampler, data.dataset),
        collate_fn=data.collate_fn,
        generator=unused,
    )


def order_generator(data: Batches) -> torch.Generator | None:
    """Return the generator of a loader's random order, None for the order of the data set.

    Raises:
        InputError: If the order comes from another source, so that a resumed run would get another order.
    """
    if not isinstance(data, DataLoader) or isinstance(data.dataset, IterableDataset):
        came = "a stream" if isinstance(data, DataLoader) else type(data).__name__
        raise InputError(
            f"needed a DataLoader of a data set with a length for a training with checkpoints, got {came}; "
            "give one, or train without `checkpoint`"
        )
    own: torch.Generator | None = data.generator
    for sampler in _samplers(data):
        if isinstance(sampler, _RANDOM) and (own is None or sampler.generator is not own):
            raise InputError(
                "needed a loader that shuffles by a generator of its own for a training with checkpoints, got one "
                "without; give the same torch.Generator to the DataLoader and its sampler, as "
                "DataLoader(..., shuffle=True, generator=torch.Generator().manual_seed(0)) does"
            )
    return own


def _samplers(data: DataLoader[Any]) -> list[object]:
    outer = [data.sampler, data.batch_sampler]
    return [*outer, *(sampler.sampler for sampler in outer if isinstance(sampler, BatchSampler))]


def _ordered(sampler: object, dataset: Sized) -> Iterable[int]:
    return sampler.indices if isinstance(sampler, SubsetRandomSampler) else SequentialSampler(dataset)
