"""Handlers of the signals that ask a program to stop, during a block."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Ctrl-C, `kill`, and the end of the terminal or of the connection, which Windows lacks.
STOP_SIGNALS = tuple(number for number in signal.Signals if number.name in {"SIGINT", "SIGTERM", "SIGHUP"})

SignalHandler = Callable[[int, FrameType | None], object]


@contextmanager
def handled_signals(handler: SignalHandler, replaces: Callable[[object], bool]) -> Iterator[None]:
    """Let a function handle SIGINT, SIGTERM and SIGHUP during a block.

    Threads other than the main one get no signals, and nothing changes there.

    Args:
        handler: Function that handles these signals.
        replaces: Function of the present handler that returns True if the new one takes its place.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: present for number in STOP_SIGNALS if replaces(present := signal.getsignal(number))}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, present in before.items():
            signal.signal(number, present)
