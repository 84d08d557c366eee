"""Files that are written completely or not at all, one or several together."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from wnsense.checks import InputError

# Windows has no such locks. The leftovers of killed processes stay there.
if sys.platform != "win32":
    import fcntl

# Names of files under way. No other program uses them, so that a leftover is recognized by its name.
_PREFIX, _ENDING = ".wnsense-", ".part"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all: under a temporary name beside it, which is then renamed.

    Raises:
        InputError: If the place cannot be written.
    """
    write_chunks(path, [content])


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file from pieces, completely or not at all.

    The temporary file is locked while its process lives. One that a killed process left behind has no lock; the next
    write into the same folder removes it.

    Raises:
        InputError: If the place cannot be written.
    """
    with _one_line(path), _partial_file(path, chunks) as partial:
        partial.replace(path)


def write_text(path: Path, content: str) -> None:
    """Write a text file in UTF-8, completely or not at all."""
    write_bytes(path, content.encode())


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files: all of them, or none if one cannot be written. Files that were there then stay as they were.

    Raises:
        InputError: If a place cannot be written.
    """
    with ExitStack() as partials:
        moves = []
        for path, content in contents.items():
            with _one_line(path):
                moves.append((partials.enter_context(_partial_file(path, [content])), path))
        _move_together(moves)


def require_place(path: Path) -> None:
    """Check that a file can be written, by writing and removing an empty one beside it.

    Raises:
        InputError: If it cannot.
    """
    with _one_line(path), _partial_file(path, []):
        pass


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn an error of the operating system in a block into an InputError that names the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"needed a place to write {path}, got: {reason}; name a directory you can write") from error


@contextmanager
def _partial_file(path: Path, chunks: Iterable[bytes]) -> Iterator[Path]:
    """Write a temporary file beside a path, and remove it when the block ends unless the block has moved it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(path.parent)
    handle, partial = _locked_file(path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            # mkstemp makes files private; a result has the permissions of any new file.
            mask = os.umask(0)
            os.umask(mask)
            partial.chmod(0o666 & ~mask)
            if sys.platform == "win32":
                # Windows moves closed files only. Elsewhere the file stays open, since its lock ends with it.
                file.close()
            yield partial
    finally:
        partial.unlink(missing_ok=True)


def _locked_file(folder: Path) -> tuple[int, Path]:
    """Return the descriptor and the path of a new temporary file that is locked."""
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=_PREFIX, suffix=_ENDING)
        if sys.platform != "win32":
            # Some network file systems have no locks. Nothing is cleared there, since clearing needs the lock too.
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        partial = Path(name)
        if partial.exists():
            return handle, partial
        # Another process cleared it between its creation and its lock.
        os.close(handle)


def _clear_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed: those that nobody has locked."""
    if sys.platform == "win32":
        return
    for leftover in folder.glob(f"{_PREFIX}*{_ENDING}"):
        with suppress(OSError):
            handle = os.open(leftover, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(handle)


def _move_together(moves: Iterable[tuple[Path, Path]]) -> None:
    """Move files to their places, or undo the moves if one fails or is interrupted."""
    with ExitStack() as backups:
        moved: list[tuple[Path, Path | None]] = []
        try:
            for partial, path in moves:
                with _one_line(path):
                    # A copy, because not all file systems have hard links.
                    old = [path.read_bytes()] if path.exists() else None
                    backup = None if old is None else backups.enter_context(_partial_file(path, old))
                    moved.append((path, backup))
                    partial.replace(path)
        except BaseException:
            for path, backup in reversed(moved):
                if backup is None:
                    path.unlink(missing_ok=True)
                else:
                    backup.replace(path)
            raise
