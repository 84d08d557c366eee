"""Interrupt deferral: Ctrl-C is handled after the present step, so that the model and its checkpoint are whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class InterruptRequest:
    """Request to stop, set by a signal.

    Attributes:
        is_pending: True after the first signal.
    """

    is_pending: bool = False

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal: the first one sets the request, the next one raises.

        Raises:
            KeyboardInterrupt: If the request is already set.
        """
        if self.is_pending:
            raise KeyboardInterrupt
        self.is_pending = True


@contextmanager
def deferred_interrupts() -> Iterator[InterruptRequest]:
    """Turn the first Ctrl-C into a request while this is open.

    SIGTERM is deferred too if the program has a handler for it; otherwise it ends the process as always. Threads
    other than the main one get no signals, and nothing changes there.
    """
    request = InterruptRequest()
    before = {}
    if threading.current_thread() is threading.main_thread():
        # Handlers that are not callable are the system's own, and SIG_IGN of a process started to ignore the signal.
        before = {number: handler for number in _SIGNALS if callable(handler := signal.getsignal(number))}
    try:
        for number in before:
            signal.signal(number, request.handle)
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
