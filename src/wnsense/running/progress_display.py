"""Display of work in progress in a terminal or a notebook; nothing is written anywhere else."""

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from wnsense.running import stop

# Work that ends sooner needs no display.
_PATIENCE_SECONDS = 1.0
# Width in columns at which all figures fit; narrower terminals show the most important ones.
_WIDE = 110
_BAR_WIDTH = 20
# Seconds between two displays, and width in columns, in a notebook.
_NOTEBOOK_SECONDS, _NOTEBOOK_WIDTH = 0.2, 120
_WORDS = (TextColumn("{task.description}"), TextColumn("{task.fields[figures]}"))


class Display:
    """Display of a run in progress; empty unless there is a terminal or a notebook."""

    def __init__(self, progress: Progress | None, task: TaskID, refresh: Callable[[], None] | None = None) -> None:
        """Wrap a Rich display; None shows nothing. A function to refresh it is called after each change."""
        self._progress = progress
        self._task = task
        self._refresh = refresh

    def stage(self, words: str) -> None:
        """Show the name of the current stage."""
        if self._progress is not None:
            self._progress.update(self._task, description=words)
            self._refreshed()

    def count(self, words: str, done: int, total: int) -> None:
        """Show the current stage and how much of it is done; a total of 0 means unknown."""
        if self._progress is not None:
            figures = f"{done:,} of {total:,}" if total else ""
            self._progress.update(self._task, description=words, completed=done, total=total or None, figures=figures)
            self._refreshed()

    def show(self, at: stop.Progress) -> None:
        """Show the progress of a recovery."""
        if self._progress is None:
            return
        figures = f"{at.applications:,} applications"
        residual = f"residual {at.residual:.1e}"
        if self._progress.console.width >= _WIDE:
            if at.seconds > 0:
                figures += f" ({at.applications / at.seconds:,.0f}/s)"
            if at.holdout_residual is not None:
                residual += f", held out {at.holdout_residual:.1e}"
        self._progress.update(
            self._task,
            description=f"{at.stage}, step {at.step}",
            completed=at.applications,
            figures=f"{figures}, {residual}",
        )
        self._refreshed()

    def _refreshed(self) -> None:
        if self._refresh is not None:
            self._refresh()


@contextmanager
def display(words: str, *, quiet: bool = False, budget: int | None = None) -> Iterator[Display]:
    """Show a display while a block runs, in a notebook or if standard error is a terminal.

    Args:
        words: Name of the first stage.
        quiet: True to show nothing.
        budget: Number of applications that the block may use, all of the bar; None for a bar that only moves.
    """
    console = Console(file=sys.stderr)
    if quiet or not (console.is_jupyter or sys.stderr.isatty()):
        yield Display(None, TaskID(0))
    elif console.is_jupyter:
        with _in_notebook(words, budget) as shown:
            yield shown
    else:
        with _in_terminal(words, budget, console) as shown:
            yield shown


@contextmanager
def _in_terminal(words: str, budget: int | None, console: Console) -> Iterator[Display]:
    spinner = SpinnerColumn("dots" if console.encoding.startswith("utf") else "line")
    columns = [spinner, *_WORDS, TimeElapsedColumn()]
    columns.insert(2, BarColumn(bar_width=_BAR_WIDTH))
    if budget is not None:
        columns.append(TimeRemainingColumn())
    progress = Progress(*columns, console=console)
    begun = time.monotonic()

    def shown() -> RenderableType:
        """Return an empty group during the first second, then the display."""
        return Group() if time.monotonic() - begun < _PATIENCE_SECONDS else progress.get_renderable()

    live = Live(get_renderable=shown, console=console, transient=True, refresh_per_second=10)
    live.start()
    try:
        yield Display(progress, progress.add_task(words, total=budget, figures=""))
    finally:
        # The terminal may have been closed meanwhile, which is what SIGHUP tells.
        with suppress(OSError):
            live.stop()


@contextmanager
def _in_notebook(words: str, budget: int | None) -> Iterator[Display]:
    # Rich's own display in notebooks needs ipywidgets. IPython alone can replace an output, and is always there.
    from IPython.display import HTML
    from IPython.display import display as new_output

    console = Console(file=io.StringIO(), force_jupyter=False, color_system=None, width=_NOTEBOOK_WIDTH)
    progress = Progress(*_WORDS, TimeElapsedColumn(), console=console)
    task = progress.add_task(words, total=budget, figures="")
    output = new_output(HTML(""), display_id=True)
    due = time.monotonic() + _PATIENCE_SECONDS

    def refresh() -> None:
        nonlocal due
        if time.monotonic() < due:
            return
        due = time.monotonic() + _NOTEBOOK_SECONDS
        with console.capture() as text:
            console.print(progress.get_renderable())
        share = "" if budget is None else f' max="{budget}" value="{progress.tasks[task].completed:.0f}"'
        output.update(HTML(f"<progress{share}></progress> <code>{escape(text.get().strip())}</code>"))

    try:
        yield Display(progress, task, refresh)
    finally:
        output.update(HTML(""))
