"""Keeping a recovery, which is several runs one after another, in one file."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from wnsense.checks import InputError
from wnsense.files.tables import Table, read_table, write_table
from wnsense.running.checkpoint import (
    check_same_run,
    fingerprint,
    machine_facts,
    pack_snapshot,
    resumable_status,
    state_type_of,
    unpack_snapshot,
)
from wnsense.running.loop import Snapshot
from wnsense.running.status import Status
from wnsense.sensing.problem import Problem
from wnsense.solvers.solver import Solver, State

S = TypeVar("S", bound=State)


@dataclass
class RecoveryCheckpoint:
    """The runs of a recovery in their order: those that ended are read back, the one that did not is gone on with.

    A recovery decides what to run next from the results so far and from its seed alone, so that reading back the ended
    runs leads it to the very place where it was interrupted.

    Attributes:
        problem: The problem, to recognize it.
        settings: What else must agree.
        path: The file; None keeps nothing.
        every_seconds: How often to write.
    """

    problem: Problem
    settings: tuple[object, ...]
    path: Path | None = None
    every_seconds: float = 30.0
    _arrays: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)
    _statuses: list[Status | None] = field(default_factory=list, init=False)
    _next: int = field(default=0, init=False)
    _mark: str = field(default="", init=False)
    _saved_at: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self) -> None:
        """Take the fingerprint once; it reads the operator."""
        if self.path is not None:
            self._mark = fingerprint(self.problem, *self.settings)

    def open(self) -> None:
        """Read the file.

        Raises:
            InputError: If there is none, or it is damaged or of another problem.
        """
        if self.path is None:
            raise InputError("needed a checkpoint to resume from, got none; name the file")
        table = read_table(self.path)
        check_same_run(table.header, self.problem, self._mark, self.path)
        self._arrays = dict(table.arrays)
        saved: Any = table.header["runs"]
        self._statuses = [None if status is None else Status(status) for status in saved]
        if self._statuses:
            # Only the last run can be one that a budget or a callback cut short.
            self._statuses[-1] = resumable_status(self._statuses[-1])

    def run(self, solver: Solver[S]) -> "StageCheckpoint[S]":
        """The place of the next run."""
        entry = StageCheckpoint(self, self._next, solver)
        self._next += 1
        return entry

    def write(self) -> None:
        """Write the file, if there is to be one."""
        if self.path is not None:
            header = {
                "fingerprint": self._mark,
                "machine": machine_facts(self.problem),
                "runs": self._statuses,
                "settings": repr(self.settings),
            }
            write_table(self.path, Table(header, self._arrays))
            self._saved_at = time.monotonic()

    def due(self) -> bool:
        """Whether the interval has passed."""
        return self.path is not None and time.monotonic() - self._saved_at >= self.every_seconds

    def load(self, index: int, solver: Solver[S]) -> tuple[Snapshot[S], Status | None] | None:
        """The saved run of an index, if there is one."""
        if index >= len(self._statuses):
            return None
        device = self.problem.operator.device
        snapshot = unpack_snapshot(self._arrays, state_type_of(solver), device, prefix=f"run{index}.")
        return snapshot, self._statuses[index]

    def save(self, index: int, snapshot: Snapshot[S], status: Status | None) -> None:
        """Keep a run; it is written to disk when interrupted or due."""
        prefix = f"run{index}."
        kept = {name: value for name, value in self._arrays.items() if not name.startswith(prefix)}
        self._arrays = kept | pack_snapshot(snapshot, prefix)
        self._statuses[index:] = [status]


@dataclass(frozen=True)
class StageCheckpoint(Generic[S]):
    """One run's place in a checkpoint, as the recorder that the loop writes to."""

    checkpoint: RecoveryCheckpoint
    index: int
    solver: Solver[S]

    def load(self) -> tuple[Snapshot[S], Status | None] | None:
        """The saved run, if there is one."""
        return self.checkpoint.load(self.index, self.solver)

    def due(self) -> bool:
        """Whether it is time to save."""
        return self.checkpoint.due()

    def save(self, snapshot: Snapshot[S], status: Status | None) -> None:
        """Keep the run, on disk unless it has just ended well: the next one will be due soon enough."""
        self.checkpoint.save(self.index, snapshot, status)
        if status is None:
            self.checkpoint.write()
