"""Sub-blocks of the matrix, all their entries, from small products of rows of the factors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
from jaxtyping import Float, Inexact, Int, Int64
from torch import Tensor

from wnsense.checks import require, require_size, size_text
from wnsense.linalg import Dtype, Place, Rng
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.positions import Positions, check_indices
from wnsense.sensing.given_numbers import NumbersLike, index_tensor
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.space import Size, Space
from wnsense.sensing.tensor_fields import require_tensors


@dataclass(frozen=True)
class SubBlockSensing(Operator):
    """All entries of sub-blocks `Z[I, J]`, each block from a small product of rows of the factors.

    The measurements are the entries of the first block row by row, then those of the second, and so on. Of complex
    unknowns they are the real and the imaginary part of each entry in turn. As for `EntrySensing`, an entry in several
    blocks is measured several times, and the symmetric kinds have Hermitian parts as `M_k`.

    Attributes:
        row_indices: Sets `I`, one after the other, (sum of their sizes,), int64.
        column_indices: Sets `J`, one after the other, int64.
        block_shapes: `(|I|, |J|)` of each block.
        space: Space of the unknown.
        weight: Factor of each entry.
        second_moment: See `Operator`; known for drawn blocks only.
    """

    row_indices: Int64[Tensor, " p"]
    column_indices: Int64[Tensor, " q"]
    block_shapes: tuple[tuple[int, int], ...]
    space: Space
    weight: float = 1.0
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check that the sets fill the blocks and lie in the matrix."""
        require_tensors("SubBlockSensing.from_sets", self.space, self.row_indices, self.column_indices)
        require(len(self.block_shapes) > 0, "at least one block", "none")
        smallest = min(min(block) for block in self.block_shapes)
        require(smallest > 0, "blocks of at least one row and column", "an empty one")
        rows, columns = (sum(block[side] for block in self.block_shapes) for side in (0, 1))
        require_size("the row indices of all blocks", self.row_indices.shape, (rows,))
        require_size("the column indices of all blocks", self.column_indices.shape, (columns,))
        check_indices("row indices", self.row_indices, self.shape[0])
        check_indices("column indices", self.column_indices, self.shape[1])
        require(math.isfinite(self.weight), "a finite weight", self.weight)

    @classmethod
    def from_sets(
        cls, sets: Sequence[tuple[NumbersLike, NumbersLike]], size: Size, *, kind: str = "psd", dtype: Dtype = None
    ) -> "SubBlockSensing":
        """Measure the blocks `Z[I, J]` of pairs (I, J) of indices, as they are.

        Raises:
            InputError: If there is no pair, or an index lies outside of the matrix.
        """
        require(len(sets) > 0, "at least one block", "none")
        row_sets = [index_tensor("row indices", row_set) for row_set, _ in sets]
        column_sets = [index_tensor("column indices", column_set) for _, column_set in sets]
        shapes = tuple((rows.numel(), columns.numel()) for rows, columns in zip(row_sets, column_sets, strict=True))
        space = Space.from_size(size, kind, dtype, row_sets[0].device)
        return cls(torch.cat(row_sets), torch.cat(column_sets), shapes, space)

    @classmethod
    def draw(
        cls,
        blocks: int,
        block_shape: tuple[int, int],
        size: Size,
        *,
        kind: str = "psd",
        generator: Rng = None,
        dtype: Dtype = None,
        device: Place = "cpu",
    ) -> "SubBlockSensing":
        """Draw the sets of each block independently and uniformly, without repetition in a set; `E M*M(Z) = Z`.

        An entry belongs to a p x q block with probability `p q / (m1 m2)`. With the weight `sqrt(m1 m2 / (b p q))` for
        b blocks `E M*M` is the identity; for the symmetric kinds that is so because `I` and `J` are independent.

        Args:
            blocks: Number b of blocks.
            block_shape: Sides (p, q) of a block.
            size: Side `m`, or `(m1, m2)` for a rectangular unknown.
            kind: Kind of the unknown.
            generator: Source of randomness.
            dtype: Dtype of the unknown; by default double precision, complex for kind hermitian.
            device: Device of the data.

        Raises:
            InputError: If b, p, q or the size is not positive, or a block is larger than the matrix.
        """
        space = Space.from_size(size, kind, dtype, device)
        (m1, m2), (p, q) = space.shape, block_shape
        require(blocks >= 1, "at least one block", blocks)
        fits = 1 <= p <= m1 and 1 <= q <= m2
        require(fits, f"a block shape between 1 x 1 and {m1} x {m2}", size_text(block_shape))
        pairs = [
            (draw_distinct(p, m1, generator=generator), draw_distinct(q, m2, generator=generator))
            for _ in range(blocks)
        ]
        rows, columns = (torch.cat(sets).to(space.device) for sets in zip(*pairs, strict=True))
        weight = math.sqrt(m1 * m2 / (blocks * p * q))
        return cls(rows, columns, ((p, q),) * blocks, space, weight, second_moment=(1.0, 0.0))

    def as_entries(self) -> EntrySensing:
        """Return the operator that measures the same entries one by one."""
        parts = 2 if self.is_complex else 1
        rows, columns = [], []
        for run in self._runs:
            rows_of_each = torch.unflatten(self.row_indices[run.rows], 0, (-1, run.p, 1, 1))
            columns_of_each = torch.unflatten(self.column_indices[run.columns], 0, (-1, 1, run.q, 1))
            rows.append(rows_of_each.expand(-1, -1, run.q, parts).flatten())
            columns.append(columns_of_each.expand(-1, run.p, -1, parts).flatten())
        weights = torch.full((self.count,), self.weight, dtype=self.real_dtype, device=self.device)
        imaginary = torch.arange(self.count, device=self.device) % 2 == 1 if self.is_complex else None
        places = torch.cat(rows), torch.cat(columns)
        return EntrySensing(*places, self.shape, self.kind, self.dtype, weights, imaginary, self.second_moment)

    def select_rows(self, rows: Int[Tensor, " k"]) -> EntrySensing:
        """Return the operator of some of the entries, one by one."""
        return self.as_entries().select_rows(rows)

    def traces(self) -> Float[Tensor, " n"]:
        """Return the weight for real parts of entries of the diagonal, 0 for others."""
        return self.as_entries().traces()

    @cached_property
    def _runs(self) -> "tuple[_Run, ...]":
        runs, row, column, entry = [], 0, 0, 0
        for (p, q), same in groupby(self.block_shapes):
            blocks = len(list(same))
            ends = (row + blocks * p, column + blocks * q, entry + blocks * p * q)
            runs.append(_Run(p, q, slice(row, ends[0]), slice(column, ends[1]), slice(entry, ends[2])))
            row, column, entry = ends
        return tuple(runs)

    @cached_property
    def _row_places(self) -> Positions:
        place = torch.arange(len(self.row_indices), device=self.device)
        return Positions(self.row_indices, place, (self.shape[0], len(place)))

    @cached_property
    def _column_places(self) -> Positions:
        place = torch.arange(len(self.column_indices), device=self.device)
        return Positions(self.column_indices, place, (self.shape[1], len(place)))

    @cached_property
    def count(self) -> int:
        """Number of entries of all blocks, of complex unknowns twice that."""
        return (2 if self.is_complex else 1) * sum(p * q for p, q in self.block_shapes)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        left = (point.X @ point.Theta).index_select(-2, self.row_indices) * self.weight
        right = point.right.index_select(-2, self.column_indices)
        blocks = [
            (
                torch.unflatten(left[..., run.rows, :], -2, (-1, run.p))
                @ torch.unflatten(right[..., run.columns, :], -2, (-1, run.q)).mH
            ).flatten(-3)
            for run in self._runs
        ]
        return Kind.RECTANGULAR.pack(torch.cat(blocks, dim=-1).unsqueeze(-1))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        if not self.kind.is_symmetric:
            return self._times(v, V)
        return (self._times(v, V) + self._transpose_times(v, V)) / 2

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        return self._adjoint_times(v, U) if self.kind.is_symmetric else self._transpose_times(v, U)

    def _times(self, v: Tensor, V: Tensor) -> Tensor:
        """Return `S V`, where `S` holds the values `v` at their places."""
        of_columns = V.index_select(-2, self.column_indices)
        products = [
            (block @ torch.unflatten(of_columns[..., run.columns, :], -2, (-1, run.q))).flatten(-3, -2)
            for run, block in self._values(v)
        ]
        return self._row_places.times(V.new_ones(len(self.row_indices)), torch.cat(products, dim=-2))

    def _transpose_times(self, v: Tensor, U: Tensor) -> Tensor:
        """Return `S^H U`."""
        of_rows = U.index_select(-2, self.row_indices)
        products = [
            (block.mH @ torch.unflatten(of_rows[..., run.rows, :], -2, (-1, run.p))).flatten(-3, -2)
            for run, block in self._values(v)
        ]
        return self._column_places.times(U.new_ones(len(self.column_indices)), torch.cat(products, dim=-2))

    def _values(self, v: Tensor) -> "list[tuple[_Run, Tensor]]":
        """Return the numbers of each run of blocks of one shape, (..., blocks, p, q)."""
        entries = v.shape[-1] // (2 if self.is_complex else 1)
        flat = Kind.RECTANGULAR.unpack(v * self.weight, (entries, 1), is_complex=self.is_complex).squeeze(-1)
        return [(run, torch.unflatten(flat[..., run.entries], -1, (-1, run.p, run.q))) for run in self._runs]


@dataclass(frozen=True)
class _Run:
    """Neighbouring blocks of one shape, which are multiplied together.

    Attributes:
        p: Rows of each block.
        q: Columns of each block.
        rows: Positions of their row indices.
        columns: Positions of their column indices.
        entries: Positions of their entries.
    """

    p: int
    q: int
    rows: slice
    columns: slice
    entries: slice
