"""Fields of a result as plain values and arrays, and back: each field by the type that the class declares for it."""

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import torch

from wnsense.checks import InputError
from wnsense.files.damage import DamageError
from wnsense.files.tables import DAMAGE, Table, read_table
from wnsense.running.trace import Columns
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.space import require_precision

R = TypeVar("R")

# Entry of the header of a table that holds the fields.
_FIELDS = "fields"
# Beginnings of the names of arrays; the arrays of other fields begin with the name of the field.
_PREFIXES = {"matrix": "", "trace": "trace_"}
_FACTORS = ("X", "Theta", "Y")
# A factor has rows and columns.
_LEAST_DIMENSIONS = 2


def with_fields(table: Table, value: object) -> Table:
    """Return the table with all fields of a dataclass, from which `read_fields` makes an equal value."""
    if not dataclasses.is_dataclass(value):
        raise TypeError("needed a dataclass")
    plain: dict[str, object] = {}
    arrays = dict(table.arrays)
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if isinstance(part, LowRank | Columns):
            columns = factor_arrays(part) if isinstance(part, LowRank) else part
            arrays |= {f"{_prefix(field.name)}{name}": column for name, column in columns.items()}
            plain[field.name] = list(columns)
        else:
            plain[field.name] = msgspec.to_builtins(part)
    return Table({**table.header, _FIELDS: plain}, arrays)


def factor_arrays(matrix: LowRank) -> dict[str, np.ndarray]:
    """Return the factors of a matrix as arrays by name: X, Theta, and Y if there is one."""
    factors = {name: getattr(matrix, name) for name in _FACTORS}
    return {name: factor.numpy(force=True) for name, factor in factors.items() if factor is not None}


def read_fields(path: Path, cls: type[R]) -> R:
    """Return the value whose table `with_fields` has made.

    Raises:
        InputError: If the file is missing or damaged, or holds something else.
    """
    table = read_table(path)
    try:
        return _value(table, cls)
    except (*DAMAGE, msgspec.ValidationError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"needed a {cls.__name__} that save() of this version wrote at {path}, got: {reason}; save it anew"
        ) from error


def _value(table: Table, cls: type[R]) -> R:
    plain = table.header.get(_FIELDS)
    if not isinstance(plain, Mapping):
        raise DamageError(f"it has no {_FIELDS}")
    hints = typing.get_type_hints(cls)
    fields = {name: _field(table, plain, name, hint) for name, hint in hints.items()}
    surplus = sorted(set(plain) - set(fields))
    if surplus:
        raise DamageError(f"it has other fields, {', '.join(surplus)}")
    return cls(**fields)


def _field(table: Table, plain: Mapping[str, object], name: str, hint: object) -> object:
    if name not in plain:
        raise DamageError(f"it has no {name}")
    members = typing.get_args(hint) or (hint,)
    if plain[name] is None and type(None) in members:
        return None
    if Columns not in members and LowRank not in members:
        return msgspec.convert(plain[name], hint)
    names = msgspec.convert(plain[name], list[str])
    arrays = {key: table.arrays[f"{_prefix(name)}{key}"] for key in names}
    return _columns(arrays) if Columns in members else _low_rank(arrays)


def _columns(arrays: Mapping[str, np.ndarray]) -> Columns:
    if len({len(array) for array in arrays.values()}) > 1:
        raise DamageError("its columns have different lengths")
    return Columns(arrays)


def _low_rank(arrays: Mapping[str, np.ndarray]) -> LowRank:
    if any(array.ndim < _LEAST_DIMENSIONS for array in arrays.values()):
        raise DamageError("a factor is no matrix")
    matrix = LowRank(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    require_precision(matrix.dtype)
    return matrix


def _prefix(name: str) -> str:
    return _PREFIXES.get(name, f"{name}_")
