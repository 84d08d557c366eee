"""Tables of results on disk: named arrays with a JSON header, in a NumPy .npz without pickle."""

import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wnsense.atomic import write_bytes
from wnsense.checks import InputError
from wnsense.files.damage import DamageError
from wnsense.values import by_value

# Errors of NumPy, zipfile and JSON, and of code that uses their results, for content that is not what it should be.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    DamageError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

_HEADER = "header_json"


@dataclass(frozen=True)
@by_value
class Table:
    """Named arrays with a header of plain values.

    Attributes:
        header: Values that JSON can hold.
        arrays: Arrays by name.
    """

    header: Mapping[str, object]
    arrays: Mapping[str, np.ndarray]


def write_table(path: Path, table: Table) -> None:
    """Write a table whole or not at all.

    Raises:
        InputError: If the file cannot be written.
    """
    write_bytes(path, table_bytes(table))


def table_bytes(table: Table) -> bytes:
    """Return the content of the file of a table."""
    buffer = io.BytesIO()
    header = np.frombuffer(json.dumps(table.header, sort_keys=True).encode(), dtype=np.uint8)
    arrays: dict[str, Any] = {_HEADER: header, **table.arrays}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        InputError: If the file is missing, cut short, or not a table of this library.
    """
    try:
        # Opened here, because NumPy does not close a file that it cannot read. It warns of some damaged files.
        with path.open("rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.load(handle, allow_pickle=False) as file:
                arrays = {name: _as_array(file[name]) for name in file.files if name != _HEADER}
                header = dict(json.loads(file[_HEADER].tobytes()))
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"needed a file written by wnsense at {path}, got: {reason}; run again without it") from error
    return Table(header, arrays)


def _as_array(member: object) -> np.ndarray:
    """Return a member of the archive, which NumPy reads as bytes if it is no array."""
    if not isinstance(member, np.ndarray):
        raise DamageError("a member that is no array")
    return member


def is_table(path: Path) -> bool:
    """Return True if the file is there and is a whole table."""
    try:
        read_table(path)
    except InputError:
        return False
    return True
