"""Entries of a transformed matrix, from transforms of its factors, without the matrix.

For orthonormal transforms `U` and `W`, `Z~ = U Z W^H` is the matrix with factors `U X`, `Theta` and `W Y`. An entry of
it is an inner product of two rows. The adjoint applies the sparse matrix with the entries of `v` between two
transforms. The cost is that of transforming the columns of the factors, and n r for the entries.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import Dtype, Place, Rng
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.ensembles.fast_transforms import (
    discrete_cosine,
    inverse_discrete_cosine,
    is_power_of_two,
    walsh_hadamard,
)
from wnsense.sensing.ensembles.positions import connected_parts
from wnsense.sensing.ensembles.transformed_coordinates import TransformedCoordinates
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack
from wnsense.sensing.space import Size, Space
from wnsense.sensing.tensor_fields import require_tensors

# Numbers in a block of gathered rows of factors, which stays in a processor's cache.
_BLOCK_NUMBERS = {"cpu": 2**17}
_BLOCK_NUMBERS_ELSEWHERE = 2**26


# --------------------------------------------------------------------------------------------------- transforms


# ---------------------------------------------------------------------------------------------------- operators


@dataclass(frozen=True)
class TransformedEntrySensing(Operator):
    """Measurements `y_k = w_k Re Z~[p_k, q_k]` or `w_k Im Z~[p_k, q_k]`, `Z~ = U S Z S' W^H`.

    `U` and `W` are unitary transforms, `S` and `S'` diagonal matrices of signs. For the symmetric kinds one transform
    and one set of signs serve both sides, so that `Z~` is symmetric (Hermitian) too.

    `draw` selects coordinates of an orthonormal basis. Real and imaginary parts are two coordinates. Two entries of
    equal value (above and below the diagonal) are one coordinate, of weight `sqrt(2)`.

    Attributes:
        rows: Row indices `p_k`, (n,).
        columns: Column indices `q_k`, (n,).
        weights: Weights `w_k`, (n,), real.
        space: Space of the unknown.
        imaginary: True where the imaginary part is measured, (n,); None measures real parts.
        signs: Diagonal of `S`, (m1,), real; None for ones.
        signs_right: Diagonal of `S'`, (m2,), for kind rectangular; the symmetric kinds have one `S`.
        second_moment: See `Operator`; known for drawn coordinates only.
    """

    rows: Int[Tensor, " n"]
    columns: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]
    space: Space
    imaginary: Bool[Tensor, " n"] | None = None
    signs: Float[Tensor, " m1"] | None = None
    signs_right: Float[Tensor, " m2"] | None = None
    second_moment: tuple[float, float] | None = None

    # Whether real matrices have complex transforms, and whether signs are drawn.
    complex_transform: ClassVar[bool] = False
    has_signs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check that the parts fit each other, and that positions lie in the matrix."""
        require_tensors(f"{type(self).__name__}.draw", self.space, self.rows, self.columns, self.weights)
        self.require_sides(self.shape)
        n = self.count
        require(n > 0, "at least one measurement", "none")
        for name, values in (("columns", self.columns), ("weights", self.weights), ("imaginary", self.imaginary)):
            if values is not None:
                require_size(f"{name} beside {n} rows", values.shape, (n,))
        real = self.real_dtype
        require(self.weights.dtype == real, f"weights of {real}", self.weights.dtype)
        for signs, side in ((self.signs, 0), (self.signs_right, 1)):
            if signs is not None:
                require_size("the signs", signs.shape, (self.shape[side],))
                require(signs.dtype == real, f"signs of {real}", signs.dtype)
        if self.kind.is_symmetric:
            require(self.signs_right is None, f"one set of signs for kind {self.kind}", "two")
        for name, positions, side in (("rows", self.rows, self.shape[0]), ("columns", self.columns, self.shape[1])):
            if positions.device.type != "meta":
                low, high = int(positions.min()), int(positions.max())
                require(low >= 0 and high < side, f"{name} between 0 and {side - 1}", f"{low} to {high}")

    @classmethod
    def draw(
        cls, n: int, size: Size, *, kind: str = "psd", generator: Rng = None, dtype: Dtype = None, device: Place = "cpu"
    ) -> "TransformedEntrySensing":
        """Draw signs, and n of the coordinates without replacement; `E M*M(Z) = Z`, and `M*M(Z) = Z` if n is all.

        Memory is O(m + n) for any number of coordinates. The arguments are those of `GaussianSensing.draw`, with n at
        most the dimension of the unknown.

        Raises:
            InputError: If n exceeds the number of coordinates, or the transform does not have the size.
        """
        space = Space.from_size(size, kind, dtype, device)
        cls.require_sides(space.shape)
        dimension, real = space.dimension, space.real_dtype
        require(1 <= n <= dimension, f"between 1 and {dimension} measurements, as many as coordinates", n)
        coordinates = TransformedCoordinates(space.shape, space.kind, space.is_complex, cls.complex_transform)
        # A matrix that the transform makes sparse is spread by signs.
        sides = () if not cls.has_signs else space.shape[:1] if space.kind.is_symmetric else space.shape
        signs = [_random_signs(side, generator, real).to(space.device) for side in sides]
        numbers = draw_distinct(n, coordinates.limit, generator=generator, accept=coordinates.accept)
        rows, columns, imaginary = coordinates.split(numbers)
        weights = coordinates.multiplicity(rows, columns).to(real).mul_(dimension / n).sqrt_()
        return cls(
            rows.to(space.device),
            columns.to(space.device),
            weights.to(space.device),
            space,
            imaginary.to(space.device) if coordinates.parts == 2 else None,
            signs[0] if signs else None,
            signs[1] if len(signs) == 2 else None,
            second_moment=(1.0, 0.0),
        )

    @classmethod
    def require_sides(cls, shape: tuple[int, int]) -> None:
        """Raise `InputError` if the transform does not have the size."""

    @abstractmethod
    def _transform(self, A: Inexact[Tensor, "*batch m"]) -> Inexact[Tensor, "*batch m"]:
        """Return `U` applied along the last dimension."""

    @abstractmethod
    def _transform_back(self, A: Inexact[Tensor, "*batch m"]) -> Inexact[Tensor, "*batch m"]:
        """Return `U^H` applied along the last dimension."""

    def connected_parts(self) -> int:
        """Return the number of components of the graph of places, 1 for a complex transform of a real matrix.

        Such a transform couples more than its entries show.
        """
        is_known = self.kind.is_symmetric and (self.is_complex or not self.complex_transform)
        return connected_parts(self.rows, self.columns, self.shape[0]) if is_known else 1

    def traces(self) -> Float[Tensor, " n"]:
        """Return `w_k` where `p_k = q_k` and the real part is measured, 0 elsewhere.

        The transform of the identity is the identity.
        """
        on_diagonal = self.rows == self.columns
        if self.imaginary is not None:
            on_diagonal = on_diagonal & ~self.imaginary
        return torch.where(on_diagonal, self.weights, 0)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "TransformedEntrySensing":
        """Return the operator of some of the entries."""
        imaginary = None if self.imaginary is None else self.imaginary[rows]
        return replace(
            self,
            rows=self.rows[rows],
            columns=self.columns[rows],
            weights=self.weights[rows],
            imaginary=imaginary,
            second_moment=None,
        )

    @cached_property
    def count(self) -> int:
        """Number of entries."""
        return len(self.rows)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return self._entries(point, *self._forward_both(point))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return self._backward(self._sparse_times(v, self._forward(V, self._signs(1))), self._signs(0))

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        if self.kind.is_symmetric:
            return self._adjoint_times(v, U)
        return self._backward(self._sparse_transpose_times(v, self._forward(U, self._signs(0))), self._signs(1))

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        """Transform the factors once for both directions."""
        left, right = self._forward_both(point)
        y = self._entries(point, left, right)
        v = dual(y)
        back = self._backward(self._sparse_times(v, right[..., :width]), self._signs(0))
        if point.Y is None:
            return PulledBack(y, back)
        back_right = self._backward(self._sparse_transpose_times(v, left[..., :width]), self._signs(1))
        return PulledBack(y, back, back_right)

    def _signs(self, side: int) -> Tensor | None:
        return self.signs if side == 0 or self.kind.is_symmetric else self.signs_right

    def _forward(self, A: Tensor, signs: Tensor | None) -> Tensor:
        """Return `U S A`, with contiguous rows for the gathers."""
        A = A if signs is None else A * signs.unsqueeze(-1)
        return self._transform(A.mT.contiguous()).mT.contiguous()

    def _backward(self, A: Tensor, signs: Tensor | None) -> Tensor:
        """Return `S U^H A`, its real part if the unknown is real."""
        out = self._transform_back(A.mT.contiguous()).mT
        out = out if self.is_complex or not out.is_complex() else out.real
        return out.contiguous() if signs is None else out * signs.unsqueeze(-1)

    def _forward_both(self, point: LowRank) -> tuple[Tensor, Tensor]:
        left = self._forward(point.X, self._signs(0))
        return left, left if point.Y is None else self._forward(point.Y, self._signs(1))

    def _entries(self, point: LowRank, left: Tensor, right: Tensor) -> Tensor:
        """Return `M(Z)` from the transformed factors."""
        left, right = left @ point.Theta.to(left.dtype), right.conj().resolve_conj()
        y = left.new_empty((*point.batch, self.count), dtype=self.real_dtype)
        for block in self._blocks(left):
            product = left.index_select(-2, self.rows[block]) * right.index_select(-2, self.columns[block])
            y[..., block] = self._part(product.sum(-1), block)
        return y.mul_(self.weights)

    def _part(self, entries: Tensor, block: slice) -> Tensor:
        if not entries.is_complex():
            return entries
        return entries.real if self.imaginary is None else entries.real.where(~self.imaginary[block], entries.imag)

    def _coefficients(self, v: Tensor, dtype: torch.dtype) -> Tensor:
        """Return `v_k w_k`, times i where the imaginary part is measured: the entries of the sparse matrix."""
        u = v * self.weights
        if self.imaginary is None or not dtype.is_complex:
            return u.to(dtype)
        return torch.complex(u.where(~self.imaginary, 0), u.where(self.imaginary, 0))

    def _sparse_times(self, v: Tensor, V: Tensor) -> Tensor:
        """Return `B V`, or `(B + B^H) V / 2` for the symmetric kinds, where `B` holds the coefficients."""
        c = self._coefficients(v, V.dtype)
        out = V.new_zeros((*V.shape[:-2], self.shape[0], V.shape[-1]))
        if not self.kind.is_symmetric:
            return self._scatter(out, self.rows, c, V, self.columns)
        c = c / 2
        self._scatter(out, self.rows, c, V, self.columns)
        return self._scatter(out, self.columns, c.conj(), V, self.rows)

    def _sparse_transpose_times(self, v: Tensor, U: Tensor) -> Tensor:
        """Return `B^H U`."""
        c = self._coefficients(v, U.dtype).conj()
        out = U.new_zeros((*U.shape[:-2], self.shape[1], U.shape[-1]))
        return self._scatter(out, self.columns, c, U, self.rows)

    def _scatter(self, out: Tensor, target: Tensor, c: Tensor, V: Tensor, source: Tensor) -> Tensor:
        """Add `c_k V[source_k]` to row `target_k` of `out`."""
        for block in self._blocks(V):
            out.index_add_(-2, target[block], c[..., block].unsqueeze(-1) * V.index_select(-2, source[block]))
        return out

    def _blocks(self, A: Tensor) -> list[slice]:
        numbers = max(1, math.prod(A.shape[:-2]) * A.shape[-1])
        step = max(1, _BLOCK_NUMBERS.get(A.device.type, _BLOCK_NUMBERS_ELSEWHERE) // numbers)
        return [slice(start, start + step) for start in range(0, self.count, step)]


class DCTSensing(TransformedEntrySensing):
    """Entries of the orthonormal two-dimensional DCT-II of the sign-flipped matrix, `T S Z S' T^T`, of any size."""

    def _transform(self, A: Inexact[Tensor, "*batch m"]) -> Inexact[Tensor, "*batch m"]:
        if A.is_complex():
            return torch.complex(discrete_cosine(A.real), discrete_cosine(A.imag))
        return discrete_cosine(A)

    def _transform_back(self, A: Inexact[Tensor, "*batch m"]) -> Inexact[Tensor, "*batch m"]:
        if A.is_complex():
            return torch.complex(inverse_discrete_cosine(A.real), inverse_discrete_cosine(A.imag))
        return inverse_discrete_cosine(A)


class HadamardSensing(TransformedEntrySensing):
    """Entries of the orthonormal Walsh-Hadamard transform of the sign-flipped matrix, `H S Z S' H`; sides 2^q."""

    @classmethod
    def require_sides(cls, shape: tuple[int, int]) -> None:
        """Raise `InputError` unless both sides are powers of two."""
        for side in shape:
            require(
                is_power_of_two(side),
                "sides that are powers of two for a Walsh-Hadamard transform",
                f"{shape[0]} x {shape[1]}",
                "DCTSensing takes any size",
            )

    def _transform(self, A: Inexact[Tensor, "*batch m"]) -> Inexact[Tensor, "*batch m"]:
        if A.is_complex():
            return torch.complex(self._orthonormal(A.real), self._orthonormal(A.imag))
        return self._orthonormal(A)

    def _transform_back(self, A: Inexact[Tensor, "*batch m"]) -> Inexact[Tensor, "*batch m"]:
        return self._transform(A)

    def _orthonormal(self, A: Tensor) -> Tensor:
        return walsh_hadamard(A) / math.sqrt(A.shape[-1])


# -------------------------------------------------------------------------------------------------- coordinates


def _random_signs(size: int, generator: Rng, dtype: torch.dtype) -> Tensor:
    device = generator.device if generator is not None else torch.device("cpu")
    return torch.randint(2, (size,), generator=generator, device=device).to(dtype).mul_(2).sub_(1)
