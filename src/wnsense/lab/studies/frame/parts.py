"""The parts of a study: their names, how each is made and kept, and the arrays of all under one roof."""

import hashlib
import json
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.store import Specification, Store, Tell

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Study = TypeVar("Study", bound=Specification)
Part = TypeVar("Part", bound=Hashable)

# Of a part's arrays, what it took; summed over parts, it is no array of the study.
_SECONDS = "seconds"


def hashed(facts: object) -> str:
    """Sixty-four digits that are the same for the same facts in every process, and others for all others."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def part_facts(part: "DataclassInstance") -> dict[str, object]:
    """What a table's head says of a part."""
    return {"kind": type(part).__name__, **asdict(part)}


def study_of(store: Store, kind: type[Study], words: str) -> Study:
    """The study of a store, where it is of that kind.

    Args:
        store: Which study.
        kind: What is needed.
        words: The kind in words.

    Raises:
        InputError: When it is another.
    """
    if not isinstance(store.study, kind):
        raise InputError(f"needed a study of {words}, got {store.study.name} of form {store.study.form}")
    return store.study


@dataclass(frozen=True)
class Made(Generic[Part]):
    """All parts as they were kept.

    Attributes:
        parts: In order.
        tables: Each part's.
        seconds: What they took together.
        memory: The most bytes that the process held in any of them.
    """

    parts: Sequence[Part]
    tables: Mapping[Part, Table]
    seconds: float
    memory: int

    def numbered(self) -> dict[str, np.ndarray]:
        """The arrays of the k-th part under `k_` and their names."""
        return {
            f"{place}_{name}": array
            for place, part in enumerate(self.parts)
            for name, array in self.tables[part].arrays.items()
            if name != _SECONDS
        }


def make_parts(
    store: Store,
    parts: Sequence[Part],
    tell: Tell,
    *,
    key: Callable[[Part], str],
    words: Callable[[Part], str],
    facts: Callable[[Part], Mapping[str, object]],
    make: Callable[[Part], Mapping[str, np.ndarray]],
) -> Made[Part]:
    """Make every part that has not been made, and keep each in a file of its own as it ends.

    Args:
        store: Where they are kept.
        parts: Which, in order.
        tell: Told of progress.
        key: What to call a part's file.
        words: What to call it in words.
        facts: What its file's head says of it.
        make: What gives its arrays. Where these have `seconds` (1,), they are what it took, over interruptions too;
            otherwise it is timed here.

    Raises:
        InputError: When what is there is of another specification or version, or cannot be written.
        KeyboardInterrupt: When interrupted.
    """
    store.prepare()
    tables: dict[Part, Table] = {}
    for place, part in enumerate(parts):
        tell(words(part), place, len(parts))
        table = store.kept(key(part))
        if table is None:
            begun = time.perf_counter()
            arrays = make(part)
            spent = {_SECONDS: np.array([time.perf_counter() - begun]), **arrays}
            table = store.keep(key(part), spent, facts(part))
        tables[part] = table
    tell("merging", len(parts), len(parts))
    seconds = sum(float(table.arrays[_SECONDS][0]) for table in tables.values())
    memory = max((int(str(table.header["peak_memory"])) for table in tables.values()), default=0)
    return Made(parts, tables, seconds, memory)
