"""Measurements through blocks of vectors, `Tr(A_i^H Z A_i)`."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, size_text
from wnsense.linalg import Dtype, Place, Rng
from wnsense.sensing.ensembles.measurement_vectors import (
    draw_vectors,
    fourth_moment,
    require_positive,
    require_quadratic_rows,
    space_of_vectors,
)
from wnsense.sensing.ensembles.vector_products import combine, project, quadratic_form, squared_lengths, weighted_gram
from wnsense.sensing.given_numbers import NumbersLike, floating_tensor
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack
from wnsense.sensing.second_moment import moment_of_rows
from wnsense.sensing.space import Space
from wnsense.sensing.tensor_fields import require_tensors


@dataclass(frozen=True)
class BlockRankSensing(Operator):
    """Measurements `y_i = Tr(A_i^H Z A_i)`, the sum of `a^H Z a` over the columns `a` of `A_i`.

    `M_i = A_i A_i^H` has rank at most `k`.

    Attributes:
        blocks: Matrices `A_i`, (n, m, k); complex for kind hermitian. If each column is contiguous in memory
            (`from_blocks`), all columns are the rows of one matrix without a copy.
        space: Space of the unknown, of kind psd, symmetric or hermitian.
        second_moment: See `Operator`; known for drawn blocks only.
    """

    blocks: Inexact[Tensor, "n m k"]
    space: Space
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the kind, and the blocks against the space."""
        require_tensors("BlockRankSensing.from_blocks", self.space, self.blocks)
        require_quadratic_rows("the blocks", self.blocks, self.space, self.count)
        require(self.blocks.shape[2] > 0, "at least one column in a block", "none")

    @classmethod
    def from_blocks(cls, blocks: NumbersLike, kind: str = "psd") -> "BlockRankSensing":
        """Return the operator of given blocks `A_i`, (n, m, k), copied where columns are not contiguous.

        Raises:
            InputError: If there are none, they have no column, or their dtype does not suit the kind.
        """
        given = floating_tensor("the blocks", blocks)
        require(given.dim() == 3, "blocks of size n x m x k", size_text(given.shape))
        return cls(_with_contiguous_columns(given), space_of_vectors(given, kind))

    @classmethod
    def draw(
        cls,
        n: int,
        size: int,
        columns: int = 2,
        *,
        kind: str = "psd",
        generator: Rng = None,
        dtype: Dtype = None,
        device: Place = "cpu",
    ) -> "BlockRankSensing":
        """Draw i.i.d. Gaussian blocks of k columns, scaled so that `E M*M(Z) = Z + beta Tr(Z) I`, `beta = k/c`.

        One column has `E (a^H Z a) a a^H = c Z + Tr(Z) I`, with `c = 2` for real and `c = 1` for complex columns. Pairs
        of two different, independent columns give `Tr(Z) I` alone. So the `k^2` pairs of columns of `A_i` give
        `c k Z + k^2 Tr(Z) I`. With more columns the trace has a greater share in the measurements.

        Raises:
            InputError: If n, size or columns is not positive, or the kind is rectangular.
        """
        require_positive(n, size)
        require(columns >= 1, "a positive number of columns", columns)
        space = Space.from_size(size, kind, dtype, device)
        vectors = draw_vectors((n, columns, size), space, generator)
        moment = fourth_moment(space.dtype)
        vectors *= (moment * columns * n) ** -0.25
        return cls(vectors.mT, space, second_moment=(1.0, columns / moment))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "BlockRankSensing":
        """Return the operator of some of the blocks, copied."""
        blocks = _with_contiguous_columns(self.blocks[rows])
        return replace(self, blocks=blocks, second_moment=moment_of_rows(self, len(rows)))

    def traces(self) -> Float[Tensor, " n"]:
        """Return `||A_i||_F^2`."""
        return self._sums(squared_lengths(self._vectors))

    @property
    def _vectors(self) -> Inexact[Tensor, "nk m"]:
        """All columns as the rows of one matrix, a view if columns are contiguous."""
        return self.blocks.mT.flatten(0, 1)

    def _sums(self, each: Tensor) -> Tensor:
        """Return the sums over the columns of each block: from (..., n k) to (..., n)."""
        return torch.unflatten(each, -1, (-1, self.blocks.shape[2])).sum(-1)

    def _repeated(self, v: Tensor) -> Tensor:
        """Return for each column the value of its block: from (..., n) to (..., n k)."""
        return v.unsqueeze(-1).expand(*v.shape, self.blocks.shape[2]).flatten(-2)

    @cached_property
    def count(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return self._sums(quadratic_form(project(self._vectors, point.X), point.Theta))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m k"]
    ) -> Inexact[Tensor, "*batch m k"]:
        return combine(self._vectors, self._repeated(v), project(self._vectors, V))

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m m"]:
        return weighted_gram(self._vectors, self._repeated(v))

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        A = self._vectors
        W = project(A, point.X)
        y = self._sums(quadratic_form(W, point.Theta))
        return PulledBack(y, combine(A, self._repeated(dual(y)), W[..., :width]))


def _with_contiguous_columns(blocks: Tensor) -> Tensor:
    return blocks.mT.contiguous().mT
