"""Checkpoint of a recovery: one file that holds its runs, from which it is resumed bit for bit."""

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.running.checkpoint import pack_snapshot, resumable_status, state_type_of, unpack_snapshot
from wnsense.running.checkpoint_file import read_checkpoint, readable, write_checkpoint
from wnsense.running.loop import Snapshot
from wnsense.running.run_identity import RunIdentity
from wnsense.running.status import Status
from wnsense.sensing.problem import Problem
from wnsense.solvers.solver import Solver, State

S = TypeVar("S", bound=State)


@dataclass
class RecoveryCheckpoint:
    """File that holds the runs of a recovery in their order.

    A recovery chooses its next run from its seed and the results so far. On resuming, the runs that ended are read from
    the file, which leads the recovery to the run that was interrupted; that run is continued.

    Attributes:
        problem: Problem, which must agree on resuming.
        settings: Settings that must agree on resuming.
        path: File; None to save nothing.
        every_seconds: Seconds between writes.
    """

    problem: Problem
    settings: tuple[object, ...]
    path: Path | None = None
    every_seconds: float = 30.0
    _arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _statuses: list[Status | None] = field(default_factory=list)
    _next: int = 0
    _saved_at: float = field(default_factory=time.monotonic)

    @cached_property
    def _identity(self) -> RunIdentity:
        """Identity of the recovery, computed once since it applies the operator."""
        return RunIdentity.from_problem(self.problem, *self.settings)

    def open(self, *, resume: bool) -> None:
        """Compute the identity of the recovery if a file is named, and read the file if asked to.

        This comes before the first run: an operator that fails in a run cannot be applied when the file is written.

        Args:
            resume: True to read the file.

        Raises:
            InputError: If no file is named to read, or it is missing, damaged, or of another problem or version.
        """
        if self.path is None:
            require(not resume, "a checkpoint to resume from", "none", "name the file")
            return
        identity = self._identity
        if not resume:
            return
        table = read_checkpoint(self.path)
        with readable(self.path):
            identity.check(table.header, self.path)
            saved: Any = table.header["runs"]
            self._statuses = [None if status is None else Status(status) for status in saved]
        self._arrays = dict(table.arrays)
        if self._statuses:
            # Only the last run can have been ended by a budget or a callback.
            self._statuses[-1] = resumable_status(self._statuses[-1])

    def run(self, solver: Solver[S]) -> "StageCheckpoint[S]":
        """Return the checkpoint of the next run."""
        entry = StageCheckpoint(self, self._next, solver)
        self._next += 1
        return entry

    def write(self) -> None:
        """Write the file, if one is named."""
        if self.path is not None:
            header = {**self._identity.facts(), "runs": self._statuses}
            write_checkpoint(self.path, Table(header, self._arrays))
            self._saved_at = time.monotonic()

    def due(self) -> bool:
        """Return True if the interval has passed."""
        return self.path is not None and time.monotonic() - self._saved_at >= self.every_seconds

    def load(self, index: int, solver: Solver[S]) -> tuple[Snapshot[S], Status | None] | None:
        """Return the saved run of an index, or None."""
        if self.path is None or index >= len(self._statuses):
            return None
        device = self.problem.operator.device
        with readable(self.path):
            snapshot = unpack_snapshot(self._arrays, state_type_of(solver), device, prefix=f"run{index}.")
        return snapshot, self._statuses[index]

    def save(self, index: int, snapshot: Snapshot[S], status: Status | None) -> None:
        """Hold a run in memory; `write` puts it on disk."""
        prefix = f"run{index}."
        others = {name: value for name, value in self._arrays.items() if not name.startswith(prefix)}
        self._arrays = others | pack_snapshot(snapshot, prefix)
        self._statuses[index:] = [status]


@dataclass(frozen=True)
class StageCheckpoint(Generic[S]):
    """Checkpoint of one run of a recovery, held in the recovery's file."""

    recovery: RecoveryCheckpoint
    index: int
    solver: Solver[S]

    def load(self) -> tuple[Snapshot[S], Status | None] | None:
        """Return the saved run, or None."""
        return self.recovery.load(self.index, self.solver)

    def due(self) -> bool:
        """Return True if it is time to save."""
        return self.recovery.due()

    def save(self, snapshot: Snapshot[S], status: Status | None) -> None:
        """Hold the run; write it to disk unless it has ended, since the next run saves again soon."""
        self.recovery.save(self.index, snapshot, status)
        if status is None:
            self.recovery.write()
