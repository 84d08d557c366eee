"""Files that are written completely or not at all."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from wnsense.checks import InputError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all: under a temporary name beside it, which is then renamed.

    Raises:
        InputError: If the place cannot be written.
    """
    write_chunks(path, [content])


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file from pieces, completely or not at all.

    Raises:
        InputError: If the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files private; a result has the permissions of any new file.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"needed a place to write {path}, got: {error.strerror}; name a directory you can write"
        ) from error


def write_text(path: Path, content: str) -> None:
    """Write a text file in UTF-8, completely or not at all."""
    write_bytes(path, content.encode())
