"""Run-time checks of shapes and types, in the first calls of each function in each test.

Every call checked would take half of the time of all tests. A call that breaks an annotation usually is among the
first: what differs between the calls of a function are the tests' own dtypes, kinds and sizes. `make test-slow` sets
`CHECK_EVERY_CALL`, and then every call is checked.
"""

import atexit
import functools
import json
import os
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import jaxtyping

CALLS_PER_TEST = 1 << 62 if os.environ.get("CHECK_EVERY_CALL") else 3

_jaxtyped = jaxtyping.jaxtyped


# Which tests call which function, how long each test takes, and which fail. It is written beside this path, if one is
# given, for `benchmarks/fault_trials.py`.
RECORD = os.environ.get("RECORD_CALLS")
_callers: dict[str, set[str]] = {}
_seconds: dict[str, float] = {}
_failed: set[str] = set()


class CurrentTest:
    """Number and name of the test that runs, set by `conftest.py`; one for the process."""

    number = 0
    name = ""


def record_outcome(test: str, seconds: float, *, failed: bool) -> None:
    """Add the seconds and the outcome of a phase of a test to the record."""
    _seconds[test] = _seconds.get(test, 0.0) + seconds
    if failed:
        _failed.add(test)


def _write_record() -> None:
    callers = {function: sorted(tests) for function, tests in _callers.items()}
    Path(f"{RECORD}.{os.getpid()}").write_text(
        json.dumps({"callers": callers, "seconds": _seconds, "failed": sorted(_failed)})
    )


if RECORD:
    atexit.register(_write_record)


def jaxtyped(*, typechecker: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return the decorator that the import hook puts before each definition."""
    return functools.partial(_checked, typechecker=typechecker)


def _checked(definition: Any, *, typechecker: Callable[..., Any]) -> Any:
    if "<locals>" in getattr(definition, "__qualname__", ""):
        # Made anew at every call of the function around it, and a millisecond to decorate: left to mypy.
        return definition
    if isinstance(definition, type):
        if is_dataclass(definition) and "__init__" in vars(definition):
            definition.__init__ = _sparing(definition.__init__, typechecker)
        return definition
    if isinstance(definition, (classmethod, staticmethod)):
        return type(definition)(_sparing(definition.__func__, typechecker))
    if isinstance(definition, property):
        return property(fget=_sparing(definition.fget, typechecker))
    return _sparing(definition, typechecker)


def _sparing(function: Callable[..., Any], typechecker: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its first calls in each test checked; the checker is built at the first call."""
    checker: Callable[..., Any] | None = None
    calls, test = 0, -1

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal checker, calls, test
        if test != CurrentTest.number:
            calls, test = 0, CurrentTest.number
            if RECORD:
                _callers.setdefault(f"{function.__module__}:{function.__qualname__}", set()).add(CurrentTest.name)
        if calls >= CALLS_PER_TEST or jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        calls += 1
        if checker is None:
            checker = _jaxtyped(function, typechecker=typechecker)
        return checker(*args, **kwargs)

    return wrapped
