"""Standard streams that are closed, full, or have lost their reader."""

import os
import sys
from contextlib import suppress
from typing import Protocol, runtime_checkable

_OUTPUT, _ERRORS = 1, 2


@runtime_checkable
class NumberedStream(Protocol):
    """Stream with a number of the system."""

    def fileno(self) -> int:
        """Return the number."""
        ...


def open_closed_streams() -> None:
    """Open the standard streams that the caller has closed, so that no file of ours gets their numbers.

    Writing to standard output then fails as for every program whose output is closed. Messages go nowhere.
    """
    # In this order, since the system gives the lowest free number. A stream for reading refuses what is written.
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)
    if sys.stdout is None:
        sys.stdout = os.fdopen(_OUTPUT, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(_ERRORS, "w", closefd=False)


def complain(text: str) -> None:
    """Write one line to standard error, after the program's name, if that can be written."""
    complain_command("wnsense: " + " ".join(text.split()))


def complain_command(command: str) -> None:
    """Write a command to standard error, ready to be pasted."""
    try:
        sys.stderr.write(f"{command}\n")
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def discard(stream: NumberedStream) -> None:
    """Send all that a stream still holds, and gets from now on, nowhere.

    Otherwise Python tries again when the program ends, and changes its exit code.
    """
    with suppress(OSError, ValueError):
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
