"""The safetensors container: named tensors, with texts in the metadata and complex numbers as two tensors.

This module needs the package safetensors, and is imported only when such a file is read or written.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wnsense.checks import InputError, require, size_text
from wnsense.files.damage import DamageError

_REAL, _IMAGINARY = ".real", ".imag"
# Types of the format that NumPy has.
_NUMPY = {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL", "C64"}
# Metadata entry of other programs about the file itself.
_ABOUT = "format"


def read_safetensors(path: Path, names: Collection[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Read tensors and texts: `kind` from the metadata, `vectors` from `vectors` or `vectors.real` and `vectors.imag`.

    Args:
        path: Path of the file.
        names: Requested names.

    Returns:
        The requested arrays that the file has, and all its names, metadata included.

    Raises:
        InputError: If one of two parts is missing, or NumPy has no such numbers.
        DamageError: If the file is cut short or damaged.
    """
    try:
        with safe_open(path, framework="np") as file:
            keys, texts = set(file.keys()), dict(file.metadata() or {})
            texts.pop(_ABOUT, None)
            split = {key.removesuffix(_REAL).removesuffix(_IMAGINARY) for key in keys if _is_part(key)}
            members = (*sorted(split), *sorted(key for key in keys if not _is_part(key)), *sorted(texts))
            arrays = {name: np.array(text) for name, text in texts.items() if name in names}
            for name in names:
                if name in split:
                    arrays[name] = _complex(file, name, keys)
                elif name in keys:
                    arrays[name] = _tensor(file, name)
    except SafetensorError as error:
        raise DamageError from error
    return arrays, members


def safetensors_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as the bytes of a safetensors file; several texts become one, with spaces between."""
    texts = {name: " ".join(array.reshape(-1).tolist()) for name, array in arrays.items() if array.dtype.kind == "U"}
    tensors = {}
    for name, array in arrays.items():
        if array.dtype.kind == "c":
            tensors[name + _REAL], tensors[name + _IMAGINARY] = array.real, array.imag
        elif name not in texts:
            tensors[name] = array
    # The package writes the memory in its order.
    return save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, texts)


def _is_part(key: str) -> bool:
    return key.endswith((_REAL, _IMAGINARY))


def _complex(file: safe_open, name: str, keys: Collection[str]) -> np.ndarray:
    for one, other in ((_REAL, _IMAGINARY), (_IMAGINARY, _REAL)):
        if name + one not in keys:
            raise InputError(f"needed {name}{one} beside {name}{other}, got {name}{other} alone")
    parts = [_tensor(file, name + part) for part in (_REAL, _IMAGINARY)]
    same = parts[0].shape == parts[1].shape and parts[0].dtype == parts[1].dtype and parts[0].dtype.kind == "f"
    came = " and ".join(f"{part.dtype} of {size_text(part.shape)}" for part in parts)
    require(same, f"{name}.real and {name}.imag of one size and one floating-point type", came)
    return parts[0] + 1j * parts[1]


def _tensor(file: safe_open, name: str) -> np.ndarray:
    # The package has no types for these methods.
    untyped = cast("Any", file)
    kind = untyped.get_slice(name).get_dtype()
    require(kind in _NUMPY, f"numbers in {name} that NumPy has", kind, "convert them to float32 first")
    array: np.ndarray = untyped.get_tensor(name)
    return array
