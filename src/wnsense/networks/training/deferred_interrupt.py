"""Interrupt deferral: Ctrl-C is handled after the present step, so that the model and its checkpoint are whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from wnsense.running.signal_handlers import handled_signals


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

    SIGTERM and SIGHUP are deferred too if the program has a handler for them; otherwise they end the process. Nothing
    changes in threads other than the main one.
    """
    request = InterruptRequest()
    # Handlers that are not callable are the system's own, and SIG_IGN of a process started to ignore the signal.
    with handled_signals(request.handle, replaces=callable):
        yield request
