"""Parts of a study that are all made in one way: how they are kept, and their arrays in one table."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Generic, TypeVar

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.ledger import PartContent, PartLedger
from wnsense.lab.studies.frame.specification import Scale, Specification
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.running.progress import ProgressCallback

Part = TypeVar("Part", bound=Hashable)

# Name of the array of a part that holds its time; the table of the study holds the sum only.
_SECONDS = "seconds"


@dataclass(frozen=True)
class NumberedPart:
    """Part of a study whose table has the arrays of all parts; the fields of the part stand in the table's head."""


Numbered = TypeVar("Numbered", bound=NumberedPart)
Numbered_co = TypeVar("Numbered_co", bound=NumberedPart, covariant=True)


@dataclass(frozen=True)
class NumberedSpecification(Specification[tuple[Numbered_co, ...]], Generic[Numbered_co]):
    """Specification of a study whose table has the arrays of all parts; a plan is the tuple of its parts."""

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return [part_facts(part) for part in self.plan(scale)]


def part_facts(part: NumberedPart) -> dict[str, object]:
    """Return the entry of a table's head for a part: the name of its class as `kind`, and its fields."""
    return {"kind": type(part).__name__, **asdict(part)}


@dataclass(frozen=True)
class PartTables(Generic[Part]):
    """Tables of all parts of a study.

    Attributes:
        parts: Parts, in order.
        tables: Table of each part.
        ledger: Ledger in which the parts were entered.
    """

    parts: Sequence[Part]
    tables: Mapping[Part, Table]
    ledger: PartLedger

    def result(self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> StudyResult:
        """Return the content of the study's table, with the time and the memory of the parts."""
        return self.ledger.result(arrays, facts)


@dataclass(frozen=True)
class PartWork(Generic[Part]):
    """Functions of a part, by which the parts of a study are named and made.

    Attributes:
        key: Returns the name of the part's file.
        words: Returns the part in words, for reports of progress.
        facts: Returns the entries of the head of the part's file.
        make: Returns the arrays of the part. An array `seconds` (1,) among them is its time, interruptions included;
            without it the time is measured here.
    """

    key: Callable[[Part], str]
    words: Callable[[Part], str]
    facts: Callable[[Part], Mapping[str, object]]
    make: Callable[[Part], Mapping[str, np.ndarray]]


def make_parts(
    store: Store, parts: Sequence[Part], progress: ProgressCallback, work: PartWork[Part]
) -> PartTables[Part]:
    """Make every part that is missing, and keep each in a file of its own as it ends.

    Args:
        store: Files of the study.
        parts: Parts, in order.
        progress: Callback for reports of progress.
        work: Functions of a part.

    Raises:
        InputError: If there are files of another specification or version, or files cannot be written.
        KeyboardInterrupt: If interrupted.
    """
    store.prepare()
    ledger = PartLedger(store, progress, len(parts), lambda table: float(table.arrays[_SECONDS][0]))

    def content(part: Part) -> PartContent:
        ledger.report(work.words(part))
        begun = time.perf_counter()
        arrays = work.make(part)
        return {_SECONDS: np.array([time.perf_counter() - begun]), **arrays}, work.facts(part)

    def made(part: Part) -> Table:
        return ledger.part(work.key(part), work.words(part), lambda: content(part))

    return PartTables(parts, {part: made(part) for part in parts}, ledger)


def part_entry(part: NumberedPart) -> dict[str, object]:
    """Return the entries of the head of a numbered part's file."""
    return {"part": part_facts(part)}


def numbered_result(made: PartTables[Numbered], facts: Mapping[str, object]) -> StudyResult:
    """Return the content of a table that has the arrays of all parts.

    The table's head has `parts`, the specifications in order. Array `name` of the k-th part is called `k_name`.

    Args:
        made: Tables of all parts.
        facts: Further entries of the table's head.
    """
    arrays = {
        f"{place}_{name}": array
        for place, part in enumerate(made.parts)
        for name, array in made.tables[part].arrays.items()
        if name != _SECONDS
    }
    return made.result(arrays, {"parts": [part_facts(part) for part in made.parts], **facts})
