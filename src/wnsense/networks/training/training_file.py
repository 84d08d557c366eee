"""What a training must remember, in a file: model, optimizer, order of the data, random numbers; without pickle."""

import hashlib
import json
import platform
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, TensorDataset

from wnsense.checks import InputError, require
from wnsense.files.tables import Table, read_table, write_table
from wnsense.networks.training.batch_source import Batches
from wnsense.networks.training.plain_state import as_plain, from_plain
from wnsense.running.trace import Columns, Row

_KIND = "training"
# A fingerprint reads at most so many numbers of each tensor of the data.
_SAMPLED_ENTRIES = 100_000


@dataclass(frozen=True)
class RandomStates:
    """Of the generators that everybody shares, which dropout draws from.

    Attributes:
        cpu: Of the CPU's.
        devices: Of each GPU's.
    """

    cpu: Tensor
    devices: tuple[Tensor, ...]

    @classmethod
    def present(cls) -> "RandomStates":
        """As they are."""
        return cls(torch.get_rng_state(), tuple(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else ())

    def restore(self) -> None:
        """Set them."""
        torch.set_rng_state(self.cpu)
        if self.devices and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(list(self.devices))


@dataclass
class Position:
    """Where a training is; changes at every step.

    Attributes:
        epoch: Epochs done.
        in_epoch: Steps done in the present one.
        step: Steps done.
        seconds: Time spent in steps.
        loss_sum: Of the losses of the present epoch's steps.
        slope_sum: Of their gradients' norms.
        order: The state of the data's generator when the present epoch began.
        before: The parameters then, where somebody measures.
        random: Of the shared generators at this point; None but after loading.
    """

    epoch: int = 0
    in_epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    slope_sum: float = 0.0
    order: Tensor | None = None
    before: Float[Tensor, " p"] | None = None
    random: RandomStates | None = None


@dataclass
class TrainingFile:
    """The file of one training.

    Attributes:
        path: `.npz`.
        model: What is trained.
        optimizer: By what.
        data: On what.
        scheduler: What changes its learning rate, if anything.
        settings: What else must agree for the run to be the same.
        every_seconds: How often to write.
    """

    path: Path
    model: nn.Module
    optimizer: torch.optim.Optimizer
    data: Batches
    scheduler: LRScheduler | None
    settings: tuple[str, ...]
    every_seconds: float
    _mark: str = field(default="", init=False, repr=False)
    _saved_at: float = field(default_factory=time.monotonic, init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the fingerprint now, before a run changes what it is of."""
        own = () if self.scheduler is None else (type(self.scheduler).__name__, repr(self._schedule()))
        self._mark = _fingerprint(self.model, self.optimizer, self.data, (*self.settings, *own))

    def claim(self) -> None:
        """See that a new file can be written, before a run has worked for it.

        Raises:
            InputError: When the place cannot be written, or holds something else.
        """
        if self.path.exists():
            _read(self.path, "name another file to keep the training in")
        _check_place(self.path)

    def _schedule(self) -> object:
        return None if self.scheduler is None else as_plain(self.scheduler.state_dict(), "the scheduler's state")

    def is_due(self) -> bool:
        """Whether the interval has passed."""
        return time.monotonic() - self._saved_at >= self.every_seconds

    def save(self, at: Position, rows: list[Row]) -> None:
        """Write the file whole or not at all."""
        arrays: dict[str, np.ndarray] = {}
        kinds: dict[str, str] = {}

        def keep(name: str, tensor: Tensor) -> None:
            arrays[name], kinds[name] = _as_array(tensor), str(tensor.dtype).removeprefix("torch.")

        for name, tensor in self.model.state_dict().items():
            keep(f"model.{name}", tensor)
        state = self.optimizer.state_dict()
        plain: dict[str, dict[str, Any]] = {}
        for index, entries in state["state"].items():
            plain[str(index)] = {}
            for key, entry in entries.items():
                if isinstance(entry, Tensor):
                    keep(f"optimizer.{index}.{key}", entry)
                else:
                    plain[str(index)][key] = entry
        random = RandomStates.present()
        keep("random.cpu", random.cpu)
        for index, tensor in enumerate(random.devices):
            keep(f"random.{index}", tensor)
        for name, tensor in (("order", at.order), ("before", at.before)):
            if tensor is not None:
                keep(name, tensor)
        arrays["sums"] = np.array([at.seconds, at.loss_sum, at.slope_sum])
        for name, column in Columns.from_rows(rows).items():
            arrays[f"records.{name}"] = column
        header = {
            "kind": _KIND,
            "fingerprint": self._mark,
            "machine": _machine(self.model),
            "counts": [at.epoch, at.in_epoch, at.step],
            "dtypes": kinds,
            "optimizer": {"groups": _plain_groups(state["param_groups"]), "state": plain},
            "scheduler": self._schedule(),
        }
        write_table(self.path, Table(header, arrays))
        self._saved_at = time.monotonic()

    def load(self) -> tuple[Position, list[Row]]:
        """Put model, optimizer and scheduler where the file has them.

        Raises:
            InputError: When the file is missing, damaged, or of another training.
        """
        table = _read(self.path, "train without resuming, to another file")
        _check_place(self.path)
        header: Mapping[str, Any] = table.header
        if header["fingerprint"] != self._mark:
            raise InputError(
                f"needed the model, optimizer and data that {self.path} was written with, got others; "
                "train without resuming, or with the same ones"
            )
        then, now = header["machine"], _machine(self.model)
        changed = [f"{name} {then.get(name)} -> {now[name]}" for name in now if then.get(name) != now[name]]
        if changed:
            text = f"resumed on another set-up ({', '.join(changed)}): the result may differ in its last digits"
            warnings.warn(text, stacklevel=2)
        tensors = {name: _as_tensor(table.arrays[name], kind) for name, kind in header["dtypes"].items()}
        self.model.load_state_dict(_under("model", tensors))
        self.optimizer.load_state_dict(_optimizer_state(header["optimizer"], _under("optimizer", tensors)))
        if self.scheduler is not None:
            # torch gives states of any keys the type of those with texts.
            schedule: Any = from_plain(header["scheduler"])
            self.scheduler.load_state_dict(schedule)
        epoch, in_epoch, step = header["counts"]
        seconds, loss_sum, slope_sum = table.arrays["sums"].tolist()
        before = tensors.get("before")
        device = next(self.model.parameters()).device
        devices = sorted((name for name in tensors if name.startswith("random.") and name != "random.cpu"), key=_number)
        random = RandomStates(tensors["random.cpu"], tuple(tensors[name] for name in devices))
        place = None if before is None else before.to(device)
        at = Position(epoch, in_epoch, step, seconds, loss_sum, slope_sum, tensors.get("order"), place, random)
        columns = {name: column.tolist() for name, column in _under("records", table.arrays).items()}
        rows: list[Row] = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return at, rows


def _read(path: Path, advice: str) -> Table:
    """A checkpoint, or a line that says why it is none."""
    needed = f"the checkpoint of a training, written by wnsense, at {path}"
    require(path.is_file(), needed, "a directory" if path.is_dir() else "nothing there", advice)
    try:
        table = read_table(path)
    except InputError as error:
        # What NumPy says of it is of no help to anybody, some of it dangerous.
        raise InputError(f"needed {needed}, got a file that is cut short, or something else; {advice}") from error
    require(table.header.get("kind") == _KIND, needed, "another file of wnsense", advice)
    return table


def _check_place(path: Path) -> None:
    """Put a file beside the one that is to be written, and take it away."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise InputError(
            f"needed a place to write {path}, got: {error.strerror}; name a directory you can write"
        ) from error


def _fingerprint(model: nn.Module, optimizer: torch.optim.Optimizer, data: Batches, settings: tuple[str, ...]) -> str:
    shapes = [(name, tuple(p.shape), str(p.dtype), p.requires_grad) for name, p in model.named_parameters()]
    groups = _plain_groups(optimizer.state_dict()["param_groups"])
    # Nothing but a loader is kept.
    length, size = (len(data), data.batch_size) if isinstance(data, DataLoader) else (0, None)
    about = [str(model), shapes, type(optimizer).__name__, groups, length, size, *settings]
    digest = hashlib.sha256(repr(about).encode())
    if isinstance(data, DataLoader) and isinstance(data.dataset, TensorDataset):
        for tensor in data.dataset.tensors:
            entries = tensor.detach().reshape(-1)
            stride = max(1, entries.numel() // _SAMPLED_ENTRIES)
            digest.update(repr(tuple(tensor.shape)).encode())
            digest.update(entries[::stride].to("cpu", torch.float32).numpy().tobytes())
    return digest.hexdigest()


def _plain_groups(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a JSON header holds of an optimizer's groups.

    Raises:
        InputError: When an option is not a plain value.
    """
    try:
        plain: list[dict[str, Any]] = json.loads(json.dumps(groups))
    except TypeError as error:
        raise InputError(
            f"needed an optimizer with plain numbers for options, got: {error}; give floats, not tensors"
        ) from error
    return plain


def _optimizer_state(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in header["state"].items()}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state[int(index)][key] = tensor
    # JSON has no tuples.
    groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in header["groups"]]
    return {"state": state, "param_groups": groups}


def _machine(model: nn.Module) -> dict[str, str]:
    """What must be the same for a resumed run to give the same bits."""
    parameter = next(model.parameters())
    return {
        "processor": platform.processor() or platform.machine(),
        "device": parameter.device.type,
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
    }


def _as_array(tensor: Tensor) -> np.ndarray:
    """Bytes as they are; NumPy has no bfloat16 and no smaller ones."""
    there = tensor.detach().cpu().contiguous()
    try:
        array: np.ndarray = there.numpy().copy()
    except TypeError:
        array = there.reshape(-1).view(torch.uint8).numpy().copy()
        shape = np.array(there.shape, dtype=np.int64).view(np.uint8)
        array = np.concatenate([np.array([there.dim()], dtype=np.uint8), shape, array])
    return array


def _as_tensor(array: np.ndarray, kind: str) -> Tensor:
    dtype: torch.dtype = getattr(torch, kind)
    # Copied, so that it lies in memory as torch's own tensors do: rounding may depend on it.
    tensor = torch.from_numpy(array.copy()).clone()
    if tensor.dtype == dtype:
        return tensor
    sides = int(array[0])
    shape = array[1 : 1 + 8 * sides].copy().view(np.int64)
    return tensor[1 + 8 * sides :].clone().view(dtype).reshape([int(side) for side in shape])


def _under(prefix: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    start = f"{prefix}."
    return {name.removeprefix(start): entry for name, entry in entries.items() if name.startswith(start)}


def _number(name: str) -> int:
    return int(name.split(".")[1])
