"""One layout in memory for what a run remembers: rounding depends on it, and a file keeps nothing but the numbers."""

import dataclasses
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

T = TypeVar("T")

# What torch gives to every tensor of its own; linear algebra may take another way through numbers that start elsewhere.
_ALIGNMENT = 64


def canonical(value: T) -> T:
    """The same dataclass with its tensors on the CPU row by row, aligned and not conjugated lazily, as if read back.

    A run that goes on from a file then has before it what the uninterrupted one had, to the last bit of each product.
    """
    given = cast("Any", value)
    changed = {}
    for part in dataclasses.fields(given):
        entry = getattr(value, part.name)
        if isinstance(entry, Tensor):
            new: object = canonical_tensor(entry)
        elif dataclasses.is_dataclass(entry):
            new = canonical(entry)
        else:
            continue
        if new is not entry:
            changed[part.name] = new
    return cast("T", dataclasses.replace(given, **changed)) if changed else value


def canonical_tensor(tensor: Tensor) -> Tensor:
    """The tensor itself where it lies as `canonical` says, a copy that does otherwise."""
    if tensor.device.type != "cpu":
        return tensor
    strides, length = [], 1
    for size in reversed(tensor.shape):
        strides.append(length)
        length *= max(size, 1)
    # Strides of sides of 1 count as well: they decide how a product is passed on.
    in_order = tensor.stride() == tuple(reversed(strides)) and not tensor.is_conj() and not tensor.is_neg()
    if in_order and tensor.data_ptr() % _ALIGNMENT == 0:
        return tensor
    return tensor.clone(memory_format=torch.contiguous_format)
