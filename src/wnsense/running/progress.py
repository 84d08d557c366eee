"""Callbacks by which long work reports its progress, and their display."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from wnsense.running.stop import Callback

if TYPE_CHECKING:
    from wnsense.running.progress_display import Display

At = TypeVarTuple("At")
R = TypeVar("R")

ProgressCallback = Callable[[str, int, int], None]
"""Callback that takes the present stage in words, the amount of work done, and the amount in all."""

StepCallback = Callable[[int], None]
"""Callback that takes the number of steps done."""

CountCallback = Callable[[int, int], None]
"""Callback that takes the number of steps done and of all steps, 0 if that is not known."""

SearchCallback = Callable[[str, int, float], None]
"""Callback that takes the present stage in words, the products with the map so far, and the relative misfit."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Ignore a report of progress."""


def no_steps(_steps: int) -> None:
    """Ignore a report of steps."""


def watched(
    callback: Callback | None, *, progress: bool, budget: int | None = None
) -> AbstractContextManager[Callback | None]:
    """Show the progress of a recovery while a block runs, by a callback that also calls the user's.

    Args:
        callback: Callback of the user; None for none.
        progress: False to show nothing and to return the user's callback.
        budget: Number of applications that the block may use; None for no limit.
    """
    return _shown(callback, lambda shown, at: shown.show(at), progress=progress, words="preparing", budget=budget)


def counted(
    callback: CountCallback | None, *, progress: bool, words: str
) -> AbstractContextManager[CountCallback | None]:
    """Show the number of steps while a block runs; see `watched`. The words name the work."""

    def count(shown: "Display", done: int, total: int) -> None:
        shown.count(words, done, total)

    return _shown(callback, count, progress=progress, words=words)


def searched(callback: SearchCallback | None, *, progress: bool) -> AbstractContextManager[SearchCallback | None]:
    """Show the progress of a search for a sparse vector while a block runs; see `watched`."""

    def search(shown: "Display", words: str, products: int, misfit: float) -> None:
        shown.stage(f"{words}, {products:,} products, misfit {misfit:.1e}")

    return _shown(callback, search, progress=progress, words="preparing")


@contextmanager
def _shown(
    callback: Callable[[*At], R] | None,
    report: "Callable[[Display, *At], None]",
    *,
    progress: bool,
    words: str,
    budget: int | None = None,
) -> Iterator[Callable[[*At], R | None] | None]:
    if not progress:
        yield callback
        return
    # Scripts without a display need not wait for Rich.
    from wnsense.running.progress_display import display

    with display(words, budget=budget) as shown:

        def show(*at: *At) -> R | None:
            report(shown, *at)
            return None if callback is None else callback(*at)

        yield show
