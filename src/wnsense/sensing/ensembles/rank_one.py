"""Measurements through vectors: a^H Z a, their differences and sums, and a^H Z b; no outer product is ever formed.

Every map here is one of two products with the vectors as the rows of A: A conj(X), which gives the a_i^H X conjugated,
and A^T W. Both stream A through memory once, whatever the number of columns, and so a batch is laid out as columns.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import random_normal
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack
from wnsense.sensing.space import Space


@dataclass(frozen=True)
class RankOneSensing(Operator):
    """y_i = a_i^H Z a_i, as in covariance sketching and lifted phase retrieval.

    Attributes:
        vectors: Vectors `a_i` as rows, (n, m); complex for kind hermitian.
        space: Space of the unknown, of kind psd, symmetric or hermitian.
        second_moment: See `Operator`; known for drawn vectors only.
    """

    vectors: Inexact[Tensor, "n m"]
    space: Space
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the kind, and the vectors against the space."""
        _require_quadratic(self.kind)
        _require_rows("the vectors", self.vectors, (self.count, self.shape[0]), self.dtype)

    @classmethod
    def from_vectors(cls, vectors: Inexact[Tensor, "n m"], kind: Kind | str = Kind.PSD) -> "RankOneSensing":
        """Measure with given vectors `a_i` as rows, (n, m), as they are; complex for kind hermitian.

        Raises:
            InputError: If there are none, or their dtype does not suit the kind.
        """
        return cls(vectors, _space_of_vectors(vectors, kind))

    @cached_property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.vectors)

    @classmethod
    def draw(
        cls,
        n: int,
        size: int,
        *,
        kind: Kind | str = Kind.PSD,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "RankOneSensing":
        """Draw i.i.d. Gaussian vectors, scaled so that E M*M(Z) = Z + beta Tr(Z) I.

        beta is 1/2 for real vectors, 1 for complex ones (2 Z + Tr(Z) I and Z + Tr(Z) I before scaling).

        Raises:
            InputError: When n or size is not positive or the kind is rectangular.
        """
        _require_positive(n, size)
        space = Space.from_size(size, kind, dtype, device)
        vectors = _draw_vectors((n, size), space, generator)
        moment = _fourth_moment(space.dtype)
        return cls(vectors.mul_((moment * n) ** -0.25), space, second_moment=(1.0, 1.0 / moment))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "RankOneSensing":
        """The operator of some of the vectors, copied."""
        moment = moment_of_rows(self, len(rows))
        return replace(self, vectors=self.vectors[rows], second_moment=moment)

    def traces(self) -> Float[Tensor, " n"]:
        """||a_i||^2."""
        return _squared_lengths(self.vectors)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return _quadratic_form(_project(self.vectors, point.X), point.Theta)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        return _combine(self.vectors, v, _project(self.vectors, V))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m m"]:
        return _weighted_gram(self.vectors, v)

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        A = self.vectors
        W = _project(A, point.X)
        y = _quadratic_form(W, point.Theta)
        return PulledBack(y, _combine(A, dual(y), W[..., :width]))


@dataclass(frozen=True)
class PairedRankOneSensing(Operator):
    """y_i = a_i^H Z a_i - b_i^H Z b_i: the difference removes the trace term (Cai and Zhang, arXiv 1310.5791).

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
        _require_quadratic(self.kind)
        _require_rows("the vectors", self.vectors, (self.count, self.shape[0]), self.dtype)
        size, advice = (self.count, self.shape[0]), "each a_i needs its b_i"
        _require_rows("vectors_minus", self.vectors_minus, size, self.dtype, advice)

    @classmethod
    def from_vectors(
        cls,
        vectors: Inexact[Tensor, "n m"],
        vectors_minus: Inexact[Tensor, "n m"],
        kind: Kind | str = Kind.PSD,
    ) -> "PairedRankOneSensing":
        """Measure with given vectors `a_i` and `b_i` as rows, (n, m), as they are; complex for kind hermitian.

        Raises:
            InputError: If there are none, the two sets differ in size or dtype, or the dtype does not suit the kind.
        """
        return cls(vectors, vectors_minus, _space_of_vectors(vectors, kind))

    @cached_property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.vectors)

    @classmethod
    def draw(
        cls,
        n: int,
        size: int,
        *,
        kind: Kind | str = Kind.PSD,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "PairedRankOneSensing":
        """Draw i.i.d. Gaussian vectors, scaled so that E M*M(Z) = Z (4 Z before scaling, 2 Z for complex vectors).

        Raises:
            InputError: When n or size is not positive or the kind is rectangular.
        """
        _require_positive(n, size)
        space = Space.from_size(size, kind, dtype, device)
        both = _draw_vectors((2 * n, size), space, generator)
        both *= (2 * _fourth_moment(both.dtype) * n) ** -0.25
        return cls(both[:n], both[n:], space, second_moment=(1.0, 0.0))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "PairedRankOneSensing":
        """The operator of some of the pairs, copied."""
        moment = moment_of_rows(self, len(rows))
        plus, minus = self.vectors[rows], self.vectors_minus[rows]
        return replace(self, vectors=plus, vectors_minus=minus, second_moment=moment)

    def traces(self) -> Float[Tensor, " n"]:
        """||a_i||^2 - ||b_i||^2."""
        return _squared_lengths(self.vectors) - _squared_lengths(self.vectors_minus)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        plus, minus = _project(self.vectors, point.X), _project(self.vectors_minus, point.X)
        return _quadratic_form(plus, point.Theta) - _quadratic_form(minus, point.Theta)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        A, B = self.vectors, self.vectors_minus
        return _combine(A, v, _project(A, V)) - _combine(B, v, _project(B, V))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m m"]:
        return _weighted_gram(self.vectors, v) - _weighted_gram(self.vectors_minus, v)

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        A, B = self.vectors, self.vectors_minus
        plus, minus = _project(A, point.X), _project(B, point.X)
        y = _quadratic_form(plus, point.Theta) - _quadratic_form(minus, point.Theta)
        v = dual(y)
        return PulledBack(y, _combine(A, v, plus[..., :width]) - _combine(B, v, minus[..., :width]))


@dataclass(frozen=True)
class BlockRankSensing(Operator):
    """y_i = Tr(A_i^H Z A_i), the sum of a^H Z a over the columns a of A_i: M_i = A_i A_i^H is of rank at most k.

    Attributes:
        blocks: Matrices `A_i`, (n, m, k); complex for kind hermitian. Where each column is contiguous in memory, all
            columns are the rows of one matrix, without a copy; `from_blocks` provides that.
        space: Space of the unknown, of kind psd, symmetric or hermitian.
        second_moment: See `Operator`; known for drawn blocks only.
    """

    blocks: Inexact[Tensor, "n m k"]
    space: Space
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the kind, and the blocks against the space."""
        _require_quadratic(self.kind)
        columns = self.blocks.shape[2]
        _require_rows("the blocks", self.blocks, (self.count, self.shape[0], columns), self.dtype)
        require(columns > 0, "at least one column in a block", "none")

    @classmethod
    def from_blocks(cls, blocks: Inexact[Tensor, "n m k"], kind: Kind | str = Kind.PSD) -> "BlockRankSensing":
        """Measure with given blocks `A_i`, (n, m, k), as they are; copied where their columns are not contiguous.

        Raises:
            InputError: If there are none, they have no column, or their dtype does not suit the kind.
        """
        return cls(_with_contiguous_columns(blocks), _space_of_vectors(blocks, kind))

    @cached_property
    def count(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @classmethod
    def draw(
        cls,
        n: int,
        size: int,
        columns: int = 2,
        *,
        kind: Kind | str = Kind.PSD,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "BlockRankSensing":
        """Draw i.i.d. Gaussian blocks of k columns, scaled so that E M*M(Z) = Z + beta Tr(Z) I.

        With E (a^H Z a) a a^H = c Z + Tr(Z) I, c = 2 for real and 1 for complex columns, the k^2 pairs of columns of
        A_i give c k Z + k^2 Tr(Z) I: the pairs of two different, independent ones give Tr(Z) I alone. Scaled, that is
        beta = k/c: more columns say more of the trace and less of the rest.

        Raises:
            InputError: When n, size or columns is not positive or the kind is rectangular.
        """
        _require_positive(n, size)
        require(columns >= 1, "a positive number of columns", columns)
        space = Space.from_size(size, kind, dtype, device)
        vectors = _draw_vectors((n, columns, size), space, generator)
        moment = _fourth_moment(space.dtype)
        vectors *= (moment * columns * n) ** -0.25
        return cls(vectors.mT, space, second_moment=(1.0, columns / moment))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "BlockRankSensing":
        """The operator of some of the blocks, copied."""
        blocks = _with_contiguous_columns(self.blocks[rows])
        return replace(self, blocks=blocks, second_moment=moment_of_rows(self, len(rows)))

    def traces(self) -> Float[Tensor, " n"]:
        """||A_i||_F^2."""
        return self._sums(_squared_lengths(self._vectors))

    @property
    def _vectors(self) -> Inexact[Tensor, "nk m"]:
        """All columns as the rows of one matrix, a view."""
        return self.blocks.mT.flatten(0, 1)

    def _sums(self, each: Tensor) -> Tensor:
        """Over the columns of each block: from (..., n k) to (..., n)."""
        return torch.unflatten(each, -1, (-1, self.blocks.shape[2])).sum(-1)

    def _repeated(self, v: Tensor) -> Tensor:
        """For each column that of its block: from (..., n) to (..., n k)."""
        return v.unsqueeze(-1).expand(*v.shape, self.blocks.shape[2]).flatten(-2)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return self._sums(_quadratic_form(_project(self._vectors, point.X), point.Theta))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        return _combine(self._vectors, self._repeated(v), _project(self._vectors, V))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m m"]:
        return _weighted_gram(self._vectors, self._repeated(v))

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        A = self._vectors
        W = _project(A, point.X)
        y = self._sums(_quadratic_form(W, point.Theta))
        return PulledBack(y, _combine(A, self._repeated(dual(y)), W[..., :width]))


@dataclass(frozen=True)
class RectangularRankOneSensing(Operator):
    """y_i = Re a_i^H Z b_i, M_i = a_i b_i^H, for rectangular unknowns (Cai and Zhang, arXiv 1310.5791).

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
        advice = "RankOneSensing and PairedRankOneSensing measure the symmetric kinds"
        require(self.kind is Kind.RECTANGULAR, "kind rectangular for measurements a^H Z b", str(self.kind), advice)
        _require_rows("left vectors", self.left, (self.count, self.shape[0]), self.dtype)
        require_size("the number of right vectors", self.right.shape[:1], self.left.shape[:1], "each a_i needs its b_i")
        _require_rows("right vectors", self.right, (self.count, self.shape[1]), self.dtype)

    @classmethod
    def from_vectors(cls, left: Inexact[Tensor, "n m1"], right: Inexact[Tensor, "n m2"]) -> "RectangularRankOneSensing":
        """Measure with given vectors `a_i`, (n, m1), and `b_i`, (n, m2), as they are.

        Raises:
            InputError: If there are none, or the two sets differ in number or dtype.
        """
        _require_entries(left)
        _require_entries(right)
        shape = (left.shape[1], right.shape[1])
        return cls(left, right, Space.from_size(shape, Kind.RECTANGULAR, left.dtype, left.device))

    @cached_property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.left)

    @classmethod
    def draw(
        cls,
        n: int,
        size: int | tuple[int, int],
        *,
        kind: Kind | str = Kind.RECTANGULAR,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "RectangularRankOneSensing":
        """Draw i.i.d. Gaussian vectors, scaled so that E M*M(Z) = Z (n Z before scaling, n Z/2 for complex vectors).

        Raises:
            InputError: When n or a side is not positive, or the kind is not rectangular.
        """
        space = Space.from_size(size, kind, dtype, device)
        require(n >= 1, "at least one measurement", n)
        left, right = (_draw_vectors((n, side), space, generator) for side in space.shape)
        # The real part of a circular variable has half its second moment.
        scale = ((2.0 if left.is_complex() else 1.0) / n) ** 0.25
        return cls(left.mul_(scale), right.mul_(scale), space, second_moment=(1.0, 0.0))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "RectangularRankOneSensing":
        """The operator of some of the pairs, copied."""
        moment = moment_of_rows(self, len(rows))
        return replace(self, left=self.left[rows], right=self.right[rows], second_moment=moment)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return _bilinear_form(_project(self.left, point.X), point.Theta, _project(self.right, point.right))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return _combine(self.left, v, _project(self.right, V))

    def _adjoint_transpose_times(
        self, v: Float[Tensor, "*batch n"], U: Inexact[Tensor, "*batch m1 k"]
    ) -> Inexact[Tensor, "*batch m2 k"]:
        return _combine(self.right, v, _project(self.left, U))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        return self.left.mT @ (v.unsqueeze(-1) * self.right.conj())

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        A, B = self.left, self.right
        left, right = _project(A, point.X), _project(B, point.right)
        y = _bilinear_form(left, point.Theta, right)
        v = dual(y)
        back = _combine(A, v, right[..., :width])
        return PulledBack(y, back, None if point.Y is None else _combine(B, v, left[..., :width]))


def moment_of_rows(operator: Operator, k: int) -> tuple[float, float] | None:
    """The second moment of k of an operator's n rows, chosen without looking at them: k/n of that of all."""
    if operator.second_moment is None:
        return None
    alpha, beta = operator.second_moment
    return (alpha * k / operator.count, beta * k / operator.count)


def _require_quadratic(kind: Kind) -> None:
    require(kind.is_symmetric, "a symmetric kind for quadratic measurements", str(kind))


def _require_entries(vectors: Tensor) -> None:
    require(vectors.shape[1] > 0, "vectors of at least one entry", "none")


def _require_rows(name: str, rows: Tensor, size: tuple[int, ...], dtype: torch.dtype, advice: str = "") -> None:
    require(size[0] > 0, "at least one measurement", "none")
    require_size(name, rows.shape, size, advice)
    require(rows.dtype == dtype, f"{name} of {dtype}", rows.dtype)


def _space_of_vectors(vectors: Tensor, kind: Kind | str) -> Space:
    """Return the space of square unknowns that vectors, (n, m), or blocks of them, (n, m, k), measure."""
    _require_quadratic(Kind(kind))
    _require_entries(vectors)
    return Space.from_size(vectors.shape[1], kind, vectors.dtype, vectors.device)


def _with_contiguous_columns(blocks: Tensor) -> Tensor:
    return blocks.mT.contiguous().mT


def _draw_vectors(shape: tuple[int, ...], space: Space, generator: torch.Generator | None) -> Tensor:
    return random_normal(shape, generator=generator, dtype=space.dtype, device=space.device)


def _require_positive(n: int, size: int) -> None:
    require(n >= 1 and size >= 1, "a positive number of measurements and size", f"{n} and {size}")


def _fourth_moment(dtype: torch.dtype) -> float:
    """The c of E (a^H Z a) a a^H = c Z + Tr(Z) I for standard normal vectors."""
    return 1.0 if dtype.is_complex else 2.0


def _project(A: Tensor, X: Tensor) -> Tensor:
    """The conjugates of a_i^H X, (..., n, r); those of A itself are never formed."""
    X = X.conj()
    if X.dim() == 2:
        return A @ X
    return _apart(A @ _side_by_side(X), X)


def _combine(A: Tensor, v: Tensor, W: Tensor) -> Tensor:
    """sum_i v_i a_i w_i^H for the rows a_i of A and w_i of W, (..., m, r).

    The rows of the product are multiplied with A from the left: BLAS is up to twice as fast so as with A^T W.
    """
    W = v.unsqueeze(-1) * W.conj()
    if W.dim() == 2:
        return (W.mT @ A).mT
    return _apart((_side_by_side(W).mT @ A).mT, W)


def _side_by_side(X: Tensor) -> Tensor:
    """A batch of matrices as columns of one: from (..., m, r) to (m, ... r)."""
    return X.movedim(-2, 0).flatten(1)


def _apart(columns: Tensor, like: Tensor) -> Tensor:
    """What `_side_by_side` put together, from (n, ... r) to (..., n, r)."""
    return torch.unflatten(columns, -1, (*like.shape[:-2], like.shape[-1])).movedim(0, -2)


def _quadratic_form(W: Tensor, Theta: Tensor) -> Tensor:
    """w_i^H Theta w_i for the rows w_i^T of W, Theta Hermitian: real, and the same for W conjugated with Theta."""
    return _bilinear_form(W, Theta, W)


def _bilinear_form(L: Tensor, Theta: Tensor, R: Tensor) -> Tensor:
    """Re l_i^H Theta r_i, where L and R hold the conjugates of a^H X and b^H Y."""
    return ((L @ Theta.conj()) * R.conj()).sum(-1).real


def _weighted_gram(A: Tensor, v: Tensor) -> Tensor:
    """sum_i v_i a_i a_i^H, full."""
    return A.mT @ (v.unsqueeze(-1) * A.conj())


def _squared_lengths(A: Tensor) -> Tensor:
    return A.abs().square().sum(-1)
