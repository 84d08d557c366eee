"""Ctrl-C while parameters change in place: the present step is finished first, so that what is kept is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Politeness:
    """Whether somebody asked to stop.

    Attributes:
        is_asked: Whether.
    """

    is_asked: bool = False

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal: the first is remembered, one more does not wait."""
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True


@contextmanager
def politely() -> Iterator[Politeness]:
    """While this is open, the first Ctrl-C is only remembered.

    SIGTERM likewise, where the program has a handler for it; elsewhere it ends the process as always. In threads, which
    get no signals, nothing changes.
    """
    politeness = Politeness()
    before = {}
    if threading.current_thread() is threading.main_thread():
        # Not callable are those that the process was started to ignore, and the system's own.
        before = {number: handler for number in _SIGNALS if callable(handler := signal.getsignal(number))}
    try:
        for number in before:
            signal.signal(number, politeness.ask)
        yield politeness
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
