"""Named arrays in NumPy's .npz, MATLAB's .mat and .safetensors files, read without trust in their content."""

import io
import stat
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
import scipy.io

from wnsense.atomic import write_bytes
from wnsense.checks import InputError, require
from wnsense.files.damage import DamageError
from wnsense.files.mat_file import read_mat

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_NPY = b"\x93NUMPY"
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Version and byte order at the end of MATLAB's 128-byte header, and the place of the HDF5 signature in v7.3 files.
_MAT_VERSION = slice(124, 128)
_MAT_5 = (b"\x00\x01IM", b"\x01\x00MI")
_MAT_73 = (b"\x00\x02IM", b"\x02\x00MI")
_HDF5_OFFSET = 512
_HEAD_LENGTH = _HDF5_OFFSET + len(_HDF5)
# Largest variable, in bytes, in MATLAB's formats before v7.3.
_MAT_LIMIT = 2**31
_SUFFIXES = (".npz", ".mat", ".safetensors")
# Name for v7.3 files inside this module; on disk they end in .mat too.
_HDF5_SUFFIX = ".hdf5"
# Errors of NumPy, zipfile and this reader for files that are cut short or damaged.
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
    """Contents of a container.

    Attributes:
        arrays: Requested arrays that the container has, in the shapes of the file.
        others: Names of its other arrays, sorted, without control characters.
        first_index: Index of the first row or column in the file: 1 in MATLAB's files, 0 in others.
    """

    arrays: Mapping[str, np.ndarray]
    others: tuple[str, ...]
    first_index: int = 0


def read_container(path: Path, names: Collection[str]) -> Contents:
    """Read arrays from a `.npz`, `.mat` (v5 or v7.3) or `.safetensors` file; nothing in it is ever executed.

    Arrays keep the dtypes of the file. Arrays from a `.mat` have the shapes that MATLAB's size() shows.

    Raises:
        InputError: If the file is missing, cannot be read, is cut short, has another format than its suffix, or holds a
            pickled object; if one of the names is a cell, struct or sparse matrix; or if a package is missing.
    """
    suffix = container_suffix(path)
    try:
        mode = path.stat().st_mode
        # Checked before it is opened: opening a pipe waits for its writer.
        require(not stat.S_ISDIR(mode), "a problem file", f"the directory {path}", "name a file in it")
        require(stat.S_ISREG(mode), "a problem file", f"a pipe or device at {path}", "save what it gives to a file")
        with path.open("rb") as file:
            head = file.read(_HEAD_LENGTH)
            _require_format(path, suffix, head)
            file.seek(0)
            if suffix == ".mat" and _is_hdf5(head):
                suffix = _HDF5_SUFFIX
            return _read(path, suffix, file, names)
    except FileNotFoundError as error:
        raise InputError(f"needed a problem file, got nothing at {path}; check the name and the directory") from error
    except MemoryError as error:
        raise InputError(
            f"needed a problem file that fits into memory, got {path}; take fewer measurements, or copy it again if it "
            "is damaged"
        ) from error
    except OSError as error:
        raise InputError(f"needed a problem file that can be read, got {path}: {error.strerror}") from error


def write_container(path: Path, arrays: Mapping[str, np.ndarray], *, hdf5: bool = False) -> None:
    """Write arrays to a `.npz`, `.mat` or `.safetensors` file, whole or not at all.

    A `.mat` is written as v5, or as v7.3 if an array is too large for v5 or `hdf5` is True.

    Args:
        path: Path of the file.
        arrays: Arrays of numbers, and of str for texts.
        hdf5: True to write a `.mat` as v7.3 in any case.

    Raises:
        InputError: If the suffix is another, the file cannot be written, or a package is missing.
    """
    suffix = container_suffix(path)
    if suffix == ".npz":
        content = _npz_bytes(arrays)
    elif suffix == ".safetensors":
        _require_package("safetensors", "to write .safetensors files", "write a .npz")
        from wnsense.files.safetensors_file import safetensors_bytes

        content = safetensors_bytes(arrays)
    elif hdf5 or any(array.nbytes >= _MAT_LIMIT for array in arrays.values()):
        _require_package("h5py", "to write MATLAB v7.3 files", "write a .npz")
        from wnsense.files.hdf5_file import hdf5_bytes

        content = hdf5_bytes(arrays)
    else:
        buffer = io.BytesIO()
        scipy.io.savemat(buffer, dict(arrays), oned_as="column")
        content = buffer.getvalue()
    write_bytes(path, content)


def container_suffix(path: Path) -> str:
    """Return the suffix of a container's path, in lower case.

    Raises:
        InputError: If it is not the suffix of a container.
    """
    suffix = path.suffix.lower()
    named = " or ".join([", ".join(_SUFFIXES[:-1]), _SUFFIXES[-1]])
    require(suffix in _SUFFIXES, f"a problem file whose name ends in {named}", path.name or str(path))
    return suffix


def first_index(path: Path) -> int:
    """Return the index of the first row or column in a file of this name: 1 in MATLAB's, 0 in others."""
    return 1 if container_suffix(path) == ".mat" else 0


def _npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def _require_package(name: str, purpose: str, advice: str) -> None:
    there = find_spec(name) is not None
    require(there, f"{name} {purpose}", "no such package", f"pip install 'wnsense[files]', or {advice}")


def _require_format(path: Path, suffix: str, head: bytes) -> None:
    """Check that the first bytes of a file have the format of its suffix."""
    if suffix == ".npz":
        is_right, needed = head.startswith(_ZIP), "a NumPy .npz archive"
        advice = "write it with numpy.savez"
    elif suffix == ".mat":
        is_right, needed = head[_MAT_VERSION] in _MAT_5 or _is_hdf5(head), "a MATLAB v5 or v7.3 file"
        advice = "write it with save(file, ..., '-v7') or scipy.io.savemat"
    else:
        # A length and a JSON object.
        is_right, needed = head[8:9] == b"{", "a .safetensors file"
        advice = "write it with safetensors.numpy.save_file"
    require(is_right, f"{needed} at {path}", _format_name(head), advice)


def _is_hdf5(head: bytes) -> bool:
    """Return True if these are the first bytes of a v7.3 file: MATLAB's header, then HDF5."""
    return head[_MAT_VERSION] in _MAT_73 and head[_HDF5_OFFSET:] == _HDF5


def _format_name(head: bytes) -> str:
    version = head[_MAT_VERSION]
    names = (
        (not head, "an empty file"),
        (head.startswith(_ZIP), "a NumPy .npz (or other zip) archive"),
        (head.startswith(_NPY), "a single NumPy .npy array"),
        (head.startswith(_HDF5), "an HDF5 file that is not MATLAB's"),
        (version in _MAT_5 or _is_hdf5(head), "a MATLAB .mat file"),
        (head.startswith(b"MATLAB"), "a MATLAB file cut short within its header"),
    )
    return next((name for applies, name in names if applies), "something else")


def _read(path: Path, suffix: str, file: BinaryIO, names: Collection[str]) -> Contents:
    try:
        if suffix == ".npz":
            arrays, members = _read_npz(file, names)
        elif suffix == ".mat":
            arrays, members = read_mat(np.fromfile(file, dtype=np.uint8), names)
        elif suffix == _HDF5_SUFFIX:
            arrays, members = _read_hdf5(path, names)
        else:
            arrays, members = _read_safetensors(path, names)
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(
            f"needed a complete file, got one that is cut short or damaged at {path}; copy or write it again"
        ) from error
    twice = _printable({name for name in members if members.count(name) > 1})
    require(not twice, f"each name once in {path}", f"{', '.join(twice)} more than once", "write the file again")
    return Contents(arrays, _printable(set(members) - set(arrays)), first_index(path))


Members = tuple[dict[str, np.ndarray], tuple[str, ...]]


def _read_npz(file: BinaryIO, names: Collection[str]) -> Members:
    with np.load(file, allow_pickle=False) as archive:
        members = tuple(archive.files)
        arrays = {}
        # All members are read: a pickle is refused anywhere, and a damaged array is not taken for a missing one.
        for name in members:
            array = _read_member(archive, name)
            if name in names:
                arrays[name] = array
    return arrays, members


def _read_member(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = archive[name]
    except ValueError as error:
        # NumPy has no error class for a pickle; its message names the argument that would allow it.
        if "allow_pickle" in str(error):
            where = _printable({name})[0]
            raise InputError(
                f"needed plain arrays, got a pickled object in {where}; reading it could run code, save it as numbers"
            ) from error
        raise
    # Some versions of NumPy return bytes for a member that is no array.
    if not isinstance(array, np.ndarray):
        raise DamageError
    return array


def _read_hdf5(path: Path, names: Collection[str]) -> Members:
    _require_package("h5py", "to read MATLAB v7.3 files", "save it again with '-v7'")
    from wnsense.files.hdf5_file import read_hdf5

    return read_hdf5(path, names)


def _read_safetensors(path: Path, names: Collection[str]) -> Members:
    _require_package("safetensors", "to read .safetensors files", "save it as .npz")
    from wnsense.files.safetensors_file import read_safetensors

    return read_safetensors(path, names)


def _printable(names: set[str]) -> tuple[str, ...]:
    """Return names from a file, sorted, without line ends and control characters."""
    return tuple(sorted(name.encode("unicode_escape").decode() for name in names))
