"""Equality, hash and short text of values that hold tensors and arrays.

The methods that `dataclass` makes compare tensors by `==`, which raises, and print every number.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import singledispatch
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import size_text

C = TypeVar("C", bound=type)

# Longest texts in characters, and largest number of items of a container, in the text of a value.
_LONGEST_ITEM, _LONGEST_FIELD, _MOST_ITEMS = 60, 150, 4
# Largest number of lines, so that a value fits a terminal of 24 lines.
_MOST_LINES = 20


def by_value(cls: C) -> C:
    """Give a class equality by value, a hash and a short text, below `@dataclass`; its own methods stay.

    Two values are equal if they are of one class and their fields are equal. Tensors and arrays are equal if they have
    the same shape, dtype and numbers; the device does not matter, and NaN equals NaN. The hash uses no numbers of
    tensors. The text is that of `str` if the class has one, and otherwise the fields, each tensor by its shape.
    """
    for name, method in (("__eq__", _equals), ("__hash__", _hash), ("__repr__", _text)):
        if name not in cls.__dict__:
            setattr(cls, name, method)
    return cls


def same(a: object, b: object) -> bool:
    """Return True if two values are equal, with tensors, arrays and containers of them compared by their numbers."""
    if a is b:
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return _same_tensors(a, b)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if type(a) is not type(b):
        return False
    if isinstance(a, Mapping | list | tuple):
        return _same_items(a, b)
    return bool(a == b) or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def _same_items(a: object, b: object) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return False


def _same_tensors(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype or a.layout != b.layout:
        return False
    if a.layout is not torch.strided:
        a, b = a.to_sparse().coalesce(), b.to_sparse().coalesce()
        return _same_tensors(a.indices(), b.indices()) and _same_tensors(a.values(), b.values())
    a, b = a.detach(), b.detach().to(a.device)
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _equals(self: object, other: object) -> object:
    """Return True if the other value has the same class and equal fields; NotImplemented for another class."""
    if type(self) is not type(other):
        return NotImplemented
    if not dataclasses.is_dataclass(self):
        return self is other
    return all(
        same(getattr(self, field.name), getattr(other, field.name))
        for field in dataclasses.fields(self)
        if field.compare
    )


def _hash(self: object) -> int:
    """Return a hash that equal values share."""
    if not dataclasses.is_dataclass(self):
        return id(self)
    return hash((type(self), *(_key(getattr(self, field.name)) for field in dataclasses.fields(self) if field.compare)))


def _key(value: object) -> object:
    """Return a hashable part of a value, the same for equal values."""
    if isinstance(value, Tensor | np.ndarray):
        return (tuple(value.shape), value.dtype)
    if isinstance(value, Mapping):
        return frozenset(value)
    if isinstance(value, list | tuple):
        return tuple(_key(item) for item in value)
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return type(value) if type(value).__hash__ is None else value


def _text(self: object) -> str:
    """Return the words of the class if it has some, otherwise its fields."""
    if type(self).__str__ is not object.__str__:
        lines = str(self).splitlines()
        more = len(lines) - _MOST_LINES
        return "\n".join(lines if more <= 0 else [*lines[:_MOST_LINES], f"... {more} more lines in print()"])
    if not dataclasses.is_dataclass(self):
        return object.__repr__(self)
    fields = (
        f"{field.name}={short_text(getattr(self, field.name))}" for field in dataclasses.fields(self) if field.repr
    )
    return f"{type(self).__qualname__}({', '.join(fields)})"


@singledispatch
def short_text(value: object) -> str:
    """Return a value as short text: tensors and arrays by their shape, containers by their first items."""
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = f"{type(value).__qualname__}(...)" if type(value).__repr__ is object.__repr__ else repr(value)
    if dataclasses.is_dataclass(value):
        return _cut(text, _LONGEST_FIELD, f"{type(value).__qualname__}(...)")
    return _cut(text, _LONGEST_ITEM, f"{text[:_LONGEST_ITEM]}...")


@short_text.register(Tensor)
@short_text.register(np.ndarray)
def _array_text(value: Tensor | np.ndarray) -> str:
    dtype = str(value.dtype).removeprefix("torch.")
    if value.ndim == 0 and not (isinstance(value, Tensor) and value.is_meta):
        return f"{value.item():.6g}" if dtype.startswith(("float", "complex")) else str(value.item())
    place = f", {value.device}" if isinstance(value, Tensor) and value.device.type != "cpu" else ""
    return f"<{size_text(value.shape)} {dtype}{place}>"


@short_text.register(Mapping)
def _mapping_text(value: Mapping[object, object]) -> str:
    items = [f"{key!r}: {short_text(item)}" for key, item in islice(value.items(), _MOST_ITEMS)]
    return _cut(f"{{{_listed(items, len(value))}}}", _LONGEST_FIELD, f"{{{len(value)} items}}")


@short_text.register(list)
@short_text.register(tuple)
def _sequence_text(value: Sequence[object]) -> str:
    items = [short_text(item) for item in islice(value, _MOST_ITEMS)]
    return _cut(f"({_listed(items, len(value))})", _LONGEST_FIELD, f"({len(value)} items)")


@short_text.register
def _module_text(value: torch.nn.Module) -> str:
    return type(value).__name__


def _listed(items: list[str], count: int) -> str:
    return ", ".join(items) + (f", ... {count - len(items)} more" if count > len(items) else "")


def _cut(text: str, longest: int, shorter: str) -> str:
    return text if len(text) <= longest and "\n" not in text else shorter
