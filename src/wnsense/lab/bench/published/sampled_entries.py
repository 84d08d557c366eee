"""Sampled entries of a rectangular real matrix, in compressed rows, and the products that methods need."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array

from wnsense.checks import require, require_rank, require_size, size_text
from wnsense.lab.bench.published.krylov import leading_triples

# Above this share of sampled entries, blocks of the full product cost less than gathered rows (measured at widths of
# 5 and 10 and sides of 60 to 3,000).
_DENSE_SHARE = 0.04
# Number of entries of such a block; it stays in a processor's cache.
_BLOCK_ENTRIES = 2**16
# Columns beyond the rank, and blocks, for the leading singular triples of the back-projected entries.
_EXTRA_COLUMNS = 5
_PASSES = 10


@dataclass(frozen=True)
class SampledEntries:
    """Entries of a matrix, sorted by rows.

    Attributes:
        rows: Row indices, (n,).
        columns: Column indices, (n,).
        values: Entries, (n,).
        shape: Sides `(m1, m2)` of the matrix.
        starts: Number of entries before each row, (m1 + 1,).
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]
    starts: np.ndarray

    @classmethod
    def from_entries(
        cls, rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]
    ) -> "SampledEntries":
        """Sort entries by rows and check them.

        Raises:
            InputError: If sizes or indices do not fit, a place is given twice, a value is not finite, or all are zero.
        """
        rows, columns, values = (np.asarray(array) for array in (rows, columns, values))
        m1, m2 = shape
        require(values.ndim == 1 and values.size > 0, "a vector of at least one entry", size_text(values.shape))
        require_size("the row indices", rows.shape, values.shape)
        require_size("the column indices", columns.shape, values.shape)
        integral = all(np.issubdtype(array.dtype, np.integer) for array in (rows, columns))
        require(integral, "integers as indices", f"{rows.dtype} and {columns.dtype}")
        for name, indices, side in (("row", rows, m1), ("column", columns, m2)):
            low, high = int(indices.min()), int(indices.max())
            require(low >= 0 and high < side, f"{name} indices from 0 to {side - 1}", f"{low} to {high}")
        require(np.isrealobj(values), "real entries", values.dtype)
        require(bool(np.isfinite(values).all()) and bool(values.any()), "finite entries that are not all 0", "others")
        places = rows.astype(np.int64) * m2 + columns
        order = np.argsort(places, kind="stable")
        repeated = int((np.diff(places[order]) == 0).sum())
        require(repeated == 0, "each place once", f"{repeated} repeated places", "average their values")
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=m1))])
        # 32-bit indices, as in scipy's own sparse arrays.
        return cls(
            rows[order].astype(np.int32),
            columns[order].astype(np.int32),
            values[order].astype(np.float64),
            shape,
            starts.astype(np.int32),
        )

    @classmethod
    def mirrored(cls, rows: np.ndarray, columns: np.ndarray, values: np.ndarray, size: int) -> "SampledEntries":
        """Return the entries `(i, j)` and `(j, i)` of a symmetric matrix, from one of each pair.

        Raises:
            InputError: As `from_entries`; also if both entries of a pair are given.
        """
        rows, columns, values = (np.asarray(array) for array in (rows, columns, values))
        off = rows != columns
        both = [
            np.concatenate(pair)
            for pair in ((rows, columns[off]), (columns, rows[off]), (values, np.asarray(values)[off]))
        ]
        return cls.from_entries(both[0], both[1], both[2], (size, size))

    @property
    def count(self) -> int:
        """Number of entries, `n`."""
        return len(self.values)

    @property
    def size(self) -> float:
        """Norm of the entries, `||y||`."""
        return float(np.linalg.norm(self.values))

    @property
    def is_symmetric(self) -> bool:
        """False: the unknown is rectangular."""
        return False

    def require_determined(self, rank: int) -> None:
        """Raise `InputError` if the rank is impossible or too large for the number of entries."""
        m1, m2 = self.shape
        require_rank("the rank", rank, min(m1, m2))
        dof = rank * (m1 + m2 - rank)
        require(self.count >= dof, f"at least {dof} entries for rank {rank}", self.count, "give a smaller rank")

    def sparse(self, v: np.ndarray) -> csr_array:
        """Return the sparse matrix that has the numbers `v` at the sampled places."""
        return csr_array((v, self.columns, self.starts), shape=self.shape)

    def measure(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the sampled entries of `left right^T`."""
        m1, m2 = self.shape
        if self.count < _DENSE_SHARE * m1 * m2:
            entries: np.ndarray = np.einsum("ij,ij->i", left.take(self.rows, 0), right.take(self.columns, 0))
            return entries
        entries = np.empty(self.count)
        transposed = np.ascontiguousarray(right.T)
        height = max(1, _BLOCK_ENTRIES // m2)
        for first in range(0, m1, height):
            last = min(first + height, m1)
            begin, end = self.starts[first], self.starts[last]
            places = (self.rows[begin:end] - first) * m2 + self.columns[begin:end]
            entries[begin:end] = (left[first:last] @ transposed).ravel().take(places)
        return entries

    def leading(self, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Return the leading singular triples `U, s, V` of the back-projected entries, and their cost in products."""
        S = self.sparse(self.values)
        ST = S.T
        width = min(rank + _EXTRA_COLUMNS, self.shape[1])
        start = np.random.default_rng(0).standard_normal((self.shape[1], width))
        return leading_triples(lambda V: S @ V, lambda U: ST @ U, start, rank=rank, passes=_PASSES)

    def jacobian(self, left: np.ndarray, right: np.ndarray) -> "EntryJacobian":
        """Return the derivative of `measure` at two factors."""
        (n, r), (m1, m2) = (self.count, left.shape[1]), self.shape
        data = np.empty((n, 2, r))
        data[:, 0] = right.take(self.columns, 0)
        data[:, 1] = left.take(self.rows, 0)
        first = np.stack([self.rows, m1 + self.columns], 1) * np.int32(r)
        indices = first[..., None] + np.arange(r, dtype=np.int32)
        starts = np.arange(0, 2 * n * r + 1, 2 * r, dtype=np.int32)
        J = csr_array((data.ravel(), indices.ravel(), starts), shape=(n, (m1 + m2) * r))
        S = self.sparse(np.empty(n))
        return EntryJacobian(J, S, S.T, left, right)


@dataclass(frozen=True)
class EntryJacobian:
    """Derivative `(dL, dR) -> P(dL R^T + L dR^T)` of the sampled entries, on the rows of `dL` and `dR` as one vector.

    Attributes:
        J: The derivative as a sparse matrix, (n, (m1 + m2) r).
        S: Sparse matrix (m1, m2), whose numbers are overwritten by `transpose_times`.
        ST: Its transpose, which holds the same numbers.
        left: Factor `L`, (m1, r).
        right: Factor `R`, (m2, r).
    """

    J: csr_array
    S: csr_array
    ST: csc_array
    left: np.ndarray
    right: np.ndarray

    def times(self, x: np.ndarray) -> np.ndarray:
        """Return the derivative in a direction."""
        image: np.ndarray = self.J @ x
        return image

    def sides(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the back-projection of `v` times `R`, and its transpose times `L`."""
        self.S.data[:] = v
        return self.S @ self.right, self.ST @ self.left

    def transpose_times(self, v: np.ndarray) -> np.ndarray:
        """Return the transpose times a vector; it costs less through the back-projection than through `J`."""
        left, right = self.sides(v)
        return np.concatenate([left.ravel(), right.ravel()])
