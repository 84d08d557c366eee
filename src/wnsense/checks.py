"""The few ways in which input can be wrong, told in one wording: what was needed, what came, what to do."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class InputError(ValueError):
    """Something handed in cannot be used: the message is one line, what was needed, what came and what to do."""


def require(condition: object, needed: str, came: object, advice: str = "") -> None:
    """Raise `InputError` unless the condition holds.

    Args:
        condition: What must be true; scalars of NumPy and torch have a truth value too.
        needed: What was needed, as a noun phrase or clause.
        came: What came instead.
        advice: What to do about it, a clause; empty when the first two say it.

    Raises:
        InputError: When the condition is false.
    """
    if not condition:
        raise InputError(f"needed {needed}, got {came}" + (f"; {advice}" if advice else ""))


def require_size(name: str, actual: Sequence[int], expected: Sequence[int], advice: str = "") -> None:
    """Raise `InputError` unless two sizes agree.

    Args:
        name: What has the size.
        actual: The size that came.
        expected: The size that was needed.
        advice: What to do about it.

    Raises:
        InputError: When the sizes differ.
    """
    require(tuple(actual) == tuple(expected), f"{name} of size {size_text(expected)}", size_text(actual), advice)


def require_finite(name: str, values: Tensor) -> None:
    """Raise `InputError` when a tensor holds NaN or infinity, saying how many and where the first is.

    Args:
        name: What the tensor is.
        values: Any tensor.

    Raises:
        InputError: When an entry is not finite.
    """
    finite = torch.isfinite(values)
    if not bool(finite.all()):
        bad = torch.nonzero(~finite)
        first = ", ".join(str(int(i)) for i in bad[0])
        raise InputError(
            f"needed finite numbers in {name}, got NaN or infinity in {len(bad)} of {values.numel()} entries, "
            f"the first at index ({first}); remove or replace those entries"
        )


def require_rank(name: str, rank: int, limit: int) -> None:
    """Raise `InputError` unless 1 <= rank <= limit.

    Args:
        name: What the rank is of.
        rank: The rank.
        limit: The largest rank that makes sense, the smaller side of the matrix.

    Raises:
        InputError: When the rank is out of range.
    """
    require(1 <= rank <= limit, f"{name} between 1 and {limit}", rank, "a matrix has no other ranks")


def require_level(name: str, level: float) -> None:
    """Raise `InputError` unless a relative level (noise, tolerance) is finite and not negative.

    Args:
        name: What the level is of.
        level: The number.

    Raises:
        InputError: When it is negative, NaN or infinite.
    """
    require(math.isfinite(level) and level >= 0, f"{name} that is finite and at least 0", level)


def size_text(size: Sequence[int]) -> str:
    """A size as people write it, `3 x 4`; a scalar's is `()`."""
    return " x ".join(str(int(n)) for n in size) if len(size) else "()"
