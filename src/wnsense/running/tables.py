"""The one on-disk form of results: named arrays with a JSON header, in a NumPy .npz without pickle, replaced whole."""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wnsense.checks import InputError

_HEADER = "header_json"


@dataclass(frozen=True)
class Table:
    """Arrays under names, with a header of plain values.

    Attributes:
        header: What can be written as JSON.
        arrays: The arrays.
    """

    header: Mapping[str, object]
    arrays: Mapping[str, np.ndarray]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary name beside it, then renamed.

    Raises:
        InputError: When the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files private; a result has the permissions that any new file has.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"needed a place to write {path}, got: {error.strerror}; name a directory you can write") from error


def write_text(path: Path, content: str) -> None:
    """Write a text file whole or not at all, in UTF-8."""
    write_bytes(path, content.encode())


def write_table(path: Path, table: Table) -> None:
    """Write a table whole or not at all.

    Raises:
        InputError: When the place cannot be written.
    """
    buffer = io.BytesIO()
    header = np.frombuffer(json.dumps(table.header, sort_keys=True).encode(), dtype=np.uint8)
    np.savez(buffer, **{_HEADER: header}, **dict(table.arrays))  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        InputError: When the file is missing, cut short, or not a table of this library.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name != _HEADER}
            header = json.loads(file[_HEADER].tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"needed a file written by wnsense at {path}, got: {error}; run again without it") from error
    return Table(header, arrays)
