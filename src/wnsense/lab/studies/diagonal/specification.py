"""Description of a study of diagonal networks: frozen parts, each measured on its own; data only."""

from dataclasses import Field, asdict, dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from wnsense.lab.studies.frame.parts import part_facts
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed


class WordedPart(Protocol):
    """Frozen dataclass that describes a part of a study."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __hash__(self) -> int:
        """Return the hash of a frozen dataclass."""
        ...

    @property
    def words(self) -> str:
        """Name of the part for reports of progress."""
        ...


Part_co = TypeVar("Part_co", bound=WordedPart, covariant=True)


@dataclass(frozen=True)
class DiagonalSpecification(Specification[tuple[Part_co, ...]], Generic[Part_co]):
    """Specification of a study of diagonal networks; a plan is the tuple of its parts."""

    @property
    def form(self) -> str:
        """Form of the table: that of this study alone."""
        return self.name

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return [part_facts(part) for part in self.plan(scale)]


def part_key(part: WordedPart) -> str:
    """Return the name of a part's file, equal for equal parts in every process and different for different ones."""
    return f"{type(part).__name__}_{hashed(asdict(part))[:20]}"
