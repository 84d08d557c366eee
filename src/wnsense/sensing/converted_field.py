"""Fields of frozen dataclasses that convert what they are given: Python's descriptor-typed fields."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Default(Enum):
    """Default of an argument that is needed."""

    NONE = "none"


@dataclass(frozen=True)
class ConvertedField:
    """Descriptor of a field: the constructor's argument is converted once, before it is stored.

    `dataclasses` hands the argument to `__set__`. A frozen class lets nothing else set the field.

    Attributes:
        name: Name of the field.
        convert: Function of the instance, whose earlier fields are set, and the argument; returns the value.
        default: Default of the argument.
    """

    name: str
    convert: Callable[[Any, Any], object]
    default: object = Default.NONE

    def __get__(self, instance: object | None, owner: type | None = None) -> object:
        """Return the value of an instance; of the class the default, for which `dataclasses` asks."""
        if instance is not None:
            return vars(instance)[self.name]
        if self.default is Default.NONE:
            # So `dataclasses` learns that the argument is needed.
            raise AttributeError(self.name)
        return self.default

    def __set__(self, instance: object, value: object) -> None:
        """Convert the argument and store the value."""
        vars(instance)[self.name] = self.convert(instance, value)


def converted(name: str, convert: Callable[[Any, Any], T], default: object = Default.NONE) -> T:
    """Return a field of a frozen dataclass that converts its argument; a type checker sees the converted value.

    Args:
        name: Name of the field.
        convert: Function of the instance, whose earlier fields are set, and the argument; returns the value.
        default: Default of the argument; without it the argument is needed.
    """
    return cast("T", ConvertedField(name, convert, default))
