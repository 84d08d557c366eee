"""Checkpoint of a training: model, optimizer, order of the data and random numbers in a file, without pickle."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from wnsense.atomic import require_place
from wnsense.checks import InputError, require
from wnsense.files.damage import expect
from wnsense.files.tables import Table, read_table
from wnsense.networks.training.batch_source import order_generator
from wnsense.networks.training.moment import Moment
from wnsense.networks.training.plain_state import as_plain, from_plain, joined_optimizer_state, split_optimizer_state
from wnsense.networks.training.plan import CheckpointPlan
from wnsense.networks.training.position import Position, Stopwatch
from wnsense.networks.training.random_states import RandomStates
from wnsense.networks.training.tensor_arrays import as_array, as_tensor
from wnsense.networks.training.training_identity import training_fingerprint, training_machine
from wnsense.networks.training.training_task import TrainingTask
from wnsense.running.checkpoint_file import check_checkpoint, readable, write_checkpoint
from wnsense.running.trace import Columns, Row

_KIND = "training"
# Kinds of NumPy's numbers: signed, unsigned, floating and truth values.
_NUMBERS = "iufb"


@dataclass(frozen=True)
class TrainingCheckpoint:
    """File from which a training can be resumed.

    Attributes:
        path: File, `.npz`.
        task: Training.
        fingerprint: Hash of the training, taken before its first step.
        every_seconds: Interval between checkpoints.
    """

    path: Path
    task: TrainingTask
    fingerprint: str
    every_seconds: float

    @classmethod
    def of(cls, plan: CheckpointPlan, task: TrainingTask) -> "TrainingCheckpoint":
        """Return the checkpoint of a training. A new one is checked to be writable before the training starts.

        Raises:
            InputError: If the training cannot be resumed bit for bit, or the file cannot be written or is another.
        """
        order_generator(task.data)
        checkpoint = cls(Path(plan.path), task, training_fingerprint(task), plan.every_seconds)
        if not plan.resume:
            if checkpoint.path.exists():
                _read(checkpoint.path, "name another file for the checkpoint")
            require_place(checkpoint.path)
        return checkpoint

    def is_due(self, moment: Moment) -> bool:
        """Return True if the interval since the last checkpoint is over."""
        return time.monotonic() - moment.saved_at >= self.every_seconds

    def save(self, moment: Moment) -> Moment:
        """Write the file whole or not at all, and return the moment with the time of writing.

        Raises:
            InputError: If the file cannot be written.
        """
        task, at = self.task, moment.position
        optimizer, plain = split_optimizer_state(task.optimizer.state_dict())
        tensors = _prefixed("model", task.model.state_dict()) | _prefixed("optimizer", optimizer)
        random = RandomStates.present()
        tensors["random.cpu"] = random.cpu
        tensors |= {f"random.{index}": state for index, state in enumerate(random.devices)}
        tensors |= {name: t for name, t in (("order", at.order), ("before", at.before)) if t is not None}
        arrays = {name: as_array(tensor) for name, tensor in tensors.items()}
        arrays["sums"] = np.array([at.watch.read(), at.loss_sum, at.slope_sum])
        arrays |= {f"records.{name}": column for name, column in Columns.from_rows(list(moment.rows)).items()}
        scheduler = task.scheduler
        header = {
            "kind": _KIND,
            "fingerprint": self.fingerprint,
            "machine": training_machine(task.model),
            "counts": [at.epoch, at.in_epoch, at.step],
            "dtypes": {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()},
            "optimizer": plain,
            "scheduler": None if scheduler is None else as_plain(scheduler.state_dict(), "the scheduler's state"),
        }
        write_checkpoint(self.path, Table(header, arrays))
        return replace(moment, saved_at=time.monotonic())

    def load(self) -> Moment:
        """Set model, optimizer and scheduler to the states of the file, and return its moment.

        The random generators are not set: the order of the data must be restored before them.

        Raises:
            InputError: If the file is missing, damaged, or of another training or version.
        """
        table = _read(self.path, "train without resuming, to another file")
        check_checkpoint(table, self.path)
        require_place(self.path)
        with readable(self.path):
            self._check_identity(table.header)
            return self._moment(table)

    def _moment(self, table: Table) -> Moment:
        """Set model, optimizer and scheduler to the states of a table, and return its moment."""
        header: Mapping[str, Any] = table.header
        tensors = {name: as_tensor(table.arrays[name], kind) for name, kind in header["dtypes"].items()}
        self.task.model.load_state_dict(_under("model", tensors))
        self.task.optimizer.load_state_dict(joined_optimizer_state(_under("optimizer", tensors), header["optimizer"]))
        if self.task.scheduler is not None:
            # torch declares the states of all schedulers as dicts with texts for keys.
            schedule: Any = from_plain(header["scheduler"])
            self.task.scheduler.load_state_dict(schedule)
        devices = sorted((name for name in tensors if name.startswith("random.") and name != "random.cpu"), key=_number)
        random = RandomStates(tensors["random.cpu"], tuple(tensors[name] for name in devices))
        records = _under("records", table.arrays)
        expect(all(column.dtype.kind in _NUMBERS for column in records.values()))
        columns = {name: column.tolist() for name, column in records.items()}
        rows: list[Row] = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        position = self._position(header["counts"], table.arrays["sums"], tensors)
        return Moment(position, tuple(rows), random, time.monotonic(), is_loaded=True)

    def _position(self, counts: list[int], sums: np.ndarray, tensors: Mapping[str, Tensor]) -> Position:
        epoch, in_epoch, step = counts
        seconds, loss_sum, slope_sum = sums.tolist()
        before = tensors.get("before")
        if before is not None:
            before = before.to(next(self.task.model.parameters()).device)
        return Position(epoch, in_epoch, step, Stopwatch(seconds), loss_sum, slope_sum, tensors.get("order"), before)

    def _check_identity(self, header: Mapping[str, Any]) -> None:
        """Refuse the checkpoint of another training, and warn of another machine."""
        if header["fingerprint"] != self.fingerprint:
            raise InputError(
                f"needed the model, optimizer and data that {self.path} was written with, got others; "
                "train without resuming, or with the same ones"
            )
        then, now = header["machine"], training_machine(self.task.model)
        changed = [f"{name} {then.get(name)} -> {now[name]}" for name in now if then.get(name) != now[name]]
        if changed:
            text = f"resumed on another set-up ({', '.join(changed)}): the result may differ in its last digits"
            warnings.warn(text, stacklevel=2)


def _read(path: Path, advice: str) -> Table:
    """Return a checkpoint, or raise an error in one line if the file is none."""
    needed = f"the checkpoint of a training, written by wnsense, at {path}"
    require(path.is_file(), needed, "a directory" if path.is_dir() else "nothing there", advice)
    try:
        table = read_table(path)
    except InputError as error:
        # NumPy's own message does not help, and its advice on pickle is dangerous.
        raise InputError(f"needed {needed}, got a file that is cut short, or something else; {advice}") from error
    require(table.header.get("kind") == _KIND, needed, "another file of wnsense", advice)
    return table


def _prefixed(prefix: str, entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": entry for name, entry in entries.items()}


def _under(prefix: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    start = f"{prefix}."
    return {name.removeprefix(start): entry for name, entry in entries.items() if name.startswith(start)}


def _number(name: str) -> int:
    return int(name.split(".")[1])
