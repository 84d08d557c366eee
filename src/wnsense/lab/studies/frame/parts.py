"""Parts of a study that are all made in one way: how they are kept, and their arrays in one table."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.ledger import PartContent, PartLedger
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.running.progress import ProgressCallback

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Part = TypeVar("Part", bound=Hashable)

# Name of the array of a part that holds its time; the table of the study holds the sum only.
_SECONDS = "seconds"


def part_facts(part: "DataclassInstance") -> dict[str, object]:
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

    def numbered(self) -> dict[str, np.ndarray]:
        """Return the arrays of all parts; array `name` of the k-th part is called `k_name`."""
        return {
            f"{place}_{name}": array
            for place, part in enumerate(self.parts)
            for name, array in self.tables[part].arrays.items()
            if name != _SECONDS
        }

    def result(self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> StudyResult:
        """Return the content of the study's table, with the time and the memory of the parts."""
        return self.ledger.result(arrays, facts)


def make_parts(
    store: Store,
    parts: Sequence[Part],
    progress: ProgressCallback,
    *,
    key: Callable[[Part], str],
    words: Callable[[Part], str],
    facts: Callable[[Part], Mapping[str, object]],
    make: Callable[[Part], Mapping[str, np.ndarray]],
) -> PartTables[Part]:
    """Make every part that is missing, and keep each in a file of its own as it ends.

    Args:
        store: Files of the study.
        parts: Parts, in order.
        progress: Callback for reports of progress.
        key: Returns the name of a part's file.
        words: Returns a part in words.
        facts: Returns the entries of the head of a part's file.
        make: Returns the arrays of a part. An array `seconds` (1,) among them is its time, interruptions included;
            without it the time is measured here.

    Raises:
        InputError: If there are files of another specification or version, or files cannot be written.
        KeyboardInterrupt: If interrupted.
    """
    store.prepare()
    ledger = PartLedger(store, progress, len(parts), lambda table: float(table.arrays[_SECONDS][0]))

    def content(part: Part) -> PartContent:
        ledger.report(words(part))
        begun = time.perf_counter()
        arrays = make(part)
        return {_SECONDS: np.array([time.perf_counter() - begun]), **arrays}, facts(part)

    def made(part: Part) -> Table:
        return ledger.part(key(part), words(part), lambda: content(part))

    return PartTables(parts, {part: made(part) for part in parts}, ledger)
