"""Exit codes of the program."""

import signal

EXIT_NO_OUTPUT = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_CONVERGED = 3
EXIT_WRONG_OPERATOR = 3
# Shells give this code plus the number of the signal to a program that a signal has ended.
_EXIT_SIGNAL = 128


def interrupted_exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of an interruption: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.

    Args:
        interrupt: Exception, with the number of the signal as its argument; without one it is that of Ctrl-C.
    """
    number = interrupt.args[0] if interrupt.args else signal.SIGINT
    return _EXIT_SIGNAL + int(number)
