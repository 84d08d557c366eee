"""Run of a function in a process of its own, so that its memory and CPU seconds are those of one run."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import TypeVar

import torch

from wnsense.checks import InputError

A = TypeVar("A")
T = TypeVar("T")
Processes = ForkServerContext | SpawnContext

# Variables that numerical libraries read when they are loaded.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def processes(module: str) -> Iterator[Processes]:
    """Yield a context that starts processes of one thread, in which a module is loaded already.

    They are forks of a server process that has loaded the module and has run nothing. Where there is no such server,
    as on Windows, each process loads the module itself.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield multiprocessing.get_context("spawn")
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield context
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def called_in_process(context: Processes, function: Callable[[A], T], argument: A) -> T:
    """Return `function(argument)`, computed in a new process, which ends with this call or with an interruption.

    Raises:
        InputError: If the process was killed or failed; its error is on the terminal.
    """
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, function, argument), daemon=True)
    process.start()
    sender.close()
    try:
        result: T = receiver.recv()
    except EOFError as error:
        process.join()
        raise InputError(
            f"needed a process that runs to its end, got one with exit code {process.exitcode}; finished rows are "
            "stored, run the same command again"
        ) from error
    finally:
        receiver.close()
        process.terminate()
        process.join()
    return result


def _send(sender: Connection, function: Callable[[A], T], argument: A) -> None:
    # The main process handles an interrupt and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    sender.send(function(argument))
    sender.close()
