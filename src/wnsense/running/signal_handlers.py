"""Handlers of SIGINT and SIGTERM during a block."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

SignalHandler = Callable[[int, FrameType | None], object]


@contextmanager
def handled_signals(handler: SignalHandler, replaces: Callable[[object], bool]) -> Iterator[None]:
    """Let a function handle SIGINT and SIGTERM during a block.

    Threads other than the main one get no signals, and nothing changes there.

    Args:
        handler: Function that handles both signals.
        replaces: Function of the present handler that returns True if the new one takes its place.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: present for number in _SIGNALS if replaces(present := signal.getsignal(number))}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, present in before.items():
            signal.signal(number, present)
