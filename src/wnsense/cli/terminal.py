"""Output to a person: results on standard output, progress and errors on standard error."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from wnsense.running import stop

# Work that ends sooner needs no display.
_PATIENCE_SECONDS = 1.0
# Width in columns at which all figures fit; narrower terminals show the most important ones.
_WIDE = 110


def say(text: str, *, style: str = "") -> None:
    """Write to standard output: styled and wrapped between words on a terminal, as bare text elsewhere."""
    console = Console(file=sys.stdout, force_terminal=sys.stdout.isatty())
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def say_command(text: str) -> None:
    """Write a command to standard output without line breaks, ready to be pasted."""
    Console(file=sys.stdout, force_terminal=sys.stdout.isatty()).print(Text(text, style="bold"), soft_wrap=True)


def say_files(paths: Iterable[Path]) -> None:
    """Write the names of the files that a command has written to standard output."""
    say("What was written:")
    for path in paths:
        say_command(str(path))


class Display:
    """Display of a run in progress; empty unless standard error is a terminal."""

    def __init__(self, progress: Progress | None, task: TaskID) -> None:
        """Wrap a Rich display; None shows nothing."""
        self._progress = progress
        self._task = task

    def stage(self, words: str) -> None:
        """Show the name of the current stage."""
        if self._progress is not None:
            self._progress.update(self._task, description=words)

    def count(self, words: str, done: int, total: int) -> None:
        """Show the current stage and how much of it is done; a total of 0 means unknown."""
        if self._progress is not None:
            figures = f"{done:,} of {total:,}" if total else ""
            self._progress.update(self._task, description=words, completed=done, total=total or None, figures=figures)

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


@contextmanager
def display(words: str, *, quiet: bool = False, budget: int | None = None) -> Iterator[Display]:
    """Show a display while a block runs.

    Args:
        words: Name of the first stage.
        quiet: True to show nothing.
        budget: Number of applications that the block may use, for a bar; None shows no bar.
    """
    if quiet or not sys.stderr.isatty():
        yield Display(None, TaskID(0))
        return
    console = Console(file=sys.stderr)
    spinner = SpinnerColumn("dots" if console.encoding.startswith("utf") else "line")
    columns = [spinner, TextColumn("{task.description}"), TextColumn("{task.fields[figures]}"), TimeElapsedColumn()]
    if budget is not None:
        columns[2:2] = [BarColumn(bar_width=20)]
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
