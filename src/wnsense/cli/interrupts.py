"""Ctrl-C and SIGTERM, which end a run in good order."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

EXIT_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 3
_STANDARD_ERROR = 2


@dataclass
class Interrupts:
    """What was asked for by signals.

    Attributes:
        count: How often.
        holding: Whether even the first is only answered.
    """

    count: int = 0
    holding: bool = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """For a block that is nearly done and had better be finished."""
        self.holding = True
        try:
            yield
        finally:
            self.holding = False

    def raise_again(self) -> None:
        """Raise KeyboardInterrupt if it was asked for and got lost, as in a callback that may not raise."""
        if self.count:
            raise KeyboardInterrupt

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self.count += 1
        if (self.count == 1 and not self.holding) or self.count >= _PATIENCE:
            raise KeyboardInterrupt
        # Past Python's buffers, which may be in the middle of a write.
        os.write(_STANDARD_ERROR, b"wnsense: stopping once everything is written\n")


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """While this is open, the first Ctrl-C or SIGTERM raises KeyboardInterrupt, and a second one is only answered.

    Who asks to stop often asks twice (`timeout` signals the process and its group), and the second time must not cost
    the checkpoint that the first one has written. The third raises again. Signals that the process was started to
    ignore stay ignored.
    """
    interrupts = Interrupts()
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        before = {number: handler for number, handler in before.items() if handler not in {signal.SIG_IGN, None}}
    try:
        for number in before:
            signal.signal(number, interrupts.ask)
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
