"""Choices that may be given as strings: each becomes the member of its enum, or is refused."""

from collections.abc import Callable
from enum import StrEnum
from typing import Generic, TypeVar, cast

from wnsense.checks import InputError

Choice = TypeVar("Choice", bound=StrEnum)
T = TypeVar("T")


def enum_member(kind: type[Choice], value: str, name: str) -> Choice:
    """Return the member of an enum for a member or its value.

    A string is equal to its member and yet another object, which code that compares by `is` would not accept.

    Args:
        kind: Enum.
        value: Member, or value of a member.
        name: Name of the choice, for the message.

    Raises:
        InputError: If it is neither.
    """
    try:
        return kind(value)
    except ValueError as error:
        values = ", ".join(repr(str(choice)) for choice in kind)
        raise InputError(f"needed a {name} that is one of {values}, got {value!r}") from error


def converted_field(convert: Callable[[T | str], T], default: T) -> T:
    """Return the default of a dataclass field that may be given as a string, and holds the value for it.

    The default is a descriptor, to which a dataclass assigns its arguments in `__init__`, also if it is frozen. As
    that of `dataclasses.field`, its type is declared as that of the field.

    Args:
        convert: Function that returns the value for a value or a string, or raises `InputError`.
        default: Value if the argument is not given.
    """
    return cast("T", _ConvertedField(convert, default))


class _ConvertedField(Generic[T]):
    """Descriptor that converts each value that is assigned to it."""

    def __init__(self, convert: Callable[[T | str], T], default: T) -> None:
        self._convert = convert
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> T:
        # A dataclass reads the default of a field from its class.
        if instance is None:
            return self._default
        value: T = vars(instance)[self._name]
        return value

    def __set__(self, instance: object, value: T | str) -> None:
        vars(instance)[self._name] = self._convert(value)
