"""Choices that may come as strings: each becomes its enum's member, or is refused with those there are."""

from enum import StrEnum
from typing import TypeVar

from wnsense.checks import InputError

Choice = TypeVar("Choice", bound=StrEnum)


def chosen(kind: type[Choice], given: str, what: str) -> Choice:
    """The member of an enum that a value stands for.

    A string equals its member and yet is not it, so that code which asks by identity would take another way.

    Args:
        kind: The enum.
        given: A member or its value.
        what: What is chosen, for the message.

    Raises:
        InputError: When it is none of them.
    """
    try:
        return kind(given)
    except ValueError as error:
        known = ", ".join(repr(str(choice)) for choice in kind)
        raise InputError(f"needed a {what} that is one of {known}, got {given!r}") from error
