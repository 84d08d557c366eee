"""Callbacks by which long work reports its progress."""

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Callback that takes the present stage in words, the amount of work done, and the amount in all."""

StepCallback = Callable[[int], None]
"""Callback that takes the number of steps done."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Ignore a report of progress."""


def no_steps(_steps: int) -> None:
    """Ignore a report of steps."""
