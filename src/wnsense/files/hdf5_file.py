"""MATLAB's v7.3 container: HDF5 after a header of 512 bytes, sides in reverse order, text as UTF-16 code units.

This module needs h5py, and is imported only when such a file is read or written.
"""

import io
from collections.abc import Collection, Mapping
from pathlib import Path

import h5py
import numpy as np

from wnsense.checks import InputError
from wnsense.files.damage import expect
from wnsense.files.mat_file import rows_of_text

HEADER_LENGTH = 512
VERSION = b"\x00\x02IM"
_VERSION_AT = 124
_TEXT = b"MATLAB 7.3 MAT-file, Platform: wnsense, HDF5 schema 1.00 ."
_TEXT_LENGTH = 116
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
# MATLAB's classes of numbers by their names in NumPy.
_CLASSES = {"float64": "double", "float32": "single", "bool": "logical"} | {name: name for name in _INTEGERS}
_STORED = {matlab_class: name for name, matlab_class in _CLASSES.items()} | {"logical": "uint8"}
_LOGICAL_DECODE, _CHAR_DECODE = np.int32(1), np.int32(2)


def read_hdf5(path: Path, names: Collection[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Read variables from a v7.3 file in the shapes that size() shows; nothing outside the file is ever read.

    Args:
        path: Path of the file.
        names: Names of the requested variables.

    Returns:
        The requested arrays that the file has, and the names of all its variables.

    Raises:
        InputError: If a requested variable is no plain array.
        DamageError: If the data contradict their description; h5py has further errors of its own.
    """
    with h5py.File(path, "r", locking=False) as file:
        # Names that begin with # are MATLAB's own: the contents of cells and objects.
        members = tuple(name for name in file if not name.startswith("#"))
        return {name: _array(name, file) for name in members if name in names}, members


def hdf5_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as the bytes of a v7.3 file.

    Vectors become columns, a text becomes char, and several texts become the rows of a char matrix.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=HEADER_LENGTH) as file:
        for name, array in arrays.items():
            _put(file, name, array)
    buffer.seek(0)
    buffer.write(_TEXT.ljust(_TEXT_LENGTH).ljust(_VERSION_AT, b"\0") + VERSION)
    return buffer.getvalue()


def _array(name: str, file: h5py.File) -> np.ndarray:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise _no_plain_array(name, "a link to another place")
    node = file[name]
    matlab_class = _attribute(node, "MATLAB_class")
    if "MATLAB_sparse" in node.attrs:
        raise InputError(f"needed a plain array in {name}, got one of MATLAB class sparse; save full({name})")
    if matlab_class is None:
        raise _no_plain_array(name, "an HDF5 object without MATLAB_class, whose order of sides is unknown")
    if not isinstance(node, h5py.Dataset) or matlab_class not in {*_STORED, "char"}:
        raise _no_plain_array(name, f"one of MATLAB class {matlab_class}")
    if node.external or node.is_virtual:
        raise _no_plain_array(name, "numbers in another file")
    if "MATLAB_empty" in node.attrs:
        return np.empty(tuple(int(side) for side in node[()]), dtype="U1" if matlab_class == "char" else "f8")
    # HDF5 returns fill values for data that were never written.
    expect(node.size is not None and (node.size == 0 or node.id.get_storage_size() > 0))
    values = node[()].T
    return rows_of_text(_units(values)) if matlab_class == "char" else _numbers(values, matlab_class)


def _numbers(values: np.ndarray, matlab_class: str) -> np.ndarray:
    stored = np.dtype(_STORED[matlab_class])
    if values.dtype.names == ("real", "imag"):
        parts = [values[part] for part in ("real", "imag")]
        expect(all(part.dtype.newbyteorder("=") == stored for part in parts))
        return parts[0] + 1j * parts[1]
    expect(values.dtype.newbyteorder("=") == stored)
    return values.astype(bool) if matlab_class == "logical" else values


def _units(values: np.ndarray) -> np.ndarray:
    expect(values.dtype.kind == "u" and values.ndim > 0)
    return values


def _put(file: h5py.File, name: str, array: np.ndarray) -> None:
    if array.dtype.kind == "U":
        width = max(len(text) for text in array.flat)
        codes = np.array([[ord(letter) for letter in text.ljust(width)] for text in array.flat], dtype=np.uint16)
        node = file.create_dataset(name, data=codes.T)
        node.attrs["MATLAB_class"] = np.bytes_("char")
        node.attrs["MATLAB_int_decode"] = _CHAR_DECODE
        return
    shown = array.reshape(-1, 1) if array.ndim < 2 else array
    matlab_class = _CLASSES[array.real.dtype.name]
    if array.dtype.kind == "c":
        pair = np.dtype([("real", array.real.dtype), ("imag", array.real.dtype)])
        node = file.create_dataset(name, data=np.ascontiguousarray(shown.T).view(pair))
    else:
        node = file.create_dataset(name, data=shown.T.astype(_STORED[matlab_class], copy=False))
    node.attrs["MATLAB_class"] = np.bytes_(matlab_class)
    if matlab_class == "logical":
        node.attrs["MATLAB_int_decode"] = _LOGICAL_DECODE


def _attribute(node: h5py.HLObject, name: str) -> str | None:
    value = node.attrs.get(name)
    return value.decode("ascii") if isinstance(value, bytes) else None


def _no_plain_array(name: str, came: str) -> InputError:
    advice = "save a plain array, or 'text' in single quotes"
    return InputError(f"needed a plain array in {name}, got {came}; {advice}")
