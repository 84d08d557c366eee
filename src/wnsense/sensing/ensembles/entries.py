"""Entries of the matrix itself, from rows of the factors: the memory is O(m r + n), without an m x m matrix."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from wnsense.checks import require, require_finite, require_size, size_text
from wnsense.linalg import Dtype, Place, Rng
from wnsense.sensing.converted_field import converted
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.ensembles.placed import PlacedSensing
from wnsense.sensing.ensembles.positions import check_indices
from wnsense.sensing.given_numbers import NumbersLike, index_tensor, real_tensor, tensor_from
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.row_groups import RowGroups, row_groups
from wnsense.sensing.second_moment import moment_of_rows
from wnsense.sensing.space import Size, Space, dtype_for, sides


def _weights(rows: Tensor, dtype: torch.dtype, given: NumbersLike | None) -> Tensor | None:
    """Return weights; a tensor keeps its dtype, which must be that of the measurements."""
    if given is None or isinstance(given, Tensor):
        return given
    return real_tensor("the weights", given).to(device=rows.device, dtype=dtype.to_real())


def _imaginary(rows: Tensor, given: NumbersLike | None) -> Tensor | None:
    return None if given is None else tensor_from("imaginary", given).to(rows.device)


@dataclass(frozen=True)
class EntrySensing(PlacedSensing):
    """Entries `y_k = w_k Re Z[i_k, j_k]` or `w_k Im Z[i_k, j_k]`, as in matrix completion.

    The source is Candes and Recht, arXiv 0805.4471. The matrix `M_k` is `w_k E_ij`, times the imaginary unit where the
    imaginary part is measured. For the symmetric kinds it is the Hermitian part of that, since `Z[j, i]` carries the
    same information.

    A place may occur several times. Each time is a measurement of its own, with its own weight and value. Some entries
    determine a low-rank matrix only if its singular vectors are spread (incoherent), not if it is nearly zero
    elsewhere.

    Any order of the places is allowed; ascending rows save a permutation of the measurements in each back-projection.

    Attributes:
        rows: Row indices `i_k`, (n,), int64; any integers are taken.
        columns: Column indices `j_k`, (n,), int64.
        size: Sides `(m1, m2)`; a side `m` is taken for both.
        kind: Kind of the unknown, or its name.
        dtype: Dtype of the unknown; by default double precision, complex for kind hermitian.
        weights: Weights `w_k`, (n,), real; None for ones.
        imaginary: True where the imaginary part is measured, (n,), for complex unknowns; None measures real parts.
        second_moment: See `Operator`; known for drawn places only.
    """

    rows: Int64[Tensor, " n"] = converted("rows", lambda _, given: index_tensor("rows", given))
    columns: Int64[Tensor, " n"] = converted("columns", lambda _, given: index_tensor("columns", given))
    size: tuple[int, int] = converted("size", lambda _, given: sides(given))
    kind: Kind = converted("kind", lambda _, given: Kind(given), default=Kind.PSD)
    dtype: torch.dtype = converted("dtype", lambda own, given: dtype_for(own.kind, given), default=None)
    weights: Float[Tensor, " n"] | None = converted(
        "weights", lambda own, given: _weights(own.rows, own.dtype, given), default=None
    )
    imaginary: Bool[Tensor, " n"] | None = converted(
        "imaginary", lambda own, given: _imaginary(own.rows, given), default=None
    )
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit each other and that places lie in the matrix."""
        n = self.count
        require(n > 0, "at least one measurement", "none")
        for name, values in (("columns", self.columns), ("weights", self.weights), ("imaginary", self.imaginary)):
            if values is not None:
                require_size(f"{name} beside {n} rows", values.shape, (n,))
        check_indices("rows", self.rows, self.shape[0])
        check_indices("columns", self.columns, self.shape[1])
        if self.weights is not None:
            real = self.real_dtype
            require(self.weights.dtype == real, f"weights of {real}", self.weights.dtype)
            if self.weights.device.type != "meta":
                require_finite("the weights", self.weights)
        if self.imaginary is not None:
            require(self.imaginary.dtype == torch.bool, "imaginary of dtype bool", self.imaginary.dtype)
            require(self.is_complex, "a complex dtype where imaginary parts are measured", self.dtype)

    @cached_property
    def space(self) -> Space:
        """Space of the unknown."""
        return Space(self.kind, self.size, self.dtype, self.rows.device)

    @classmethod
    def from_places(
        cls,
        rows: NumbersLike,
        columns: NumbersLike,
        size: Size,
        kind: str = "psd",
        dtype: Dtype = None,
        *,
        weights: NumbersLike | None = None,
        imaginary: NumbersLike | None = None,
    ) -> "EntrySensing":
        """Return the operator of the entries at given places, unscaled; the constructor takes the same.

        Args:
            rows: Row indices `i_k`, (n,), integers.
            columns: Column indices `j_k`, (n,), integers.
            size: Side `m`, or `(m1, m2)` for a rectangular unknown.
            kind: Kind of the unknown.
            dtype: Dtype of the unknown; by default double precision, complex for kind hermitian.
            weights: Weights `w_k`, (n,), real; None for ones.
            imaginary: True where the imaginary part is measured, (n,), for complex unknowns; None measures real parts.

        Raises:
            InputError: If the parts do not fit each other, or a place lies outside of the matrix.
        """
        kind = Kind(kind)
        precision = dtype_for(kind, dtype)
        places = index_tensor("rows", rows), index_tensor("columns", columns)
        root, parts = _weights(places[0], precision, weights), _imaginary(places[0], imaginary)
        return cls(*places, sides(size), kind, precision, root, parts)

    @classmethod
    def draw(
        cls,
        n: int,
        size: Size,
        *,
        replacement: bool = False,
        kind: str = "psd",
        generator: Rng = None,
        dtype: Dtype = None,
        device: Place = "cpu",
    ) -> "EntrySensing":
        """Draw n coordinates of the unknown, all equally likely; `E M*M(Z) = Z`.

        Coordinates are those of `Kind.pack`: entries of a rectangular matrix, or of the triangle of a symmetric one
        with weight `sqrt(2)` off the diagonal; real and imaginary parts count apart. They are an orthonormal basis.
        With another factor `sqrt(d/n)`, d the dimension, `E M*M` is the identity exactly, on the diagonal too. They are
        sorted by rows.

        With `replacement` the draws are independent, so that a coordinate may occur again; without it n is at most d.
        The other arguments are those of `GaussianSensing.draw`.

        Raises:
            InputError: If n or the size is not positive, or n exceeds d without replacement.
        """
        space = Space.from_size(size, kind, dtype, device)
        kind, shape, dimension = space.kind, space.shape, space.dimension
        require(n >= 1, "at least one measurement", n)
        if replacement:
            source = generator.device if generator is not None else torch.device("cpu")
            numbers = torch.randint(dimension, (n,), generator=generator, device=source)
        else:
            needed = f"at most {dimension} measurements, as many as a {kind} {size_text(shape)} matrix has coordinates"
            require(n <= dimension, needed, n, "say replacement=True to draw some again")
            numbers = draw_distinct(n, dimension, generator=generator)
        rows, columns, imaginary = _coordinates(numbers, shape, kind, is_complex=space.is_complex)
        order = (rows * shape[1] + columns).argsort(stable=True)
        rows, columns = rows[order], columns[order]
        weights = torch.full((n,), math.sqrt(dimension / n), dtype=space.real_dtype, device=rows.device)
        if kind.is_symmetric:
            weights = torch.where(rows == columns, weights, weights * math.sqrt(2))
        rows, columns, weights = (values.to(space.device) for values in (rows, columns, weights))
        imaginary = None if imaginary is None else imaginary[order].to(space.device)
        return cls(rows, columns, shape, kind, space.dtype, weights, imaginary, second_moment=(1.0, 0.0))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "EntrySensing":
        """Return the operator of some of the places."""
        return replace(
            self,
            rows=self.rows[rows],
            columns=self.columns[rows],
            weights=None if self.weights is None else self.weights[rows],
            imaginary=None if self.imaginary is None else self.imaginary[rows],
            second_moment=moment_of_rows(self, len(rows)),
        )

    def row_groups(self) -> RowGroups | None:
        """Return the groups of measurements of one entry; `Z[i, j]` and `Z[j, i]` of a symmetric kind are one."""
        rows, columns = self.rows, self.columns
        factors = rows.new_ones(self.count, dtype=self.real_dtype) if self.weights is None else self.weights
        if self.kind.is_symmetric:
            rows, columns = torch.minimum(rows, columns), torch.maximum(rows, columns)
        keys = rows * self.shape[1] + columns
        if self.imaginary is None:
            return row_groups(keys, factors)
        if self.kind.is_symmetric:
            # The imaginary part of `Z[j, i]` is minus that of `Z[i, j]`.
            factors = torch.where(self.imaginary & (self.rows > self.columns), -factors, factors)
        return row_groups(2 * keys + self.imaginary, factors)

    def scale_rows(self, factors: Float[Tensor, " n"]) -> "EntrySensing":
        """Return the operator with the weights `factors_k w_k`."""
        weights = factors if self.weights is None else factors * self.weights
        return replace(self, weights=weights, second_moment=None)

    def row_norms(self) -> Float[Tensor, " n"]:
        """Return `|w_k|`, over `sqrt(2)` where half of an entry of a symmetric kind stands at each of two places."""
        norms = torch.ones_like(self.rows, dtype=self.real_dtype) if self.weights is None else self.weights.abs()
        if not self.kind.is_symmetric:
            return norms
        norms = torch.where(self.rows == self.columns, norms, norms / math.sqrt(2))
        # The diagonal of a Hermitian matrix has no imaginary part.
        return norms if self.imaginary is None else norms.where(~self.imaginary | (self.rows != self.columns), 0)

    def traces(self) -> Float[Tensor, " n"]:
        """Return `w_k` where `i_k = j_k` and the real part is measured, 0 elsewhere."""
        on_diagonal = self.rows == self.columns
        if self.imaginary is not None:
            on_diagonal = on_diagonal & ~self.imaginary
        ones = on_diagonal.to(self.real_dtype)
        return ones if self.weights is None else ones * self.weights

    def squares_times(self, d: Float[Tensor, " n"], V: Float[Tensor, "m2 k"]) -> Float[Tensor, "m1 k"]:
        """Return `E V` for `E = sum_k d_k |M_k|^2`; for the symmetric kinds half of an entry counts at each place."""
        c = self._squares(d)
        if not self.kind.is_symmetric:
            return self._positions.times(c, V)
        return (self._positions.times(c, V) + self._positions.transpose_times(c, V)) / 2

    def squares_transpose_times(self, d: Float[Tensor, " n"], U: Float[Tensor, "m1 k"]) -> Float[Tensor, "m2 k"]:
        """Return `E^T U`."""
        return (
            self.squares_times(d, U) if self.kind.is_symmetric else self._positions.transpose_times(self._squares(d), U)
        )

    def _squares(self, d: Tensor) -> Tensor:
        return d if self.weights is None else d * self.weights.square()

    def _coefficients(self, v: Tensor) -> Tensor:
        """Return `v_k w_k`, times the imaginary unit where the imaginary part is measured."""
        c = v if self.weights is None else v * self.weights
        if self.imaginary is None:
            return c.to(self.dtype)
        return torch.complex(c.where(~self.imaginary, 0), c.where(self.imaginary, 0))

    @cached_property
    def count(self) -> int:
        """Number of places."""
        return len(self.rows)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        y = self._positions.entries(point)
        if y.is_complex():
            y = y.real if self.imaginary is None else y.imag.where(self.imaginary, y.real)
        return y if self.weights is None else y * self.weights


def _coordinates(
    numbers: Tensor, shape: tuple[int, int], kind: Kind, *, is_complex: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return row, column and part (True for imaginary) of coordinates numbered from 0 in any order."""
    m2 = shape[1]
    if not kind.is_symmetric:
        imaginary = numbers % 2 == 1 if is_complex else None
        entry = numbers // 2 if is_complex else numbers
        return entry // m2, entry % m2, imaginary
    if is_complex:
        # Of the m x m numbers, those on and above the diagonal are real parts; those below it are imaginary parts, with
        # both indices exchanged.
        row, column = numbers // m2, numbers % m2
        return torch.minimum(row, column), torch.maximum(row, column), row > column
    # Row q of the triangle has m - q entries; the row of q (q + 1 if m is even) fills it up to equal lengths.
    width = m2 + 1 - m2 % 2
    q, place = numbers // width, numbers % width
    folded = place >= m2 - q
    row = torch.where(folded, 2 * m2 - width - q, q)
    return row, torch.where(folded, row + place - (m2 - q), row + place), None
