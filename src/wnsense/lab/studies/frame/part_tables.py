"""Tables of studies that are made of numbered parts, read part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import msgspec
import numpy as np

from wnsense.checks import InputError, require
from wnsense.files.tables import Table

Facts = Mapping[str, object]
Arrays = Mapping[str, np.ndarray]
Part = TypeVar("Part")
Part_co = TypeVar("Part_co", covariant=True)


@dataclass(frozen=True)
class MeasuredPart(Generic[Part_co]):
    """Part of a study with its arrays.

    Attributes:
        part: Specification of the part.
        arrays: Arrays by name, described where they are measured.
    """

    part: Part_co
    arrays: Arrays

    def single(self, name: str) -> float:
        """Return the number in an array of one number."""
        return float(self.arrays[name][0])


def measured_parts(table: Table, words: str, kind: type[Part], name: str) -> list[MeasuredPart[Part]]:
    """Return the parts of one class, in order, each as an object of its class with its arrays.

    Args:
        table: Table with `parts` in its head; the arrays of the k-th part are named `k_` and their name.
        words: Subject of the study, for messages.
        kind: Class of the parts.
        name: Name of an array that each part must have.

    Raises:
        InputError: If there is no such part, one without that array, or one with other fields.
    """
    parts = _numbered_parts(table, words, kind.__name__, name)
    try:
        return [MeasuredPart(msgspec.convert(dict(facts), kind), arrays) for facts, arrays in parts]
    except msgspec.ValidationError as error:
        damage = str(error).replace("`", "")
        raise InputError(f"needed parts of kind {kind.__name__}, got another: {damage}; run the study again") from error


def required_array(table: Table, words: str, name: str) -> np.ndarray:
    """Return an array of a table.

    Args:
        table: Table of a study.
        words: Subject of the study, for the message.
        name: Name of the array.

    Raises:
        InputError: If there is no such array.
    """
    if name not in table.arrays:
        raise InputError(f"needed the table of a study of {words}, got one without '{name}'; run the study again")
    return table.arrays[name]


def _numbered_parts(table: Table, words: str, kind: str, name: str) -> Sequence[tuple[Facts, Arrays]]:
    """Return the parts of one kind, in order: the entry of the table's head, and the arrays by name.

    Args:
        table: Table with `parts` in its head; the arrays of the k-th part are named `k_` and their name.
        words: Subject of the study, for messages.
        kind: Name of the class of the parts, as the table's head has it.
        name: Name of an array that each part must have.

    Raises:
        InputError: If there is no such part, or one without that array.
    """
    entries = table.header.get("parts")
    require(isinstance(entries, list), f"the table of a study of {words}", "one without parts", "run it again")
    parts = []
    for place, facts in enumerate(cast("list[Facts]", entries)):
        if facts.get("kind") != kind:
            continue
        prefix = f"{place}_"
        arrays = {key.removeprefix(prefix): array for key, array in table.arrays.items() if key.startswith(prefix)}
        if name not in arrays:
            raise InputError(f"needed a table with {prefix}{name}, got one without; run the study again")
        parts.append((facts, arrays))
    require(bool(parts), f"a table with parts of kind {kind}", "none", "run the study again")
    return parts
