"""Measurements that are the rows of a sparse matrix, at the cost of its nonzeros."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Inexact, Int
from scipy.sparse import csr_array, csr_matrix, issparse, sparray, spmatrix
from torch import Tensor

from wnsense.checks import InputError, require, require_finite, require_size
from wnsense.linalg import packed_length
from wnsense.sensing.ensembles.placed import PlacedSensing
from wnsense.sensing.ensembles.positions import Positions, check_indices
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.space import Size, Space
from wnsense.sensing.tensor_fields import require_tensors


@dataclass(frozen=True)
class SparseSensing(PlacedSensing):
    """Measurements `y = Re(A z)` for a sparse `A`, where `z` holds `Z[i_p, j_p]` at the places of its columns.

    `from_matrix` makes such an operator. Each place is computed once, for any number of rows that use it, and memory is
    O(m r + nonzeros). A row without nonzeros is allowed; its measurement is 0 for every unknown.

    Attributes:
        measurements: Row of `A` of each nonzero, (nonzeros,).
        places: Column of `A` of each nonzero, the number of its place, (nonzeros,).
        values: Nonzeros, (nonzeros,), of the unknown's dtype.
        rows: Row indices `i_p`, (places,).
        columns: Column indices `j_p`, (places,).
        count: Number of rows of `A`, n.
        space: Space of the unknown.
        second_moment: See `Operator`.
    """

    measurements: Int[Tensor, " nonzeros"]
    places: Int[Tensor, " nonzeros"]
    values: Inexact[Tensor, " nonzeros"]
    rows: Int[Tensor, " p"]
    columns: Int[Tensor, " p"]
    count: int
    space: Space
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit each other, and that all indices lie inside."""
        data = self.values, self.measurements, self.places, self.rows, self.columns
        require_tensors("SparseSensing.from_matrix", self.space, *data)
        require(self.count >= 1, "at least one measurement", self.count)
        require(len(self.values) > 0, "at least one nonzero", "none", "nothing would be measured")
        require(self.values.dtype == self.dtype, f"nonzeros of {self.dtype}", self.values.dtype)
        for name, indices in (("measurements", self.measurements), ("places", self.places)):
            require_size(f"{name} beside {len(self.values)} values", indices.shape, self.values.shape)
        require_size(f"columns beside {len(self.rows)} rows", self.columns.shape, self.rows.shape)
        check_indices("measurements", self.measurements, self.count)
        check_indices("places", self.places, len(self.rows))
        check_indices("rows", self.rows, self.shape[0])
        check_indices("columns", self.columns, self.shape[1])
        if self.values.device.type != "meta":
            require_finite("the nonzeros of the sparse matrix", self.values)

    @classmethod
    def from_matrix(cls, matrix: spmatrix | sparray | Tensor, size: Size, *, kind: str = "psd") -> "SparseSensing":
        """Take a sparse matrix whose rows are measurements of the vectorized unknown, `y = Re(A vec Z)`.

        The number of columns determines the layout of the unknown, as for `from_scipy`. With `m1 m2` columns it is the
        matrix row by row; for the symmetric kinds the Hermitian part of each row's matrix counts. For the real
        symmetric kinds `m (m + 1) / 2` columns are svec: the upper triangle row by row, `sqrt(2)` off the diagonal.
        Nothing is normalized.

        Args:
            matrix: SciPy sparse matrix or array of any format, or PyTorch tensor in CSR layout, with n rows. Entries
                stored twice add up. Integers become double precision.
            size: Side `m`, or `(m1, m2)` for a rectangular unknown.
            kind: Kind of the unknown.

        Raises:
            InputError: If it is no sparse matrix, the number of columns fits no layout, the dtype does not suit the
                kind, or an entry is NaN or infinite.
        """
        n, width, measurements, indices, values = _nonzeros(matrix)
        kind = Kind(kind)
        if kind is Kind.HERMITIAN:
            values = values.to(values.dtype.to_complex())
        space = Space.from_size(size, kind, values.dtype, values.device)
        shape = space.shape
        full, packed = shape[0] * shape[1], packed_length(shape[0], is_complex=False)
        layouts = f"{full} columns (the matrix row by row)"
        takes_packed = kind in {Kind.PSD, Kind.SYMMETRIC}
        layouts += f" or {packed} (svec)" if takes_packed and packed != full else ""
        require(width == full or (takes_packed and width == packed), layouts, width)
        used, places = torch.unique(indices, return_inverse=True)
        if width == full:
            rows, columns = used // shape[1], used % shape[1]
        else:
            rows, columns = _upper_triangle(used, shape[0])
            values = torch.where((rows == columns)[places], values, values * 2**0.5)
        return cls(measurements, places, values, rows, columns, n, space)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "SparseSensing | None":
        """Return the operator of some rows, with the places of all; None if the rows have no nonzeros."""
        measurements, order = self.measurements.sort(stable=True)
        first = torch.searchsorted(measurements, rows)
        lengths = torch.searchsorted(measurements, rows, right=True) - first
        new_rows = torch.arange(len(rows), device=self.device).repeat_interleave(lengths)
        if not len(new_rows):
            return None
        ends = lengths.cumsum(0)
        within = torch.arange(len(new_rows), device=self.device) - (ends - lengths)[new_rows]
        nonzeros = order[first[new_rows] + within]
        return replace(
            self,
            measurements=new_rows,
            places=self.places[nonzeros],
            values=self.values[nonzeros],
            count=len(rows),
            second_moment=None,
        )

    def traces(self) -> Float[Tensor, " n"]:
        """Return the sum of each row's real values at places of the diagonal."""
        diagonal = (self.rows == self.columns).to(self.dtype)
        return self._nonzeros.times(self.values, diagonal.unsqueeze(-1)).squeeze(-1).real

    @cached_property
    def _nonzeros(self) -> Positions:
        """Places of the nonzeros in `A` itself."""
        return Positions(self.measurements, self.places, (self.count, len(self.rows)))

    def _coefficients(self, v: Tensor) -> Tensor:
        """Return `A^H v`, the numbers of `M*(v)` at the places."""
        return self._nonzeros.transpose_times(self.values, v.to(self.dtype).unsqueeze(-1)).squeeze(-1)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        z = self._positions.entries(point)
        return self._nonzeros.times(self.values, z.unsqueeze(-1)).squeeze(-1).real


def _nonzeros(matrix: spmatrix | sparray | Tensor) -> tuple[int, int, Tensor, Tensor, Tensor]:
    """Return n, the number of columns, and for each nonzero its row, its column and its value, row by row."""
    if isinstance(matrix, Tensor):
        require(matrix.layout == torch.sparse_csr, "a tensor in CSR layout", matrix.layout, "say .to_sparse_csr()")
        require(matrix.dim() == 2, "a sparse matrix of two dimensions", matrix.dim())
        offsets, indices, values = matrix.crow_indices().long(), matrix.col_indices().long(), matrix.values()
    else:
        csr = _scipy_csr(matrix)
        require(csr.ndim == 2, "a sparse matrix of two dimensions", csr.ndim)
        offsets = torch.from_numpy(csr.indptr.astype(np.int64))
        indices = torch.from_numpy(csr.indices.astype(np.int64))
        numbers = csr.data.astype(np.float64) if csr.dtype.kind in "biu" else csr.data
        advice = "convert it with .astype(float)"
        require(numbers.dtype.char in "fdFD", "numbers of single or double precision", str(numbers.dtype), advice)
        values = torch.from_numpy(numbers.copy())
    n, width = matrix.shape
    rows = torch.arange(n, device=offsets.device).repeat_interleave(offsets.diff())
    return int(n), int(width), rows, indices, values


def _scipy_csr(matrix: spmatrix | sparray) -> csr_matrix | csr_array:
    if not issparse(matrix):
        raise InputError(
            f"needed a SciPy sparse matrix or a PyTorch CSR tensor, got {type(matrix).__name__}; "
            "DenseSensing.from_matrices takes dense ones, from_scipy a LinearOperator"
        )
    return matrix.tocsr()


def _upper_triangle(packed: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the rows and columns of indices into the upper triangle row by row."""
    lengths = torch.arange(size, 0, -1, device=packed.device)
    ends = lengths.cumsum(0)
    rows = torch.searchsorted(ends, packed, right=True)
    return rows, packed - ends[rows] + size
