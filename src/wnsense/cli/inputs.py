"""Checks of options that come before the work."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from wnsense.checks import InputError, require

_SEEDS = 2**32


def require_writable(directory: Path, names: Iterable[str]) -> None:
    """Check that files can be written into a directory, and change nothing.

    Args:
        directory: Directory, which need not exist.
        names: Names of the files to write.

    Raises:
        InputError: If the directory or a file cannot be written.
    """
    missing = [place for place in (directory, *directory.parents) if not place.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise InputError(
            f"needed a directory to write to, got {directory}: {error.strerror}; name one that you can write"
        ) from error
    finally:
        for place in missing:
            if place.is_dir():
                place.rmdir()
    for name in names:
        require(not (directory / name).is_dir(), f"a place for the file {directory / name}", "a directory of that name")


def require_seed(seed: int) -> None:
    """Check that a seed is in the range of all random generators.

    Raises:
        InputError: If it is not.
    """
    require(0 <= seed < _SEEDS, f"--seed from 0 to {_SEEDS - 1}", seed)
