"""Output to a person: results on standard output, errors on standard error.

`running.progress_display` shows progress.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text


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
