"""Where a study lies on disk: one table, made of parts that are each kept as they end, and what is drawn from it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from wnsense.atomic import write_text
from wnsense.checks import InputError, require
from wnsense.files.tables import Table, read_table, write_table
from wnsense.lab.costs import machine, peak_memory, versions
from wnsense.lab.studies.forms import caption, pictures
from wnsense.pages.picture_file import save

# Told what is being done, how much of it is done, and of how much.
Tell = Callable[[str, int, int], None]

# What the tables mean; to be raised when arrays or the way of measuring change.
_FORMAT = 2


class Scale(StrEnum):
    """How large a study is run."""

    QUICK = "quick"
    PAPER = "paper"


@runtime_checkable
class Specification(Protocol):
    """What every study says of itself: data only, so that it can be compared, hashed and written into its table."""

    @property
    def name(self) -> str:
        """What to call it on the command line, and its files."""
        ...

    @property
    def form(self) -> str:
        """Which pictures and captions are made of its table (`wnsense.lab.studies.forms`)."""
        ...

    @property
    def title(self) -> str:
        """What it shows, in a line."""
        ...

    @property
    def claim(self) -> str:
        """What the source says of it, in our words."""
        ...

    @property
    def chosen(self) -> tuple[str, ...]:
        """What the source does not give and was chosen here."""
        ...

    def fingerprint(self, scale: Scale) -> str:
        """A hash of all that its table's numbers depend on."""
        ...


@dataclass(frozen=True)
class Store:
    """A study at a scale in a directory: its table, its pictures, and its parts in a folder beside them.

    Attributes:
        directory: Where all are.
        study: What is run.
        scale: How large.
    """

    directory: Path
    study: Specification
    scale: Scale

    @property
    def table(self) -> Path:
        """What pictures and captions are made of."""
        return self.directory / f"{self.study.name}_{self.scale}.npz"

    @property
    def caption(self) -> Path:
        """The text under the pictures."""
        return self.table.with_suffix(".txt")

    @property
    def parts(self) -> Path:
        """A folder of one file a part."""
        return self.directory / f"{self.study.name}_{self.scale}_runs"

    def picture(self, suffix: str = "") -> Path:
        """A picture; studies of several tell them apart by a suffix."""
        return self.directory / f"{self.study.name}{suffix}_{self.scale}.png"

    @property
    def has_begun(self) -> bool:
        """Whether anything is there to go on from."""
        return self.table.exists() or (self.parts.is_dir() and any(self.parts.iterdir()))

    def prepare(self) -> None:
        """Make the folder of parts.

        Raises:
            InputError: When it cannot be made.
        """
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"needed a directory to write to, got {self.directory}: {error.strerror}") from error

    def finished(self) -> Table | None:
        """The table, if it is there.

        Raises:
            InputError: When it cannot be read, or is of another study, specification or version.
        """
        if not self.table.exists():
            return None
        table = read_table(self.table)
        _require_same(self.table, table.header, self.belongs())
        return table

    def belongs(self) -> dict[str, object]:
        """What a table must say of itself to be this one."""
        return {
            "format": _FORMAT,
            "form": self.study.form,
            "name": self.study.name,
            "scale": str(self.scale),
            "fingerprint": self.study.fingerprint(self.scale),
            "versions": versions(),
        }

    def written(self) -> Table:
        """The table as it lies there, whoever made it and with whatever versions.

        Raises:
            InputError: When it is missing, damaged, or of another study.
        """
        command = f"wnsense study run {self.study.name} --scale {self.scale}"
        require(self.table.exists(), f"the table {self.table}", "none there", f"make it with {command}")
        table = read_table(self.table)
        for name in ("format", "form", "name", "scale"):
            needed = self.belongs()[name]
            require(table.header.get(name) == needed, f"{name} {needed} in {self.table}", table.header.get(name))
        return table

    def kept(self, key: str) -> Table | None:
        """A part, if it has ended.

        Raises:
            InputError: When its file cannot be read or is of other versions.
        """
        path = self._part(key)
        if not path.exists():
            return None
        table = read_table(path)
        _require_same(path, table.header, _facts(key))
        return table

    def keep(self, key: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> Table:
        """Write a part, and then remove its checkpoint; returns it as it will be read back."""
        header = {**_facts(key), "peak_memory": peak_memory(), **facts}
        table = Table(json.loads(json.dumps(header)), arrays)
        write_table(self._part(key), table)
        self.checkpoint(key).unlink(missing_ok=True)
        return table

    def checkpoint(self, key: str) -> Path:
        """Where a part under way is kept."""
        return self.parts / f"{key}.part.npz"

    def finish(
        self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, object], *, seconds: float, memory: int
    ) -> Table:
        """Write the table of the whole study.

        Args:
            arrays: Its columns.
            facts: What its pictures and captions need to know besides.
            seconds: What all parts took together.
            memory: The most bytes that the process held in any of them.
        """
        study = self.study
        header = {
            **self.belongs(),
            "title": study.title,
            "claim": study.claim,
            "chosen": study.chosen,
            "machine": machine(),
            "threads": torch.get_num_threads(),
            **facts,
        }
        # Numbers of one machine on one day are no part of what the same study gives again: arrays, not header.
        spent = {"spent_seconds": np.array([seconds]), "peak_memory": np.array([memory])}
        # As it will be read back: tuples are lists in JSON.
        table = Table(json.loads(json.dumps(header)), {**arrays, **spent})
        write_table(self.table, table)
        return table

    def publish(self, table: Table) -> list[Path]:
        """Write pictures and caption, of nothing but the table; returns their files."""
        files = []
        for suffix, figure in pictures(table).items():
            save(figure, self.picture(suffix))
            files.append(self.picture(suffix))
        write_text(self.caption, caption(table))
        return [*files, self.caption]

    def _part(self, key: str) -> Path:
        return self.parts / f"{key}.npz"


def _facts(key: str) -> dict[str, object]:
    return {"format": _FORMAT, "key": key, "versions": versions()}


def _require_same(path: Path, known: Mapping[str, object], needed: Mapping[str, object]) -> None:
    for name, value in needed.items():
        require(
            known.get(name) == value,
            f"{name} {value} in {path}",
            known.get(name),
            "name another directory, or remove that file to begin anew",
        )
