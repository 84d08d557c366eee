"""Files of a sparse problem: A, dense or by its nonzeros, and y, in .npz, .mat or .safetensors.

name        size      meaning
y           M         the measurements, real; M x 1 and 1 x M will do
A           M x N     the matrix, dense
A_values    nonzeros  or the nonzeros of it
A_rows      nonzeros  the row of each, counted from 1 in .mat files and from 0 in others
A_columns   nonzeros  the column of each, likewise
A_data      nonzeros  or SciPy's CSR form of it: `A.data`, `A.indices` and `A.indptr`, counted from 0 in any file
A_indices   nonzeros
A_indptr    M + 1
A_shape     2         M and N, beside nonzeros in either form
truth       N         optional: what was measured
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_size, size_text
from wnsense.diagonal.linear_map import DenseMap, LinearMap, SparseMap
from wnsense.sensing.containers import read_container
from wnsense.sensing.file_arrays import FileArrays

_PLACES = ("A_values", "A_rows", "A_columns")
_ROWWISE = ("A_data", "A_indices", "A_indptr")
_NAMES = frozenset({"y", "A", *_PLACES, *_ROWWISE, "A_shape", "truth"})


@dataclass(frozen=True)
class SparseProblem:
    """A sparse problem from a file.

    Attributes:
        A: The map, in double precision.
        y: The measurements.
        truth: What was measured; None where the file does not know.
        warnings: What was ignored in reading, a sentence each.
    """

    A: LinearMap
    y: Float[Tensor, " m"]
    truth: Float[Tensor, " n"] | None
    warnings: tuple[str, ...]


def read_sparse_problem(path: Path) -> SparseProblem:
    """Read a sparse problem; the format stands at the head of this module.

    Raises:
        InputError: When the file cannot be read or used; the message is one line.
    """
    container = read_container(path, _NAMES)
    file = FileArrays(container.arrays, torch.float64, torch.device("cpu"), container.first_index)
    given = [name for name, parts in (("A", ("A",)), ("A_values", _PLACES), ("A_data", _ROWWISE)) if parts[0] in file]
    require(len(given) == 1, "one of A, A_values and A_data", ", ".join(given) or file.found())
    A: LinearMap
    if given == ["A"]:
        require(len(file.shape("A")) == 2, "a matrix of two dimensions in A", file.size("A"))
        A = DenseMap(file.tensor("A"))
    else:
        A = _from_places(file) if given == ["A_values"] else _from_rows(file)
    y = file.vector("y", "the measurements")
    require(len(y) == A.shape[0], f"y of {A.shape[0]} numbers", len(y), f"A is {size_text(A.shape)}")
    truth = file.vector("truth", "what was measured") if "truth" in file else None
    if truth is not None:
        require_size("truth", truth.shape, A.shape[1:])
    ignored = ", ".join(container.others)
    return SparseProblem(A, y, truth, (f"ignored what such a file has no use for: {ignored}",) if ignored else ())


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
    require(name in file, name, file.found())
    return file.integers(name, "an index for each nonzero").reshape(-1) - first


def _checked(file: FileArrays, name: str, rows: Tensor, columns: Tensor, first: int) -> SparseMap:
    values = file.vector(name, "the nonzeros")
    shape = _shape(file)
    for other, indices, side in (("rows", rows, shape[0]), ("columns", columns, shape[1])):
        require(len(indices) == len(values), f"as many {other} as nonzeros, {len(values)}", len(indices))
        inside = not len(indices) or (int(indices.min()) >= 0 and int(indices.max()) < side)
        came = f"{int(indices.min()) + first} to {int(indices.max()) + first}" if len(indices) else "none"
        advice = f"they count from {first} in this kind of file"
        require(inside, f"{other} of A between {first} and {side - 1 + first}", came, advice)
    return SparseMap(values, rows, columns, shape)


def _shape(file: FileArrays) -> tuple[int, int]:
    require("A_shape" in file, "A_shape, the numbers of rows and columns", file.found())
    sides = file.integers("A_shape", "the numbers of rows and columns").reshape(-1)
    require(len(sides) == 2, "two numbers in A_shape", len(sides))
    return int(sides[0]), int(sides[1])
