"""Checks of input, with one wording for all errors: what is needed, what came, and what to do."""

import math
import operator
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import SupportsFloat, SupportsIndex

import torch
from torch import Tensor

# Longer text is not repeated in a message, which is one line.
_LONGEST_TEXT = 40

_GIB = 2**30
# Every machine has that much memory in bytes; smaller arrays are not looked at.
_SMALL = 2**28


class InputError(ValueError):
    """Error for unusable input; the message is one line with what is needed, what came and what to do."""


def require(condition: object, needed: str, came: object, advice: str = "") -> None:
    """Raise `InputError` unless a condition holds.

    Args:
        condition: Condition; scalars of NumPy and torch have a truth value too.
        needed: What is needed, a noun phrase or clause.
        came: What came instead.
        advice: What to do about it, a clause; empty if the first two suffice.

    Raises:
        InputError: If the condition is false.
    """
    if not condition:
        raise InputError(f"needed {needed}, got {came}" + (f"; {advice}" if advice else ""))


def require_size(name: str, actual: Sequence[int], expected: Sequence[int], advice: str = "") -> None:
    """Raise `InputError` unless two sizes agree.

    Args:
        name: Name of the thing that has the size.
        actual: Size that came.
        expected: Size that is needed.
        advice: What to do about it.

    Raises:
        InputError: If the sizes differ.
    """
    agree = tuple(actual) == tuple(expected)
    # The texts cost more than the comparison, which every step of a run makes.
    if not agree:
        require(agree, f"{name} of size {size_text(expected)}", size_text(actual), advice)


def require_finite(name: str, values: Tensor, advice: str = "remove or replace those entries") -> None:
    """Raise `InputError` if a tensor holds NaN or infinity, with their number and the place of the first.

    Args:
        name: Name of the tensor.
        values: Any tensor.
        advice: What to do about it.

    Raises:
        InputError: If an entry is not finite.
    """
    finite = torch.isfinite(values)
    if not bool(finite.all()):
        bad = torch.nonzero(~finite)
        first = ", ".join(str(int(i)) for i in bad[0])
        raise InputError(
            f"needed finite numbers in {name}, got NaN or infinity in {len(bad)} of {values.numel()} entries, "
            f"the first at index ({first}); {advice}"
        )


def require_rank(name: str, rank: int, limit: int) -> None:
    """Raise `InputError` unless `1 <= rank <= limit`.

    Args:
        name: Name of the rank.
        rank: Rank.
        limit: Largest possible rank, the smaller side of the matrix.

    Raises:
        InputError: If the rank is out of range.
    """
    require(1 <= rank <= limit, f"{name} between 1 and {limit}", rank, "a matrix has no other ranks")


def real_number(name: str, value: object) -> float:
    """Return a number of Python, NumPy or torch as a float.

    Args:
        name: Name of the number.
        value: Number that came.

    Raises:
        InputError: If it is text, nothing, complex, or more than one number.
    """
    if isinstance(value, (SupportsFloat, SupportsIndex)):
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            # Arrays have the method, whatever their size.
            pass
    raise InputError(f"needed {name} that is a number, got {value_text(value)}")


def whole_number(name: str, value: object) -> int:
    """Return a whole number of Python, NumPy or torch as an int; 2.0 is one.

    Args:
        name: Name of the number.
        value: Number that came.

    Raises:
        InputError: If it is no whole number.
    """
    if isinstance(value, SupportsIndex):
        try:
            return operator.index(value)
        except TypeError:
            # Arrays have the method, whatever their dtype.
            pass
    number = real_number(name, value)
    require(number.is_integer(), f"{name} that is a whole number", value_text(value))
    return int(number)


def require_level(name: str, level: object) -> None:
    """Raise `InputError` unless a level (noise, tolerance) is a finite number that is not negative.

    Args:
        name: Name of the level.
        level: Level.

    Raises:
        InputError: If it is no number, negative, NaN or infinite.
    """
    number = real_number(name, level)
    require(math.isfinite(number) and number >= 0, f"{name} that is finite and at least 0", level)


def require_share(name: str, level: object, advice: str = "") -> None:
    """Raise `InputError` unless a level relative to a whole (noise, tolerance, hold-out) is from 0 to below 1.

    Args:
        name: Name of the level.
        level: Level.
        advice: What to do about it.

    Raises:
        InputError: If it is no number, or out of range.
    """
    require_level(name, level)
    require(real_number(name, level) < 1, f"{name} below 1", level, advice)


def value_text(value: object) -> str:
    """Return a value in a few words for a message: numbers and short text themselves, else the type and size."""
    if value is None or isinstance(value, (bool, int, float, complex)):
        return str(value)
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST_TEXT else f"text of {len(value)} letters"
    shape = getattr(value, "shape", None)
    if shape == ():
        return str(value)
    return type(value).__name__ + (f" of size {size_text(shape)}" if isinstance(shape, tuple) else "")


def require_memory(name: str, size: Sequence[int], dtype: torch.dtype, device: torch.device, advice: str) -> None:
    """Raise `InputError` unless a device has the memory for an array, whatever else is in it.

    Args:
        name: Name of the array.
        size: Sides of the array.
        dtype: Dtype of the array.
        device: Device of the array.
        advice: What to do about it.

    Raises:
        InputError: If all memory of the device is too little.
    """
    needed = math.prod(size) * dtype.itemsize
    if needed < _SMALL:
        return
    memory = _memory(device)
    if memory is not None and needed > memory:
        raise InputError(
            f"needed memory for {name} of size {size_text(size)} in {dtype}, {needed / _GIB:,.1f} GiB, got "
            f"{memory / _GIB:,.1f} GiB in all; {advice}"
        )


@lru_cache
def _memory(device: torch.device) -> int | None:
    """Return the bytes of memory of a device, used or not; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None


def size_text(size: Sequence[int]) -> str:
    """Return a size as people write it, `3 x 4`; `()` for a scalar."""
    return " x ".join(str(int(n)) for n in size) if len(size) else "()"
