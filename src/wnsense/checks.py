"""Checks of input, with one wording for all errors: what is needed, what came, and what to do."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


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


def require_finite(name: str, values: Tensor) -> None:
    """Raise `InputError` if a tensor holds NaN or infinity, with their number and the place of the first.

    Args:
        name: Name of the tensor.
        values: Any tensor.

    Raises:
        InputError: If an entry is not finite.
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
    """Raise `InputError` unless `1 <= rank <= limit`.

    Args:
        name: Name of the rank.
        rank: Rank.
        limit: Largest possible rank, the smaller side of the matrix.

    Raises:
        InputError: If the rank is out of range.
    """
    require(1 <= rank <= limit, f"{name} between 1 and {limit}", rank, "a matrix has no other ranks")


def require_level(name: str, level: float) -> None:
    """Raise `InputError` unless a relative level (noise, tolerance) is finite and not negative.

    Args:
        name: Name of the level.
        level: Level.

    Raises:
        InputError: If it is negative, NaN or infinite.
    """
    require(math.isfinite(level) and level >= 0, f"{name} that is finite and at least 0", level)


def size_text(size: Sequence[int]) -> str:
    """Return a size as people write it, `3 x 4`; `()` for a scalar."""
    return " x ".join(str(int(n)) for n in size) if len(size) else "()"
