"""Tables of results on disk: named arrays with a JSON header, in a NumPy .npz without pickle."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wnsense.atomic import write_bytes
from wnsense.checks import InputError

_HEADER = "header_json"


@dataclass(frozen=True)
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
    buffer = io.BytesIO()
    header = np.frombuffer(json.dumps(table.header, sort_keys=True).encode(), dtype=np.uint8)
    arrays: dict[str, Any] = {_HEADER: header, **table.arrays}
    np.savez(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        InputError: If the file is missing, cut short, or not a table of this library.
    """
    try:
        # Opened here, because NumPy does not close a file that it cannot read.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name != _HEADER}
            header = dict(json.loads(file[_HEADER].tobytes()))
    # NumPy and zipfile have many errors for a damaged file and for another format.
    except (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise InputError(f"needed a file written by wnsense at {path}, got: {error}; run again without it") from error
    return Table(header, arrays)


def is_table(path: Path) -> bool:
    """Return True if the file is there and is a whole table."""
    try:
        read_table(path)
    except InputError:
        return False
    return True
