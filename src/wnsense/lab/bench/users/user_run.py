"""One run of the grid `users`: a method on a problem, measured in CPU seconds and memory, and judged by the truth."""

import ctypes
import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wnsense.checks import InputError
from wnsense.lab.bench.users.user_cells import DrawnProblem, SpectrumLaw, UserCell
from wnsense.lab.bench.users.user_contestants import USER_METHODS, UserAnswer
from wnsense.lab.bench.users.user_rows import UserKey, UserRow
from wnsense.linalg import FactorizationError
from wnsense.sensing.low_rank import LowRank

# Numerical failures of a method; its row then holds the error. `InputError` is that of too few measurements.
_FAILURES = (InputError, FactorizationError, np.linalg.LinAlgError, FloatingPointError)
# The run that loads code has so many measurements that each method ends soon, and a limit in CPU seconds that none
# needs: a run that is cut off leaves code unloaded, which then counts in the run that is measured.
_WARM_OVERSAMPLING = 5.0
_WARM_SECONDS = 5.0
_STATUS_FILE = Path("/proc/self/status")
_PEAK_FILE = Path("/proc/self/clear_refs")
# What is written to the latter to set the peak back to the present.
_RESET_PEAK = "5"


@dataclass(frozen=True)
class UserRun:
    """A method on a problem, not yet run.

    Attributes:
        key: Key of the row that the run gives.
        seconds: Limit in CPU seconds; a method ends after the step in which it passes.
    """

    key: UserKey
    seconds: float


@dataclass(frozen=True)
class _Measured:
    """Answer or failure of a run, with its cost."""

    answer: UserAnswer | None
    failure: str
    seconds: float
    memory: float | None


def make_user_row(run: UserRun) -> UserRow:
    """Run a method on a problem and return its row.

    The method runs once on a small problem before, so that the loading of code is not part of the run. Seconds are the
    CPU time of this process during the run. Drawing the problem, its conversion to the form of a method, and the
    comparison with the truth are not part of it.

    Memory is the peak of the resident memory during the run over that before it, which holds problem and libraries. It
    is that of all code, compiled libraries included. Only Linux tells it. Memory that an earlier run of the process has
    freed may be used again without being seen, so each run needs a new process to be measured well.
    """
    method = USER_METHODS[run.key.method]
    ensemble, kind = run.key.cell.ensemble, run.key.cell.kind
    small = UserCell(ensemble, kind, (32, 32), 1, SpectrumLaw.LINEAR, 1.0, _WARM_OVERSAMPLING).draw(0)
    _measured(method.prepare(small, 0, _WARM_SECONDS))
    drawn = run.key.cell.draw(run.key.seed)
    try:
        prepared = method.prepare(drawn, run.key.seed, run.seconds)
    except InputError as error:
        measured = _Measured(None, _first_line(error), 0.0, None)
    else:
        measured = _measured(prepared)
    return _judged(run.key, drawn, measured, is_told_rank=method.is_told_rank)


def _measured(prepared: Callable[[], UserAnswer]) -> _Measured:
    """Make a run, and measure it."""
    answer, failure = None, ""
    _free_memory()
    before = _reset_peak()
    began = time.process_time()
    try:
        answer = prepared()
    except _FAILURES as error:
        failure = _first_line(error)
    seconds = time.process_time() - began
    memory = None if before is None else max(_resident("VmHWM") - before, 0.0)
    return _Measured(answer, failure, seconds, memory)


def _judged(key: UserKey, drawn: DrawnProblem, measured: _Measured, *, is_told_rank: bool) -> UserRow:
    """Return the row of a run, by comparison of its answer with the truth."""
    answer, truth = measured.answer, drawn.truth
    if answer is None:
        status = f"failed: {measured.failure}"
        return UserRow(
            key,
            is_told_rank,
            status,
            is_claimed=False,
            rank=0,
            error=math.inf,
            value_error=math.inf,
            best_ratio=None,
            is_determined=drawn.is_determined,
            applications=0,
            seconds=measured.seconds,
            memory=measured.memory,
        )
    rank, error, value_error, best_ratio = answer.matrix.width, math.inf, math.inf, None
    if all(bool(torch.isfinite(part).all()) for part in (answer.matrix.X, answer.matrix.Theta, answer.matrix.right)):
        distance = float(truth.distance(answer.matrix))
        error = distance / float(truth.norm())
        if key.cell.is_exact:
            value_error = largest_value_error(answer.matrix, truth)
        else:
            best_ratio = distance / float(truth.singular_values()[rank:].norm())
    return UserRow(
        key,
        is_told_rank,
        answer.status,
        answer.is_success,
        rank,
        error,
        value_error,
        best_ratio,
        drawn.is_determined,
        answer.applications,
        measured.seconds,
        measured.memory,
    )


def largest_value_error(matrix: LowRank, truth: LowRank) -> float:
    """Return the largest relative error of a singular value of the truth; infinite if the ranks differ."""
    if matrix.width != truth.width:
        return math.inf
    expected = truth.singular_values()
    return float(((matrix.singular_values() - expected).abs() / expected).max())


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _free_memory() -> None:
    """Return freed memory to the system where the C library can, so that its use is seen."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _reset_peak() -> float | None:
    """Set the peak of the memory back to the present, and return that in MiB; None if the system cannot."""
    try:
        _PEAK_FILE.write_text(_RESET_PEAK)
        return _resident("VmRSS")
    except OSError:
        return None


def _resident(name: str) -> float:
    """Return a number of the process in MiB: `VmRSS` is the resident memory, `VmHWM` its peak."""
    line = next(line for line in _STATUS_FILE.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024
