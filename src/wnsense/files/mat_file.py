"""MATLAB's v5 container ("MAT-File Format", MathWorks), read with checks of every length.

SciPy's reader indexes C tables by numbers from the file: one wrong byte can end the process.
"""

import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from wnsense.checks import InputError
from wnsense.files.damage import DamageError, expect

HEADER_LENGTH = 128
_TAG_LENGTH = 8
_MATRIX, _COMPRESSED, _UTF8 = 14, 15, 16
_CHAR, _OPAQUE = 4, 17
_COMPLEX_BIT, _LOGICAL_BIT = 0x0800, 0x0200
_INTEGERS = ("i1", "u1", "i2", "u2", "i4", "u4")
# Storage types by their number in the file; texts are read as their code units.
_STORAGE = dict(enumerate(_INTEGERS, start=1)) | {
    7: "f4", 9: "f8", 12: "i8", 13: "u8", _UTF8: "u1", 17: "u2", 18: "u4",
}  # fmt: skip
# MATLAB's classes of plain numbers; the stored type may be narrower, since MATLAB packs whole doubles as bytes.
_NUMBERS = {6: "f8", 7: "f4", 14: "i8", 15: "u8"} | dict(enumerate(_INTEGERS, start=8))
_OTHER_CLASSES = {1: "cell", 2: "struct", 3: "object", 5: "sparse", 16: "function", _OPAQUE: "opaque (string, table)"}


@dataclass(frozen=True)
class _Bytes:
    """Part of a file, and its byte order, "<" or ">"."""

    content: np.ndarray
    order: str

    def elements(self, *, padded: bool) -> "Iterator[tuple[int, _Bytes]]":
        """Yield the type number and content of each data element; a short element has both in one 8-byte tag."""
        start = 0
        while start < len(self.content):
            kind, length = (int(word) for word in self._take(start, _TAG_LENGTH).array("u4"))
            start += _TAG_LENGTH
            if kind >> 16:
                kind, length, start = kind & 0xFFFF, kind >> 16, start - 4
                yield kind, self._take(start, length)
                start += 4
            else:
                yield kind, self._take(start, length)
                start += length + (-length % 8 if padded else 0)

    def array(self, storage: str) -> np.ndarray:
        """Return the bytes as numbers, without a copy."""
        dtype = np.dtype(self.order + storage)
        expect(len(self.content) % dtype.itemsize == 0)
        return self.content.view(dtype)

    def _take(self, start: int, length: int) -> "_Bytes":
        expect(start + length <= len(self.content))
        return _Bytes(self.content[start : start + length], self.order)


@dataclass(frozen=True)
class Variable:
    """Variable as its header describes it.

    Attributes:
        name: Name of the variable.
        matlab_class: Number of its class.
        flags: Word with the class and the complex and logical bits.
        dims: Shape, as size() shows it.
        data: Elements that follow the header.
    """

    name: str
    matlab_class: int
    flags: int
    dims: tuple[int, ...]
    data: tuple[tuple[int, _Bytes], ...]

    def array(self) -> np.ndarray:
        """Return the numbers in the class that MATLAB shows, or the text.

        Raises:
            InputError: If the variable is no plain array.
            DamageError: If the data do not fit the header.
        """
        if self.matlab_class == _CHAR:
            return self._text()
        if self.matlab_class not in _NUMBERS:
            class_name = _OTHER_CLASSES.get(self.matlab_class, f"number {self.matlab_class}")
            advice = (
                f"save full({self.name})"
                if class_name == "sparse"
                else "save a plain array, or 'text' in single quotes"
            )
            raise InputError(f"needed a plain array in {self.name}, got one of MATLAB class {class_name}; {advice}")
        is_complex = bool(self.flags & _COMPLEX_BIT)
        expect(len(self.data) == 1 + is_complex)
        parts = [self._numbers(part) for part in self.data]
        if is_complex:
            return parts[0] + 1j * parts[1]
        return parts[0].astype(bool) if self.flags & _LOGICAL_BIT else parts[0]

    def _numbers(self, part: tuple[int, _Bytes]) -> np.ndarray:
        native = _stored(part).astype(_NUMBERS[self.matlab_class], copy=False)
        expect(native.size == math.prod(self.dims))
        return native.reshape(self.dims, order="F")

    def _text(self) -> np.ndarray:
        expect(len(self.data) == 1)
        kind, content = self.data[0]
        expect(math.prod(self.dims) <= len(content.content))
        if kind == _UTF8:
            units = np.array([ord(letter) for letter in content.content.tobytes().decode()], dtype=np.uint32)
        else:
            units = _stored((kind, content))
        if math.prod(self.dims) != units.size:
            # Some writers count the bytes of a letter and not the letter; the text is clear if there is one row.
            expect(len(self.dims) == 2 and self.dims[0] == 1)
            return rows_of_text(units.reshape(1, -1))
        return rows_of_text(units.reshape(self.dims, order="F"))


def rows_of_text(units: np.ndarray) -> np.ndarray:
    """Return a char array as one text, or as one text for each row, from code units in the shape that size() shows."""
    if units.ndim != 2:
        # Such arrays are never used as texts; only their size is kept.
        return np.empty(units.shape, dtype="U1")
    rows = ["".join(chr(code) for code in row) for row in units.tolist()]
    if len(rows) == 1:
        return np.array(rows[0])
    return np.array(rows) if units.size else np.empty(units.shape, dtype="U1")


def read_mat(content: np.ndarray, names: Collection[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Read variables from the bytes of a MATLAB v5 file, compressed or not, in either byte order.

    Args:
        content: Bytes of the whole file, uint8; returned arrays may share its memory.
        names: Names of the requested variables.

    Returns:
        The requested arrays that the file has, and the names of all its variables, in order.

    Raises:
        InputError: If a requested variable is a cell, struct, sparse matrix or another that is no plain array.
        DamageError: If the file is cut short or damaged.
    """
    order = "<" if bytes(content[HEADER_LENGTH - 2 : HEADER_LENGTH]) == b"IM" else ">"
    arrays: dict[str, np.ndarray] = {}
    members = []
    for element in _Bytes(content[HEADER_LENGTH:], order).elements(padded=False):
        variable = _variable(element)
        # A variable without a name holds data of MATLAB's objects.
        if variable.name:
            members.append(variable.name)
        if variable.name in names:
            arrays[variable.name] = variable.array()
    return arrays, tuple(members)


def _variable(element: tuple[int, _Bytes]) -> Variable:
    kind, content = element
    if kind == _COMPRESSED:
        kind, content = _inflate(content)
    expect(kind == _MATRIX)
    parts = tuple(content.elements(padded=True))
    expect(len(parts) > 1)
    words = _stored(parts[0])
    expect(len(words) > 0)
    flags = int(words[0])
    matlab_class = flags & 0xFF
    if matlab_class == _OPAQUE:
        return Variable(_name(parts[1]), matlab_class, flags, (), ())
    expect(len(parts) > 2)
    dims = tuple(int(side) for side in _stored(parts[1]))
    expect(len(dims) > 1 and min(dims) >= 0)
    return Variable(_name(parts[2]), matlab_class, flags, dims, parts[3:])


def _inflate(element: _Bytes) -> tuple[int, _Bytes]:
    try:
        content = bytearray(zlib.decompress(element.content.data))
    except zlib.error as error:
        raise DamageError from error
    inner = tuple(_Bytes(np.frombuffer(content, dtype=np.uint8), element.order).elements(padded=True))
    expect(len(inner) == 1)
    return inner[0]


def _stored(part: tuple[int, _Bytes]) -> np.ndarray:
    kind, content = part
    expect(kind in _STORAGE)
    return content.array(_STORAGE[kind])


def _name(part: tuple[int, _Bytes]) -> str:
    return part[1].content.tobytes().decode("latin-1")
