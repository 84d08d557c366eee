"""Checkpoint of a run on disk, from which it is resumed bit for bit."""

import dataclasses
import time
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from wnsense.files.tables import Table
from wnsense.running.checkpoint_file import read_checkpoint, readable, write_checkpoint
from wnsense.running.contract import AnySolver, S
from wnsense.running.layout import canonical_tensor
from wnsense.running.loop import Snapshot
from wnsense.running.run_identity import MeasuredProblem, RunIdentity
from wnsense.running.status import Status
from wnsense.running.trace import Columns, Row


def pack_snapshot(snapshot: Snapshot[S], prefix: str = "") -> dict[str, np.ndarray]:
    """Return a snapshot as named arrays, without loss."""
    arrays = {f"{prefix}state.{name}": value for name, value in _flatten(snapshot.state).items()}
    counts = [snapshot.steps, snapshot.seconds, snapshot.best, snapshot.best_step]
    arrays[f"{prefix}counts"] = np.array(counts, dtype=np.float64)
    for name, column in Columns.from_rows(snapshot.rows).items():
        arrays[f"{prefix}trace.{name}"] = column
    return arrays


def unpack_snapshot(
    arrays: Mapping[str, np.ndarray], state_type: type[Any], device: torch.device, prefix: str = ""
) -> Snapshot[Any]:
    """Return the snapshot that `pack_snapshot` packed, on a device."""
    state_arrays = {
        name.removeprefix(f"{prefix}state."): value
        for name, value in arrays.items()
        if name.startswith(f"{prefix}state.")
    }
    steps, seconds, best, best_step = arrays[f"{prefix}counts"].tolist()
    columns = {
        name.removeprefix(f"{prefix}trace."): value
        for name, value in arrays.items()
        if name.startswith(f"{prefix}trace.")
    }
    length = len(columns["step"]) if columns else 0
    rows: list[Row] = [{name: torch.as_tensor(column[i]) for name, column in columns.items()} for i in range(length)]
    return Snapshot(_unflatten(state_type, state_arrays, device), int(steps), seconds, best, int(best_step), rows)


def state_type_of(solver: AnySolver[Any, Any, Any]) -> type[Any]:
    """Return the class of a solver's states, as its `start` declares it."""
    return typing.cast("type[Any]", typing.get_type_hints(type(solver).start)["return"])


@dataclass(eq=False)
class Checkpoint(Generic[S]):
    """File that holds a run; it is written at intervals, on interruption and at the end, whole or not at all.

    A resumed run gives bit for bit the result of an uninterrupted one, on the same machine, device CPU, dtype and
    number of threads.

    Attributes:
        path: File, `.npz`.
        problem: Problem, which must agree on resuming.
        solver: Solver, which must agree on resuming; its state is rebuilt.
        settings: Other settings that must agree.
        resume: True to resume from the file, which must then exist.
        every_seconds: Seconds between writes.
    """

    path: Path
    problem: MeasuredProblem
    solver: AnySolver[Any, Any, S]
    settings: tuple[object, ...] = ()
    resume: bool = False
    every_seconds: float = 30.0
    _saved_at: float = field(default_factory=time.monotonic, repr=False)

    def load(self) -> tuple[Snapshot[S], Status | None] | None:
        """Return the snapshot and the status in the file when resuming, else None.

        Raises:
            InputError: If the file is missing, damaged, or of another problem or version.
        """
        if not self.resume:
            return None
        table = read_checkpoint(self.path)
        with readable(self.path):
            self._identity.check(table.header, self.path)
            snapshot = unpack_snapshot(table.arrays, state_type_of(self.solver), self.problem.operator.device)
            return snapshot, resumable_status(table.header["status"])

    def due(self) -> bool:
        """Return True if the interval has passed."""
        return time.monotonic() - self._saved_at >= self.every_seconds

    def save(self, snapshot: Snapshot[S], status: Status | None) -> None:
        """Write the file."""
        header = {**self._identity.facts(), "status": status}
        write_checkpoint(self.path, Table(header, pack_snapshot(snapshot)))
        self._saved_at = time.monotonic()

    @cached_property
    def _identity(self) -> RunIdentity:
        """Identity of the run, computed once since it applies the operator."""
        return RunIdentity.from_problem(self.problem, self.solver, *self.settings)


def resumable_status(status: object) -> Status | None:
    """Return the status in a file; None for a spent budget or a stop by the user, after which a run can go on."""
    if status is None or status in {Status.OUT_OF_BUDGET, Status.STOPPED_BY_USER}:
        return None
    return Status(str(status))


def _flatten(value: Any) -> dict[str, np.ndarray]:
    """Return a dataclass of tensors, numbers and dataclasses as arrays under dotted names; None is left out."""
    arrays: dict[str, np.ndarray] = {}
    for part in dataclasses.fields(value):
        entry = getattr(value, part.name)
        if entry is None:
            continue
        if dataclasses.is_dataclass(entry):
            arrays |= {f"{part.name}.{name}": inner for name, inner in _flatten(entry).items()}
        elif isinstance(entry, Tensor):
            arrays[part.name] = entry.detach().cpu().numpy()
        else:
            arrays[part.name] = np.asarray(entry)
    return arrays


def _unflatten(cls: type[Any], arrays: Mapping[str, np.ndarray], device: torch.device) -> Any:
    """Return the dataclass that `_flatten` flattened, by the types that it declares."""
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for part in dataclasses.fields(cls):
        inner = {k.removeprefix(f"{part.name}."): v for k, v in arrays.items() if k.startswith(f"{part.name}.")}
        hint = hints[part.name]
        if inner:
            members = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
            nested = next(member for member in members if dataclasses.is_dataclass(member))
            values[part.name] = _unflatten(typing.cast("type[Any]", nested), inner, device)
        elif part.name not in arrays and types.NoneType in typing.get_args(hint):
            values[part.name] = None
        elif hint in {int, float}:
            values[part.name] = hint(arrays[part.name])
        else:
            values[part.name] = canonical_tensor(torch.from_numpy(arrays[part.name].copy()).to(device))
    return cls(**values)
