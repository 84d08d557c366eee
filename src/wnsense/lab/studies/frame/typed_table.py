"""Tables of studies as typed values, and the way to read them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.study_head import read_head

Entry = TypeVar("Entry")
Entry_co = TypeVar("Entry_co", covariant=True)
Head = TypeVar("Head")
Head_co = TypeVar("Head_co", covariant=True)
Content = TypeVar("Content")

NonEmpty = Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1)]
"""Entries of a head; the head cannot be read if there is none."""


@dataclass(frozen=True)
class TypedTable(Generic[Head_co, Entry_co]):
    """Table of a study as typed values.

    Attributes:
        head: Head of the table.
        entries: Curves, scenes, sweeps or runs of the study with their arrays, in the order of the head.
    """

    head: Head_co
    entries: tuple[Entry_co, ...]


@dataclass(frozen=True)
class TableReader(Generic[Head, Content]):
    """Way in which the tables of a study are read as typed values.

    Attributes:
        kind: Dataclass of the head.
        words: Subject of the study, for messages.
        content: Returns the typed values, from the head and the table. It raises InputError if arrays are missing.
    """

    kind: type[Head]
    words: str
    content: Callable[[Head, Table], Content]

    def read(self, table: Table) -> Content:
        """Return a table as typed values.

        Raises:
            InputError: If it is not a table of such a study, or is damaged.
        """
        return self.content(read_head(table, self.kind, self.words), table)
