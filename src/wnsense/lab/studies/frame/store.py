"""Files of a study: one table, one file for each finished part, and the pictures and caption of the table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wnsense.checks import InputError, require
from wnsense.files.tables import Table, read_table, write_table
from wnsense.lab.costs import machine, peak_memory, versions
from wnsense.lab.studies.frame.specification import Scale, Specification

# Version of the meaning of tables; to be raised when arrays or the way of measuring change.
_FORMAT = 2


@dataclass(frozen=True)
class StudyResult:
    """Content of the table of a study.

    Attributes:
        arrays: Columns of the table.
        facts: Entries of the head that pictures and captions need.
        seconds: Time of all parts together, in seconds.
        memory: Largest memory of the process in any part, in bytes.
    """

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, object]
    seconds: float
    memory: int


@dataclass(frozen=True)
class Store:
    """A study at a scale in a directory.

    Attributes:
        directory: Folder of all files.
        specification: Description of the study.
        scale: Scale of the study.
    """

    directory: Path
    specification: Specification[object]
    scale: Scale

    @property
    def table(self) -> Path:
        """Path of the table."""
        return self.directory / f"{self.specification.name}_{self.scale}.npz"

    @property
    def caption(self) -> Path:
        """Path of the caption."""
        return self.table.with_suffix(".txt")

    @property
    def parts(self) -> Path:
        """Folder of the parts, one file each."""
        return self.directory / f"{self.specification.name}_{self.scale}_runs"

    def picture(self, suffix: str = "") -> Path:
        """Return the path of a picture; studies with several pictures give each a suffix."""
        return self.directory / f"{self.specification.name}{suffix}_{self.scale}.png"

    @property
    def has_begun(self) -> bool:
        """True if there is a table or a part to continue from."""
        return self.table.exists() or (self.parts.is_dir() and any(self.parts.iterdir()))

    def prepare(self) -> None:
        """Make the folder of the parts.

        Raises:
            InputError: If it cannot be made.
        """
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"needed a directory to write to, got {self.directory}: {error.strerror}") from error

    def finished(self) -> Table | None:
        """Return the table, or None if it has not been written.

        Raises:
            InputError: If it cannot be read, or belongs to another study, specification or version.
        """
        if not self.table.exists():
            return None
        table = read_table(self.table)
        _require_same(self.table, table.header, self.identity())
        return table

    def identity(self) -> dict[str, object]:
        """Return the entries of the head by which the table of this study, scale and version is recognized."""
        return {
            "format": _FORMAT,
            "form": self.specification.form,
            "name": self.specification.name,
            "scale": str(self.scale),
            "fingerprint": self.specification.fingerprint(self.scale),
            "versions": versions(),
        }

    def written(self) -> Table:
        """Return the table, whatever specification and versions it was made with.

        Raises:
            InputError: If it is missing, damaged, or belongs to another study.
        """
        command = f"wnsense study run {self.specification.name} --scale {self.scale}"
        require(self.table.exists(), f"the table {self.table}", "none there", f"make it with {command}")
        table = read_table(self.table)
        for name in ("format", "form", "name", "scale"):
            needed = self.identity()[name]
            require(table.header.get(name) == needed, f"{name} {needed} in {self.table}", table.header.get(name))
        return table

    def kept(self, key: str) -> Table | None:
        """Return a finished part, or None if it has not ended.

        Raises:
            InputError: If its file cannot be read or was written by other versions.
        """
        path = self._part(key)
        if not path.exists():
            return None
        table = read_table(path)
        _require_same(path, table.header, _facts(key))
        return table

    def keep(self, key: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> Table:
        """Write a part, remove its checkpoint, and return the part as it is read back."""
        header = {**_facts(key), "peak_memory": peak_memory(), **facts}
        table = _as_read(header, arrays)
        write_table(self._part(key), table)
        self.checkpoint(key).unlink(missing_ok=True)
        return table

    def checkpoint(self, key: str) -> Path:
        """Return the path of the checkpoint of an unfinished part."""
        return self.parts / f"{key}.part.npz"

    def finish(self, result: StudyResult) -> Table:
        """Write the table of the whole study and return it as it is read back."""
        header = {
            **self.identity(),
            "title": self.specification.title,
            "claim": self.specification.claim,
            "chosen": self.specification.choices,
            "machine": machine(),
            "threads": torch.get_num_threads(),
            **result.facts,
        }
        # Time and memory differ from run to run: they are arrays, so that heads of equal studies are equal.
        spent = {"spent_seconds": np.array([result.seconds]), "peak_memory": np.array([result.memory])}
        table = _as_read(header, {**result.arrays, **spent})
        write_table(self.table, table)
        return table

    def _part(self, key: str) -> Path:
        return self.parts / f"{key}.npz"


def _as_read(header: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> Table:
    """Return a table whose head is as JSON gives it back: tuples become lists."""
    return Table(json.loads(json.dumps(header)), arrays)


def _facts(key: str) -> dict[str, object]:
    return {"format": _FORMAT, "key": key, "versions": versions()}


def _require_same(path: Path, header: Mapping[str, object], needed: Mapping[str, object]) -> None:
    for name, value in needed.items():
        require(
            header.get(name) == value,
            f"{name} {value} in {path}",
            header.get(name),
            "name another directory, or remove that file to begin anew",
        )
