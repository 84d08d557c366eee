"""Rank-one measurements: `a^H Z a`, the differences of two, and `a^H Z b`; no outer product is formed.

All maps are two products with the vectors as the rows of `A`: `A conj(X)`, the conjugates of `a_i^H X`, and `A^T W`.
Both read `A` from memory once for any number of columns, so that a batch is laid out as columns.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import Dtype, Place, Rng
from wnsense.sensing.converted_field import converted
from wnsense.sensing.ensembles.measurement_vectors import (
    draw_vectors,
    fourth_moment,
    matrix_of_vectors,
    require_positive,
    require_quadratic_rows,
    require_rows,
    space_of_vectors,
)
from wnsense.sensing.ensembles.vector_products import (
    bilinear_form,
    combine,
    project,
    quadratic_form,
    squared_lengths,
    weighted_gram,
)
from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack
from wnsense.sensing.second_moment import moment_of_rows
from wnsense.sensing.space import Size, Space
from wnsense.sensing.tensor_fields import require_tensors


@dataclass(frozen=True)
class RankOneSensing(Operator):
    """Measurements `y_i = a_i^H Z a_i`, as in covariance sketching and lifted phase retrieval.

    Attributes:
        vectors: Vectors `a_i` as rows, (n, m); complex for kind hermitian. Arrays and lists are taken.
        kind: Kind of the unknown, psd, symmetric or hermitian, or its name.
        second_moment: See `Operator`; known for drawn vectors only.
    """

    vectors: Inexact[Tensor, "n m"] = converted("vectors", lambda _, given: matrix_of_vectors("the vectors", given))
    kind: Kind = converted("kind", lambda _, given: Kind(given), default=Kind.PSD)
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the kind, and the vectors against the space."""
        require_quadratic_rows("the vectors", self.vectors, self.space, self.count)

    @cached_property
    def space(self) -> Space:
        """Space of the unknown."""
        return space_of_vectors(self.vectors, self.kind)

    @classmethod
    def from_vectors(cls, vectors: NumbersLike, kind: str = "psd") -> "RankOneSensing":
        """Return the operator of given vectors `a_i` as rows, (n, m), not normalized; complex for kind hermitian.

        The constructor takes the same.

        Raises:
            InputError: If there are none, or their dtype does not suit the kind.
        """
        return cls(matrix_of_vectors("the vectors", vectors), Kind(kind))

    @classmethod
    def draw(
        cls, n: int, size: int, *, kind: str = "psd", generator: Rng = None, dtype: Dtype = None, device: Place = "cpu"
    ) -> "RankOneSensing":
        """Draw i.i.d. Gaussian vectors, scaled so that `E M*M(Z) = Z + beta Tr(Z) I`.

        `beta` is 1/2 for real vectors and 1 for complex ones: before scaling the mean is `2 Z + Tr(Z) I` and
        `Z + Tr(Z) I`.

        Raises:
            InputError: If n or size is not positive, or the kind is rectangular.
        """
        require_positive(n, size)
        space = Space.from_size(size, kind, dtype, device)
        vectors = draw_vectors((n, size), space, generator)
        moment = fourth_moment(space.dtype)
        return cls(vectors.mul_((moment * n) ** -0.25), space.kind, second_moment=(1.0, 1.0 / moment))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "RankOneSensing":
        """Return the operator of some of the vectors, copied."""
        moment = moment_of_rows(self, len(rows))
        return replace(self, vectors=self.vectors[rows], second_moment=moment)

    def row_norms(self) -> Float[Tensor, " n"]:
        """Return `||a_i||^2`."""
        return squared_lengths(self.vectors)

    def traces(self) -> Float[Tensor, " n"]:
        """Return `||a_i||^2`."""
        return squared_lengths(self.vectors)

    @cached_property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.vectors)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return quadratic_form(project(self.vectors, point.X), point.Theta)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        return combine(self.vectors, v, project(self.vectors, V))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m m"]:
        return weighted_gram(self.vectors, v)

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        A = self.vectors
        W = project(A, point.X)
        y = quadratic_form(W, point.Theta)
        return PulledBack(y, combine(A, dual(y), W[..., :width]))


@dataclass(frozen=True)
class PairedRankOneSensing(Operator):
    """Measurements `y_i = a_i^H Z a_i - b_i^H Z b_i`, without the trace term (Cai and Zhang, arXiv 1310.5791).

    Attributes:
        vectors: Vectors `a_i` as rows, (n, m).
        vectors_minus: Vectors `b_i` as rows, (n, m).
        space: Space of the unknown, of kind psd, symmetric or hermitian.
        second_moment: See `Operator`; known for drawn vectors only.
    """

    vectors: Inexact[Tensor, "n m"]
    vectors_minus: Inexact[Tensor, "n m"]
    space: Space
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the kind, and both sets of vectors against the space."""
        require_tensors("PairedRankOneSensing.from_vectors", self.space, self.vectors, self.vectors_minus)
        require_quadratic_rows("the vectors", self.vectors, self.space, self.count)
        require_quadratic_rows("vectors_minus", self.vectors_minus, self.space, self.count, "each a_i needs its b_i")

    @classmethod
    def from_vectors(
        cls, vectors: NumbersLike, vectors_minus: NumbersLike, kind: str = "psd"
    ) -> "PairedRankOneSensing":
        """Return the operator of given `a_i` and `b_i` as rows, (n, m), not normalized; complex for kind hermitian.

        Raises:
            InputError: If there are none, the two sets differ in size or dtype, or the dtype does not suit the kind.
        """
        plus = matrix_of_vectors("the vectors", vectors)
        return cls(plus, matrix_of_vectors("vectors_minus", vectors_minus), space_of_vectors(plus, kind))

    @classmethod
    def draw(
        cls, n: int, size: int, *, kind: str = "psd", generator: Rng = None, dtype: Dtype = None, device: Place = "cpu"
    ) -> "PairedRankOneSensing":
        """Draw i.i.d. Gaussian vectors, scaled so that `E M*M(Z) = Z`: before scaling `4 Z`, or `2 Z` if complex.

        Raises:
            InputError: If n or size is not positive, or the kind is rectangular.
        """
        require_positive(n, size)
        space = Space.from_size(size, kind, dtype, device)
        both = draw_vectors((2 * n, size), space, generator)
        both *= (2 * fourth_moment(both.dtype) * n) ** -0.25
        return cls(both[:n], both[n:], space, second_moment=(1.0, 0.0))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "PairedRankOneSensing":
        """Return the operator of some of the pairs, copied."""
        moment = moment_of_rows(self, len(rows))
        plus, minus = self.vectors[rows], self.vectors_minus[rows]
        return replace(self, vectors=plus, vectors_minus=minus, second_moment=moment)

    def row_norms(self) -> Float[Tensor, " n"]:
        """Return `||a_i a_i^H - b_i b_i^H||_F`, without the outer products."""
        A, B = self.vectors, self.vectors_minus
        overlap = (A.conj() * B).sum(-1).abs().square()
        return (squared_lengths(A).square() + squared_lengths(B).square() - 2 * overlap).clamp(min=0).sqrt()

    def traces(self) -> Float[Tensor, " n"]:
        """Return `||a_i||^2 - ||b_i||^2`."""
        return squared_lengths(self.vectors) - squared_lengths(self.vectors_minus)

    @cached_property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.vectors)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        plus, minus = project(self.vectors, point.X), project(self.vectors_minus, point.X)
        return quadratic_form(plus, point.Theta) - quadratic_form(minus, point.Theta)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        A, B = self.vectors, self.vectors_minus
        return combine(A, v, project(A, V)) - combine(B, v, project(B, V))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m m"]:
        return weighted_gram(self.vectors, v) - weighted_gram(self.vectors_minus, v)

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        A, B = self.vectors, self.vectors_minus
        plus, minus = project(A, point.X), project(B, point.X)
        y = quadratic_form(plus, point.Theta) - quadratic_form(minus, point.Theta)
        v = dual(y)
        return PulledBack(y, combine(A, v, plus[..., :width]) - combine(B, v, minus[..., :width]))


@dataclass(frozen=True)
class RectangularRankOneSensing(Operator):
    """Measurements `y_i = Re a_i^H Z b_i` of rectangular unknowns (Cai and Zhang, arXiv 1310.5791).

    Attributes:
        left: Vectors `a_i` as rows, (n, m1).
        right: Vectors `b_i` as rows, (n, m2).
        space: Space of the unknown, of kind rectangular.
        second_moment: See `Operator`; known for drawn vectors only.
    """

    left: Inexact[Tensor, "n m1"]
    right: Inexact[Tensor, "n m2"]
    space: Space
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the kind, and the vectors of both sides against the space."""
        require_tensors("RectangularRankOneSensing.from_vectors", self.space, self.left, self.right)
        advice = "RankOneSensing and PairedRankOneSensing measure the symmetric kinds"
        require(self.kind is Kind.RECTANGULAR, "kind rectangular for measurements a^H Z b", str(self.kind), advice)
        require_rows("left vectors", self.left, (self.count, self.shape[0]), self.dtype)
        require_size("the number of right vectors", self.right.shape[:1], self.left.shape[:1], "each a_i needs its b_i")
        require_rows("right vectors", self.right, (self.count, self.shape[1]), self.dtype)

    @classmethod
    def from_vectors(cls, left: NumbersLike, right: NumbersLike) -> "RectangularRankOneSensing":
        """Return the operator of given vectors `a_i`, (n, m1), and `b_i`, (n, m2), not normalized.

        Raises:
            InputError: If there are none, or the two sets differ in number or dtype.
        """
        A, B = matrix_of_vectors("left vectors", left), matrix_of_vectors("right vectors", right)
        shape = (A.shape[1], B.shape[1])
        return cls(A, B, Space.from_size(shape, Kind.RECTANGULAR, A.dtype, A.device))

    @classmethod
    def draw(
        cls,
        n: int,
        size: Size,
        *,
        kind: str = "rectangular",
        generator: Rng = None,
        dtype: Dtype = None,
        device: Place = "cpu",
    ) -> "RectangularRankOneSensing":
        """Draw i.i.d. Gaussian vectors, scaled so that `E M*M(Z) = Z`: before scaling `n Z`, or `n Z/2` if complex.

        Raises:
            InputError: If n or a side is not positive, or the kind is not rectangular.
        """
        space = Space.from_size(size, kind, dtype, device)
        require(n >= 1, "at least one measurement", n)
        left, right = (draw_vectors((n, side), space, generator) for side in space.shape)
        # The real part of a circular variable has half its second moment.
        scale = ((2.0 if left.is_complex() else 1.0) / n) ** 0.25
        return cls(left.mul_(scale), right.mul_(scale), space, second_moment=(1.0, 0.0))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "RectangularRankOneSensing":
        """Return the operator of some of the pairs, copied."""
        moment = moment_of_rows(self, len(rows))
        return replace(self, left=self.left[rows], right=self.right[rows], second_moment=moment)

    def row_norms(self) -> Float[Tensor, " n"]:
        """Return `||a_i|| ||b_i||`."""
        return (squared_lengths(self.left) * squared_lengths(self.right)).sqrt()

    @cached_property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.left)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return bilinear_form(project(self.left, point.X), point.Theta, project(self.right, point.right))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return combine(self.left, v, project(self.right, V))

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        return combine(self.right, v, project(self.left, U))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        return self.left.mT @ (v.unsqueeze(-1) * self.right.conj())

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        A, B = self.left, self.right
        left, right = project(A, point.X), project(B, point.right)
        y = bilinear_form(left, point.Theta, right)
        v = dual(y)
        back = combine(A, v, right[..., :width])
        return PulledBack(y, back, None if point.Y is None else combine(B, v, left[..., :width]))
