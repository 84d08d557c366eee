"""Heads of tables as typed values, and their arrays by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.specification import Scale

Head = TypeVar("Head")


@dataclass(frozen=True, kw_only=True)
class StudyHead:
    """Part of the head that the tables of all studies share; a study extends it by entries of its own.

    Attributes:
        name: Name of the study.
        form: Form of the table.
        scale: Scale of the study.
        title: Title, one line.
        claim: Statement of the source, in our words.
        chosen: Settings that the source does not give and that were chosen here.
        machine: Machine on which the study ran.
        threads: Number of threads.
        versions: Versions of the libraries by their names.
        fingerprint: Hash of the specification.
        format: Version of the format of the table.
    """

    name: str
    form: str
    scale: Scale
    title: str
    claim: str
    chosen: Sequence[str] = ()
    machine: str = ""
    threads: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    format: int | None = None

    @property
    def scale_words(self) -> str:
        """Scale in parentheses, after a space; empty at the scale of the source."""
        return "" if self.scale is Scale.PAPER else f" ({self.scale} scale)"

    @property
    def scaled_title(self) -> str:
        """Title, with the scale in parentheses if it is not that of the source."""
        return f"{self.title}{self.scale_words}"


def read_head(table: Table, kind: type[Head], words: str) -> Head:
    """Return the head of a table as a dataclass; fields that the dataclass does not have are ignored.

    Args:
        table: Table of a study.
        kind: Dataclass whose fields have the names and the types of the head's entries.
        words: Subject of the study, for the message.

    Raises:
        InputError: If an entry is missing or of another type.
    """
    try:
        return msgspec.convert(dict(table.header), kind)
    except msgspec.ValidationError as error:
        damage = str(error).replace("`", "")
        raise InputError(
            f"needed the table of a study of {words}, got another: {damage}; run the study again"
        ) from error


def prefixed_arrays(table: Table, prefix: str, names: Sequence[str], words: str) -> dict[str, np.ndarray]:
    """Return the arrays of a table whose names begin with a prefix, by their names without it.

    Args:
        table: Table of a study.
        prefix: Prefix of the names.
        names: Names, without the prefix, that must be there.
        words: Subject of the study, for the message.

    Raises:
        InputError: If an array is missing.
    """
    arrays = {name.removeprefix(prefix): array for name, array in table.arrays.items() if name.startswith(prefix)}
    missing = ", ".join(f"{prefix}{name}" for name in names if name not in arrays)
    require(not missing, f"the table of a study of {words}", f"one without {missing}", "run the study again")
    return arrays
