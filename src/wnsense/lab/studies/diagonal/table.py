"""Tables of the studies of diagonal networks, read as typed parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.diagonal_parts import DiagonalPart
from wnsense.lab.studies.frame.part_tables import MeasuredPart, measured_parts

WORDS = "diagonal networks"
# Relative error at which a vector counts as found.
FOUND = 0.02

Part = TypeVar("Part")
Grouped_co = TypeVar("Grouped_co", bound=DiagonalPart, covariant=True)


@dataclass(frozen=True)
class PartGroup(Generic[Grouped_co]):
    """Parts that differ in their problems' seeds only.

    Attributes:
        parts: Parts, one a problem.
    """

    parts: Sequence[MeasuredPart[Grouped_co]]

    @property
    def first(self) -> Grouped_co:
        """Specification of the first part, which is that of all but for the seed."""
        return self.parts[0].part


def parts_of(table: Table, kind: type[Part], name: str) -> list[MeasuredPart[Part]]:
    """Return the parts of one kind, in order.

    Args:
        table: Table of a study of diagonal networks.
        kind: Class of the parts.
        name: Name of an array that each part must have.

    Raises:
        InputError: If there is no such part, one without that array, or one that is damaged.
    """
    return measured_parts(table, WORDS, kind, name)
