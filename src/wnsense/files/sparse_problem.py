"""Files of a sparse problem: `y` and `A`, dense or by its nonzeros, in .npz, .mat or .safetensors.

name        size      meaning
y           M         the measurements, real; M x 1 or 1 x M
A           M x N     the matrix, dense
A_values    nonzeros  or the nonzeros of it
A_rows      nonzeros  the row of each, counted from 1 in .mat files and from 0 in others
A_columns   nonzeros  the column of each, likewise
A_data      nonzeros  or SciPy's CSR form of it: `A.data`, `A.indices` and `A.indptr`, counted from 0 in any file
A_indices   nonzeros
A_indptr    M + 1
A_shape     2         M and N, beside nonzeros in either form
truth       N         optional: the vector that was measured

Numbers may have any real type. `A` in single precision stays in single precision.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError, require, require_size, size_text
from wnsense.files.containers import Contents, read_container
from wnsense.files.named_arrays import FileArrays
from wnsense.sensing.linear_map import DenseMap, LinearMap, SparseMap
from wnsense.values import by_value

_PLACES = ("A_values", "A_rows", "A_columns")
_ROWWISE = ("A_data", "A_indices", "A_indptr")
_NUMBERS = ("y", "A", "A_values", "A_data", "truth")
# Names in every file of scipy.sparse.save_npz.
_SAVE_NPZ = frozenset({"data", "shape", "format"})
# Least number of vectors of N doubles that a search holds.
_VECTORS = 16
# Memory in bytes on systems that do not report it.
_USUAL_MEMORY = 2**36
_NAMES = frozenset({"y", "A", *_PLACES, *_ROWWISE, "A_shape", "truth"})


@dataclass(frozen=True)
@by_value
class SparseProblem:
    """Sparse problem from a file.

    Attributes:
        A: Map `A`, in the precision of the file, single or double.
        y: Measurements `y`, (m,), in double precision.
        truth: True vector, (n,), in double precision; None if the file has none.
        warnings: Sentences on what was ignored in reading.
    """

    A: LinearMap
    y: Float[Tensor, " m"]
    truth: Float[Tensor, " n"] | None
    warnings: tuple[str, ...]


def read_sparse_problem(path: Path) -> SparseProblem:
    """Read a sparse problem; `docs/sparse.md` describes the format.

    Raises:
        InputError: If the file cannot be read or used; the message is one line.
    """
    container = _read(path)
    numbers = {name: _inexact(name, array) for name, array in container.arrays.items()}
    file = FileArrays(numbers, torch.float64, torch.device("cpu"), container.first_index)
    given = [name for name, parts in (("A", ("A",)), ("A_values", _PLACES), ("A_data", _ROWWISE)) if parts[0] in file]
    _require_no_scipy_file(given, container.others)
    require(len(given) == 1, "one of A, A_values and A_data", ", ".join(given) or file.contents())
    A: LinearMap
    if given == ["A"]:
        require(len(file.shape("A")) == 2, "a matrix of two dimensions in A", file.size("A"))
        A = DenseMap(_as_precise(file, "A", file.tensor("A")))
    else:
        A = _from_places(file) if given == ["A_values"] else _from_rows(file)
    y = file.vector("y", "the measurements")
    require(len(y) == A.shape[0], f"y of {A.shape[0]} numbers", len(y), f"A is {size_text(A.shape)}")
    truth = file.vector("truth", "the vector that was measured") if "truth" in file else None
    if truth is not None:
        require_size("truth", truth.shape, A.shape[1:])
    ignored = ", ".join(container.others)
    return SparseProblem(
        A, y, truth, (f"ignored arrays that are no part of a sparse problem: {ignored}",) if ignored else ()
    )


def _from_places(file: FileArrays) -> SparseMap:
    rows, columns = (_indices(file, name, file.first_index) for name in _PLACES[1:])
    return _checked(file, "A_values", rows, columns, file.first_index)


def _from_rows(file: FileArrays) -> SparseMap:
    columns, starts = (_indices(file, name, 0) for name in _ROWWISE[1:])
    lengths = starts.diff()
    sound = len(starts) > 1 and int(starts[0]) == 0 and bool((lengths >= 0).all()) and int(starts[-1]) == len(columns)
    require(sound, "A_indptr that rises from 0 to the number of nonzeros", "another", "write A.indptr of a CSR matrix")
    rows = torch.arange(len(lengths)).repeat_interleave(lengths)
    require(len(lengths) == _shape(file)[0], f"A_indptr of {_shape(file)[0] + 1} numbers", len(starts))
    return _checked(file, "A_data", rows, columns, 0)


def _indices(file: FileArrays, name: str, first: int) -> Tensor:
    require(name in file, name, file.contents())
    return file.integers(name, "an index for each nonzero").reshape(-1) - first


def _checked(file: FileArrays, name: str, rows: Tensor, columns: Tensor, first: int) -> SparseMap:
    values = _as_precise(file, name, file.vector(name, "the nonzeros"))
    shape = _shape(file)
    for other, indices, side in (("rows", rows, shape[0]), ("columns", columns, shape[1])):
        require(len(indices) == len(values), f"as many {other} as nonzeros, {len(values)}", len(indices))
        inside = not len(indices) or (int(indices.min()) >= 0 and int(indices.max()) < side)
        came = f"{int(indices.min()) + first} to {int(indices.max()) + first}" if len(indices) else "none"
        advice = f"they count from {first} in this kind of file"
        require(inside, f"{other} of A between {first} and {side - 1 + first}", came, advice)
    return SparseMap(values, rows, columns, shape)


def _shape(file: FileArrays) -> tuple[int, int]:
    require("A_shape" in file, "A_shape, the numbers of rows and columns", file.contents())
    sides = file.integers("A_shape", "the numbers of rows and columns").reshape(-1)
    require(len(sides) == 2, "two numbers in A_shape", len(sides))
    M, N = int(sides[0]), int(sides[1])
    require(M >= 1 and N >= 1, "at least one row and one column in A_shape", f"{M} and {N}")
    most = _memory() // (8 * _VECTORS)
    advice = f"a search holds {_VECTORS} vectors of that length; check A_shape"
    require(max(M, N) <= most, f"at most {most:,} rows and columns in A_shape, for memory", f"{M:,} and {N:,}", advice)
    return M, N


def _memory() -> int:
    """Return the memory of the machine, in bytes."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return _USUAL_MEMORY
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _read(path: Path) -> Contents:
    try:
        return read_container(path, _NAMES)
    except InputError as error:
        if "A, got one of MATLAB class sparse" not in str(error):
            raise
        raise InputError(
            "needed A as a plain array or by its nonzeros, got MATLAB's sparse; "
            "[A_rows, A_columns, A_values] = find(A); A_shape = size(A); and save those four and y"
        ) from error


def _require_no_scipy_file(given: list[str], others: tuple[str, ...]) -> None:
    advice = (
        "with A = A.tocsr() write numpy.savez(file, A_data=A.data, A_indices=A.indices, A_indptr=A.indptr, "
        "A_shape=A.shape, y=y)"
    )
    came = "a file of scipy.sparse.save_npz, which has no place for y"
    require(given or not set(others) >= _SAVE_NPZ, "one of A, A_values and A_data", came, advice)


def _inexact(name: str, array: np.ndarray) -> np.ndarray:
    """Return whole numbers and booleans as doubles, if the array holds values and not indices."""
    return array.astype(np.float64) if name in _NUMBERS and array.dtype.kind in "iub" else array


def _as_precise(file: FileArrays, name: str, values: Tensor) -> Tensor:
    """Return values in single precision if the file has single precision: it decides which fit counts as exact."""
    single = file.arrays[name].dtype
    return values.float() if single.kind == "f" and single.itemsize == np.dtype(np.float32).itemsize else values
