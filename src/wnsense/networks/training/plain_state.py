"""States of schedulers and optimizers as plain values that JSON can hold, and back, without pickle."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wnsense.checks import InputError

# A container that JSON lacks is written as a mapping with one of these words as its only key.
_TUPLE, _COUNTER, _DICT = "tuple", "counter", "dict"


def as_plain(value: object, name: str) -> object:
    """Return a value as JSON can hold it; tuples, and keys that are numbers, are marked.

    Args:
        value: None, a bool, a number, a text, or lists, tuples, `Counter`s and dicts of such.
        name: Name of the value, for the message.

    Raises:
        InputError: If it is something else, such as a tensor or a function.
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
        f"needed plain numbers and texts in {name} for a training with checkpoints, got {type(value).__name__}; "
        "take another scheduler, or train without `checkpoint`"
    )


def from_plain(plain: object) -> object:
    """Return the value of a plain one, the inverse of `as_plain`."""
    if isinstance(plain, list):
        return [from_plain(part) for part in plain]
    if isinstance(plain, dict):
        ((kind, parts),) = plain.items()
        if kind == _TUPLE:
            return tuple(from_plain(part) for part in parts)
        entries = {from_plain(key): from_plain(part) for key, part in parts}
        return Counter(entries) if kind == _COUNTER else entries
    return plain


def plain_groups(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the parameter groups of an optimizer as JSON can hold them.

    Raises:
        InputError: If an option is not a plain value.
    """
    try:
        plain: list[dict[str, Any]] = json.loads(json.dumps(groups))
    except TypeError as error:
        raise InputError(
            f"needed an optimizer with plain numbers for options, got: {error}; give floats, not tensors"
        ) from error
    return plain


def split_optimizer_state(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state dict of an optimizer as tensors by name, and as a mapping for a JSON header.

    Raises:
        InputError: If an option is not a plain value.
    """
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        plain[str(index)] = {}
        for key, entry in entries.items():
            if isinstance(entry, Tensor):
                tensors[f"{index}.{key}"] = entry
            else:
                plain[str(index)][key] = entry
    return tensors, {"groups": plain_groups(state["param_groups"]), "state": plain}


def joined_optimizer_state(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state dict of an optimizer, the inverse of `split_optimizer_state`."""
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in header["state"].items()}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state[int(index)][key] = tensor
    # JSON has no tuples.
    groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in header["groups"]]
    return {"state": state, "param_groups": groups}
