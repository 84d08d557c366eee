"""Data that describe a study: its texts, its plan at each scale, and a hash of what its numbers depend on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

Plan_co = TypeVar("Plan_co", covariant=True)


class Scale(StrEnum):
    """Size of a study: seconds, or the size of the source."""

    QUICK = "quick"
    PAPER = "paper"


@dataclass(frozen=True)
class Specification(Generic[Plan_co]):
    """Description of a study at both scales.

    Attributes:
        name: Name on the command line and of the files, such as `figure-2a`.
        title: Title, one line.
        claim: Statement of the source, in our words.
        quick: Plan at a size of seconds.
        paper: Plan at the size of the source.
        choices: Settings that the source does not give and that were chosen here.
    """

    name: str
    title: str
    claim: str
    quick: Plan_co
    paper: Plan_co
    choices: tuple[str, ...]

    # Name of the form of the tables of this class; None for the name of the study.
    table_form: ClassVar[str | None] = None

    @property
    def form(self) -> str:
        """Name of the form of the table, as its head has it."""
        return self.table_form or self.name

    def facts(self, scale: Scale) -> object:
        """Return all values that the numbers of the table depend on: dataclasses, and values that JSON can hold."""
        return self.plan(scale)

    def plan(self, scale: Scale) -> Plan_co:
        """Return the plan at a scale."""
        return self.quick if scale is Scale.QUICK else self.paper

    def fingerprint(self, scale: Scale) -> str:
        """Return a hash of all values that the numbers of the table depend on."""
        return hashed(self.facts(scale))


def hashed(facts: object) -> str:
    """Return 64 hexadecimal digits, equal for equal facts in every process and different for different facts.

    Args:
        facts: Dataclasses, and values that JSON can hold. A dataclass counts as the mapping of its fields.
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=asdict).encode()).hexdigest()


def file_key(prefix: str, facts: object) -> str:
    """Return the name of a part's file, equal for equal facts in every process and different for different facts.

    Args:
        prefix: Beginning of the name, for the reader of the folder.
        facts: Values that the part depends on, as `hashed` takes them.
    """
    return f"{prefix}_{hashed(facts)[:20]}"
