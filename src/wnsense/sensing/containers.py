"""Named arrays in the containers that users have, NumPy's .npz and MATLAB's .mat (v5), read without trust."""

import io
import stat
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import scipy.io

from wnsense.atomic import write_bytes
from wnsense.checks import InputError, require
from wnsense.sensing.mat_file import DamageError, read_mat

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_NPY = b"\x93NUMPY"
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Version and byte order at the end of MATLAB's 128-byte header, and where v7.3 files hide their HDF5 signature.
_MAT_VERSION = slice(124, 128)
_MAT_5 = (b"\x00\x01IM", b"\x01\x00MI")
_HDF5_OFFSET = 512
_HEAD_LENGTH = _HDF5_OFFSET + len(_HDF5)
# MATLAB holds no variable beyond this in the formats before v7.3.
_MAT_LIMIT = 2**31
# What NumPy and zipfile were seen to raise over files that are cut short or damaged, and what may come of this reader.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    DamageError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Contents:
    """What a container held.

    Attributes:
        arrays: The arrays that were asked for, as far as they are there, in the shapes that they have there.
        others: The names of what else is there, sorted, fit to print.
    """

    arrays: Mapping[str, np.ndarray]
    others: tuple[str, ...]


def read_container(path: Path, names: Collection[str]) -> Contents:
    """Read arrays from a `.npz` or `.mat` (v5) file, in its own dtypes; nothing in it is ever executed.

    Raises:
        InputError: When the file is missing, cannot be read, is cut short, is another format than its suffix says,
            or holds a pickled object, or a cell, struct or sparse matrix under one of the names.
    """
    suffix = _container_suffix(path)
    try:
        mode = path.stat().st_mode
        # Before it is opened: a pipe would wait for its writer.
        require(not stat.S_ISDIR(mode), "a problem file", f"the directory {path}", "name a file in it")
        require(stat.S_ISREG(mode), "a problem file", f"a pipe or device at {path}", "save what it gives to a file")
        with path.open("rb") as file:
            head = file.read(_HEAD_LENGTH)
            _require_format(path, suffix, head)
            file.seek(0)
            return _read_npz(path, file, names) if suffix == ".npz" else _read_mat(path, file, names)
    except FileNotFoundError as error:
        raise InputError(f"needed a problem file, got nothing at {path}; check the name and the directory") from error
    except MemoryError as error:
        raise InputError(
            f"needed a problem file that fits into memory, got {path}; take fewer measurements, or copy it again if it "
            "is damaged"
        ) from error
    except OSError as error:
        raise InputError(f"needed a problem file that can be read, got {path}: {error.strerror}") from error


def write_container(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a `.npz` or `.mat` (v5) file, whole or not at all.

    Raises:
        InputError: When the suffix is another, the place cannot be written, or an array is too large for MATLAB's v5.
    """
    buffer = io.BytesIO()
    if _container_suffix(path) == ".npz":
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
    else:
        for name, array in arrays.items():
            require(
                array.nbytes < _MAT_LIMIT,
                f"less than 2 GiB in {name}, all that a MATLAB v5 file can hold",
                f"{array.nbytes / 2**30:.1f} GiB",
                "write a .npz",
            )
        scipy.io.savemat(buffer, dict(arrays), oned_as="column")
    write_bytes(path, buffer.getvalue())


def _container_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    require(suffix in {".npz", ".mat"}, "a problem file whose name ends in .npz or .mat", path.name or str(path))
    return suffix


def _require_format(path: Path, suffix: str, head: bytes) -> None:
    """Tell what the file is by its first bytes, before a reader stumbles over them."""
    if suffix == ".npz":
        found, needed = head.startswith(_ZIP), "a NumPy .npz archive"
        advice = "write it with numpy.savez"
    else:
        found, needed = head[_MAT_VERSION] in _MAT_5, "a MATLAB v5 file"
        advice = "write it with save(file, ..., '-v7') or scipy.io.savemat"
        if head.startswith(_HDF5) or head[_HDF5_OFFSET:] == _HDF5:
            raise InputError(f"needed {needed} at {path}, got a v7.3 (HDF5) file; save it again with '-v7'")
    require(found, f"{needed} at {path}", _format_name(head), advice)


def _format_name(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head.startswith(_ZIP):
        return "a NumPy .npz (or other zip) archive"
    if head.startswith(_NPY):
        return "a single NumPy .npy array"
    if head[_MAT_VERSION] in _MAT_5:
        return "a MATLAB .mat file"
    if head.startswith(b"MATLAB"):
        return "a MATLAB file cut short within its header"
    return "something else"


def _read_npz(path: Path, file: BinaryIO, names: Collection[str]) -> Contents:
    try:
        with np.load(file, allow_pickle=False) as archive:
            members = tuple(archive.files)
            _require_distinct(path, members)
            arrays = {}
            # The others are read too: a pickle is refused wherever it is, and damage is told from absence.
            for name in members:
                array = _read_member(archive, name)
                if name in names:
                    arrays[name] = array
    except InputError:
        raise
    except _DAMAGE as error:
        raise _damaged(path) from error
    return Contents(arrays, _printable(set(members) - set(arrays)))


def _read_member(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = archive[name]
    except ValueError as error:
        # NumPy has no class for this refusal; its message names the argument that would lift it.
        if "allow_pickle" in str(error):
            where = _printable({name})[0]
            raise InputError(
                f"needed plain arrays, got a pickled object in {where}; reading it could run code, save it as numbers"
            ) from error
        raise
    # Some versions of NumPy hand out what is no array as bytes.
    if not isinstance(array, np.ndarray):
        raise DamageError
    return array


def _read_mat(path: Path, file: BinaryIO, names: Collection[str]) -> Contents:
    try:
        arrays, members = read_mat(np.fromfile(file, dtype=np.uint8), names)
    except InputError:
        raise
    except _DAMAGE as error:
        raise _damaged(path) from error
    _require_distinct(path, members)
    return Contents(arrays, _printable(set(members) - set(arrays)))


def _require_distinct(path: Path, members: tuple[str, ...]) -> None:
    twice = _printable({name for name in members if members.count(name) > 1})
    require(not twice, f"each name once in {path}", f"{', '.join(twice)} more than once", "write the file again")


def _printable(names: set[str]) -> tuple[str, ...]:
    """Names from a file that anybody wrote: without line ends and control characters."""
    return tuple(sorted(name.encode("unicode_escape").decode() for name in names))


def _damaged(path: Path) -> InputError:
    return InputError(f"needed a complete file, got one that is cut short or damaged at {path}; copy or write it again")
