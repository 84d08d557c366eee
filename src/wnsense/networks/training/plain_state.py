"""States of learning-rate schedulers as plain values that JSON holds, and back, without pickle."""

from collections import Counter
from collections.abc import Mapping

from wnsense.checks import InputError

# A container that JSON lacks is written as a mapping with one of these words as its only key.
_TUPLE, _COUNTER, _DICT = "tuple", "counter", "dict"


def as_plain(value: object, name: str) -> object:
    """A value as JSON can hold it, with what JSON would change (tuples, keys that are numbers) told apart.

    Args:
        value: None, a bool, a number, a text, or lists, tuples, `Counter`s and dicts of such.
        name: What it is, for the error.

    Raises:
        InputError: When it is something else, such as a tensor or a function.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [as_plain(part, name) for part in value]
    if isinstance(value, tuple):
        return {_TUPLE: [as_plain(part, name) for part in value]}
    if isinstance(value, Mapping):
        pairs = [[as_plain(key, name), as_plain(part, f"{name}.{key}")] for key, part in value.items()]
        return {_COUNTER if isinstance(value, Counter) else _DICT: pairs}
    raise InputError(
        f"needed plain numbers and texts in {name} for a training that is kept, got {type(value).__name__}; "
        "take another scheduler, or train without `checkpoint`"
    )


def from_plain(plain: object) -> object:
    """The inverse of `as_plain`."""
    if isinstance(plain, list):
        return [from_plain(part) for part in plain]
    if isinstance(plain, dict):
        ((kind, parts),) = plain.items()
        if kind == _TUPLE:
            return tuple(from_plain(part) for part in parts)
        entries = {from_plain(key): from_plain(part) for key, part in parts}
        return Counter(entries) if kind == _COUNTER else entries
    return plain
