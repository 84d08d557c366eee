"""Canonical memory layout for states of a run: rounding depends on the layout, and a file holds only the numbers."""

import dataclasses
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

T = TypeVar("T")

# Alignment in bytes of every tensor that torch allocates. Linear algebra may round differently for other alignments.
_ALIGNMENT = 64


def canonical(value: T) -> T:
    """Return the dataclass with its CPU tensors contiguous, aligned and without lazy conjugation, as read from a file.

    A run that is resumed from a file then computes each product from the same memory layout, hence bit for bit.
    """
    source = cast("Any", value)
    changed = {}
    for part in dataclasses.fields(source):
        entry = getattr(value, part.name)
        if isinstance(entry, Tensor):
            new: object = canonical_tensor(entry)
        elif dataclasses.is_dataclass(entry):
            new = canonical(entry)
        else:
            continue
        if new is not entry:
            changed[part.name] = new
    return cast("T", dataclasses.replace(source, **changed)) if changed else value


def canonical_tensor(tensor: Tensor) -> Tensor:
    """Return the tensor itself if its layout is canonical, otherwise a copy that is."""
    if tensor.device.type != "cpu":
        return tensor
    strides, length = [], 1
    for size in reversed(tensor.shape):
        strides.append(length)
        length *= max(size, 1)
    # Strides of sides of length 1 count as well: they decide how a product is passed to the linear algebra library.
    in_order = tensor.stride() == tuple(reversed(strides)) and not tensor.is_conj() and not tensor.is_neg()
    if in_order and tensor.data_ptr() % _ALIGNMENT == 0:
        return tensor
    return tensor.clone(memory_format=torch.contiguous_format)
