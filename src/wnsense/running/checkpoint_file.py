"""Files of checkpoints: tables with the version of the library and a digest of their content.

The digest makes one fault of all damage: a content that is not the one that was written is refused before it is used.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from wnsense import __version__
from wnsense.checks import InputError, require
from wnsense.files.tables import DAMAGE, Table, read_table, write_table

_VERSION, _DIGEST = "wnsense", "digest"


def write_checkpoint(path: Path, table: Table) -> None:
    """Write the table of a checkpoint, with the version and the digest in its header.

    Raises:
        InputError: If the file cannot be written.
    """
    header = {**table.header, _VERSION: __version__}
    write_table(path, Table({**header, _DIGEST: _digest(header, table.arrays)}, table.arrays))


def read_checkpoint(path: Path) -> Table:
    """Read the table of a checkpoint.

    Raises:
        InputError: If the file is missing or damaged, or another version of the library has written it.
    """
    table = read_table(path)
    check_checkpoint(table, path)
    return table


def check_checkpoint(table: Table, path: Path) -> None:
    """Check that the table of a checkpoint is the one that this version of the library has written.

    Args:
        table: Table, as it was read.
        path: Its file, for the message.

    Raises:
        InputError: If it is of another version, or damaged.
    """
    then = table.header.get(_VERSION)
    came = "one without a version" if then is None else f"one of version {then}"
    advice = "resume with the version that wrote it, or remove the file and start anew"
    require(then == __version__, f"a checkpoint of wnsense {__version__} at {path}", came, advice)
    if table.header.get(_DIGEST) != _digest(table.header, table.arrays):
        raise _damaged(path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn every error of a block that uses the content of a checkpoint into an InputError.

    Only a file that was written on purpose, with a digest of its own, comes so far with content that does not fit.
    """
    try:
        yield
    except InputError:
        raise
    except DAMAGE as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> InputError:
    return InputError(
        f"needed a file written by wnsense at {path}, got one that is damaged or was changed; run again without it"
    )


def _digest(header: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> str:
    """Return a hash of names, types, shapes and values, without the digest itself."""
    # Through JSON and back: a header has texts for keys and lists for tuples once it has been read.
    plain = json.loads(json.dumps({name: value for name, value in header.items() if name != _DIGEST}))
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
