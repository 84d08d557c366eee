"""Few small measurement matrices, stored in full, for which packing takes longer than reading."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack
from wnsense.sensing.space import Space


@dataclass(frozen=True)
class UnpackedSensing(Operator):
    """Measurements `y_i = Re <M_i, Z>` with every `M_i` stored in full.

    They take up to twice the numbers of `DenseSensing`, and need no gathering. At m = 10 an application is several
    times as fast, since calls cost more than arithmetic there. Beyond about m = 20 memory is the limit, and packed rows
    are better.

    Attributes:
        rows: Matrices `M_i` row by row, (n, m1 m2) or, complex, (n, 2 m1 m2) with real and imaginary parts in turn;
            Hermitian for the symmetric kinds.
        space: Space of the unknown.
        second_moment: See `Operator`.
    """

    rows: Float[Tensor, "n e"]
    space: Space
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the number and the length of the rows."""
        n, length = self.rows.shape
        require(n > 0, "at least one measurement", "none")
        expected = self.shape[0] * self.shape[1] * (2 if self.is_complex else 1)
        require(length == expected, f"{expected} numbers in a full {self.kind} measurement", length)

    @classmethod
    def from_matrices(
        cls,
        matrices: Inexact[Tensor, "n m1 m2"],
        kind: str = "psd",
        *,
        second_moment: tuple[float, float] | None = None,
    ) -> "UnpackedSensing":
        """Store matrices in full, unchanged: they must be Hermitian for the symmetric kinds.

        Args:
            matrices: `M_i`, (n, m1, m2), of the unknown's dtype.
            kind: Kind of the unknown.
            second_moment: See `Operator`.

        Raises:
            InputError: If there are none, they are not square and the kind is, or their dtype does not suit it.
        """
        _, m1, m2 = matrices.shape
        space = Space.from_size((m1, m2), kind, matrices.dtype, matrices.device)
        numbers = torch.view_as_real(matrices.resolve_conj()).flatten(1) if space.is_complex else matrices.flatten(1)
        return cls(numbers, space, second_moment)

    @cached_property
    def count(self) -> int:
        """Number of matrices."""
        return len(self.rows)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "UnpackedSensing":
        """Return the operator of some rows, copied; no law is declared."""
        return UnpackedSensing(self.rows[rows], self.space)

    def traces(self) -> Float[Tensor, " n"]:
        """Return the sums of the diagonals."""
        return self._matrices(self.rows).diagonal(dim1=-2, dim2=-1).sum(-1).real

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        z = self._numbers(point.dense())
        return self.rows @ z if z.dim() == 1 else z @ self.rows.mT

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        return self._matrices(v @ self.rows)

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return self._adjoint(v) @ V

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        y = self._measure(point)
        R = self._adjoint(dual(y))
        # Here a slice takes as long as a product.
        is_whole = width == point.right.shape[-1]
        left = R @ (point.right if is_whole else point.right[..., :width])
        right = None if point.Y is None else R.mH @ point.X[..., :width]
        return PulledBack(y, left, right)

    def _numbers(self, Z: Inexact[Tensor, "*batch m1 m2"]) -> Float[Tensor, "*batch e"]:
        return torch.view_as_real(Z.resolve_conj()).flatten(-3) if self.is_complex else Z.flatten(-2)

    def _matrices(self, numbers: Float[Tensor, "*batch e"]) -> Inexact[Tensor, "*batch m1 m2"]:
        if not self.is_complex:
            return numbers.reshape(*numbers.shape[:-1], *self.shape)
        return torch.view_as_complex(numbers.reshape(*numbers.shape[:-1], *self.shape, 2))
