"""Parts of a study that are made or read back one after the other, and what they took together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.running.progress import ProgressCallback

PartContent = tuple[Mapping[str, np.ndarray], Mapping[str, object]]
"""Arrays of a part, and the entries of its head."""


@dataclass
class PartLedger:
    """Parts of one run of a study.

    It is the one thing of a run that changes: each part is entered as it ends.

    Attributes:
        store: Files of the study.
        progress: Callback for reports of progress.
        total: Work in all, in any unit.
        seconds_of: Returns the time that a part took, in seconds.
        done: Work of the parts entered so far.
        tables: Parts entered so far, by their keys.
    """

    store: Store
    progress: ProgressCallback
    total: float
    seconds_of: Callable[[Table], float]
    done: float = 0.0
    tables: dict[str, Table] = field(default_factory=dict)

    def part(self, key: str, words: str, make: Callable[[], PartContent], work: float = 1.0) -> Table:
        """Return a part: read back if it has been made, made and kept if not.

        Args:
            key: Name of the part's file.
            words: The part in words.
            make: Makes the part; it may report the progress within the part.
            work: Work of the part, in the unit of `total`.

        Raises:
            InputError: If there is a file of other versions, or the file cannot be written.
            KeyboardInterrupt: If interrupted.
        """
        if key not in self.tables:
            kept = self.store.kept(key)
            self.tables[key] = self.store.keep(key, *make()) if kept is None else kept
            self.done += work
            self.report(words)
        return self.tables[key]

    def report(self, words: str, under_way: float = 0.0) -> None:
        """Report progress, with the work done in a part that has not ended."""
        self.progress(words, round(self.done + under_way), round(self.total))

    def result(self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> StudyResult:
        """Return the content of the study's table, with the time and the memory of all parts.

        Raises:
            InputError: If the head of a part is damaged.
        """
        self.progress("merging", round(self.total), round(self.total))
        tables = self.tables.values()
        seconds, memory = sum(map(self.seconds_of, tables)), max(map(_memory_of, tables), default=0)
        return StudyResult(arrays, facts, seconds, memory)


def _memory_of(part: Table) -> int:
    memory = part.header.get("peak_memory")
    if not isinstance(memory, int):
        raise InputError(f"needed a part with peak_memory in its head, got {memory}; remove the part to make it anew")
    return memory
