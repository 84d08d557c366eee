"""Execution of a command: its errors become one line and an exit code."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

import typer

from wnsense.cli.exit_codes import EXIT_BAD_INPUT, interrupted_exit_code
from wnsense.cli.memory_errors import memory_words
from wnsense.cli.streams import complain

Options = TypeVar("Options")


def execute(work: Callable[[Options], int], options: Options) -> NoReturn:
    """Do the work of a command and end with its exit code: 2 for bad input, 128 + n for an interruption.

    Raises:
        Exit: Always; it carries the exit code to typer.
    """
    # Imported here, because it loads torch.
    from wnsense.checks import InputError

    try:
        code = work(options)
    except InputError as error:
        complain(str(error))
        code = EXIT_BAD_INPUT
    except (MemoryError, RuntimeError, ValueError) as error:
        words = memory_words(error)
        if words is None:
            raise
        complain(words)
        code = EXIT_BAD_INPUT
    except KeyboardInterrupt as interrupt:
        complain("interrupted")
        code = interrupted_exit_code(interrupt)
    raise typer.Exit(code)
