"""Speaking to a person: results on standard output, progress and trouble on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from wnsense.running import stop

# Nobody needs to watch what is over sooner.
_PATIENCE_SECONDS = 1.0
# Columns that all figures fit into; narrower terminals show the most important ones.
_WIDE = 110


def say(text: str, *, style: str = "") -> None:
    """Write to standard output: styled and wrapped between words on a terminal, the bare text anywhere else."""
    console = Console(file=sys.stdout, force_terminal=sys.stdout.isatty())
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def say_command(text: str) -> None:
    """Write a command to standard output, in one piece for pasting."""
    Console(file=sys.stdout, force_terminal=sys.stdout.isatty()).print(Text(text, style="bold"), soft_wrap=True)


def complain(text: str) -> None:
    """Write one line to standard error, behind the program's name."""
    line = " ".join(text.split())
    sys.stderr.write(f"wnsense: {line}\n")
    sys.stderr.flush()


class _PatientProgress(Progress):
    """A progress display that shows itself only once the work has taken its time."""

    _begun = time.monotonic()

    def get_renderable(self) -> RenderableType:
        """Nothing at first."""
        if time.monotonic() - self._begun < _PATIENCE_SECONDS:
            return Group()
        return super().get_renderable()

    def start(self) -> None:
        """Begin to wait."""
        self._begun = time.monotonic()
        super().start()


class Display:
    """What a person sees of a run under way; nothing unless standard error is a terminal."""

    def __init__(self, progress: Progress | None, task: TaskID) -> None:
        """Wrap a Rich display, or none."""
        self._progress = progress
        self._task = task

    def stage(self, words: str) -> None:
        """Say what is being done."""
        if self._progress is not None:
            self._progress.update(self._task, description=words)

    def tell(self, words: str, done: int, total: int) -> None:
        """Say what is being done and how much of it is; a total of 0 where nobody knows."""
        if self._progress is not None:
            figures = f"{done:,} of {total:,}" if total else ""
            self._progress.update(self._task, description=words, completed=done, total=total or None, figures=figures)

    def show(self, at: stop.Progress) -> None:
        """Show how far a recovery is."""
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
    """A display for the time of a piece of work.

    Args:
        words: What is being done first.
        quiet: Whether to show nothing at all.
        budget: The number of applications that may be spent, if it is known: then there is a bar.
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
    with _PatientProgress(*columns, console=console, transient=True) as progress:
        yield Display(progress, progress.add_task(words, total=budget, figures=""))
