"""Callbacks by which long work reports its progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wnsense.running.stop import Callback, Progress

ProgressCallback = Callable[[str, int, int], None]
"""Callback that takes the present stage in words, the amount of work done, and the amount in all."""

StepCallback = Callable[[int], None]
"""Callback that takes the number of steps done."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Ignore a report of progress."""


def no_steps(_steps: int) -> None:
    """Ignore a report of steps."""


@contextmanager
def watched(callback: Callback | None, *, progress: bool, budget: int | None) -> Iterator[Callback | None]:
    """Show the progress of a recovery while a block runs, by a callback that also calls the user's.

    Args:
        callback: Callback of the user; None for none.
        progress: False to show nothing and to return the user's callback.
        budget: Number of applications that the block may use; None for no limit.
    """
    if not progress:
        yield callback
        return
    # Scripts without a display need not wait for Rich.
    from wnsense.running.progress_display import display

    with display("preparing", budget=budget) as shown:

        def show(at: Progress) -> bool | None:
            shown.show(at)
            return None if callback is None else callback(at)

        yield show
