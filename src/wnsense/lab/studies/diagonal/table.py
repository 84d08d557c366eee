"""Tables of the studies of diagonal networks, read as typed parts."""

from typing import TypeVar

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.part_tables import MeasuredPart, measured_parts

# Relative error at which a vector counts as found.
FOUND = 0.02

Part = TypeVar("Part")


def parts_of(table: Table, kind: type[Part], name: str) -> list[MeasuredPart[Part]]:
    """Return the parts of one kind, in order.

    Args:
        table: Table of a study of diagonal networks.
        kind: Class of the parts.
        name: Name of an array that each part must have.

    Raises:
        InputError: If there is no such part, one without that array, or one that is damaged.
    """
    return measured_parts(table, "diagonal networks", kind, name)
