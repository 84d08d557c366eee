"""Tables of studies as typed values, and the way to read them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.study_head import StudyHead, read_head
from wnsense.pages.style import INK, TEXT

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


def entries_reader(
    kind: type[Head], words: str, entries: Callable[[Table], Iterable[Entry]]
) -> TableReader[Head, TypedTable[Head, Entry]]:
    """Return a reader of tables whose entries are their parts, whatever else the head has.

    Args:
        kind: Dataclass of the head.
        words: Subject of the study, for messages.
        entries: Returns the entries of a table. It raises InputError if parts or arrays are missing.
    """
    return TableReader(kind, words, lambda head, table: TypedTable(head, tuple(entries(table))))


def titled(figure: Figure, head: StudyHead, words: str) -> None:
    """Set the title of a figure, with the scale in parentheses if it is not that of the source."""
    figure.suptitle(f"{words}{head.scale_words}", fontsize=TEXT + 2, color=INK, x=0.01, ha="left")
