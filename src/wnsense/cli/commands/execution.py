"""Execution of a command: its errors become one line and an exit code."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

import typer

from wnsense.cli.exit_codes import EXIT_BAD_INPUT, EXIT_INTERRUPTED

Options = TypeVar("Options")


def execute(work: Callable[[Options], int], options: Options) -> NoReturn:
    """Do the work of a command and end with its exit code: 2 for bad input, 130 for an interruption.

    Raises:
        Exit: Always; it carries the exit code to typer.
    """
    # Imported here, because it loads torch.
    from wnsense.checks import InputError
    from wnsense.cli.terminal import complain

    try:
        code = work(options)
    except InputError as error:
        complain(str(error))
        code = EXIT_BAD_INPUT
    except KeyboardInterrupt:
        complain("interrupted")
        code = EXIT_INTERRUPTED
    raise typer.Exit(code)
