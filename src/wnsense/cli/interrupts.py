"""Ctrl-C, SIGTERM and SIGHUP: an interrupted run keeps its files whole."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from wnsense.cli.exit_codes import interrupted_exit_code
from wnsense.running.signal_handlers import handled_signals

# From this signal on, KeyboardInterrupt is raised even while interrupts are deferred.
_LAST_DEFERRED = 3
_STANDARD_ERROR = 2


@dataclass
class Interrupts:
    """Signals that have arrived.

    Attributes:
        count: Number of signals.
        deferred: True while even the first signal is only answered.
        first: Number of the first signal; that of Ctrl-C before there is one.
    """

    count: int = 0
    deferred: bool = False
    first: int = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """Exit code of a run that was interrupted."""
        return interrupted_exit_code(KeyboardInterrupt(self.first))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Defer interrupts during a block, such as one that writes files."""
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = False

    def raise_again(self) -> None:
        """Raise KeyboardInterrupt if a signal has arrived.

        A first KeyboardInterrupt can be lost in code that catches it.
        """
        if self.count:
            raise KeyboardInterrupt(self.first)

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.count == 0:
            self.first = number
        self.count += 1
        if (self.count == 1 and not self.deferred) or self.count >= _LAST_DEFERRED:
            # The number is for `interrupted_exit_code`, where no command has caught the exception.
            raise KeyboardInterrupt(self.first)
        # Not through Python's buffers: the signal may have interrupted a write to them.
        # After SIGHUP there may be no terminal to write to.
        with suppress(OSError):
            os.write(_STANDARD_ERROR, b"wnsense: will stop when all files are written\n")


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Raise KeyboardInterrupt at the first Ctrl-C, SIGTERM or SIGHUP in a block, and only answer the second one.

    A stop is often requested twice: `timeout` signals the process and its group. The second signal must not destroy the
    checkpoint that the first one has caused. The third raises again. Ignored signals stay ignored.
    """
    interrupts = Interrupts()
    with handled_signals(interrupts.ask, replaces=lambda present: present not in {signal.SIG_IGN, None}):
        yield interrupts
