"""Few small measurement matrices, stored in full: where packing would take longer than reading."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.ensembles.dense import square_shape
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack


@dataclass(frozen=True)
class UnpackedSensing(Operator):
    """y_i = Re <M_i, Z> with every M_i stored in full: up to twice the numbers of `DenseSensing`, no gathering of any.

    At m = 10 that makes an application several times as fast, since calls cost more than arithmetic there; beyond
    m = 20 or so memory is what costs, and packed rows are better.

    Attributes:
        rows: The M_i row by row, (n, m1 m2) or, complex, (n, 2 m1 m2) with real and imaginary parts in turn; Hermitian
            for the symmetric kinds.
        shape: (m1, m2) of the unknown.
        kind: What is known of the unknown.
        second_moment: See `Operator`.
    """

    rows: Float[Tensor, "n e"]
    shape: tuple[int, int]
    kind: Kind = Kind.PSD
    second_moment: tuple[float, float] | None = None
    count: int = field(init=False)
    dtype: torch.dtype = field(init=False)
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        """Read off what the rows say, and check their length against the shape."""
        n, length = self.rows.shape
        require(n > 0, "at least one measurement", "none")
        m1, m2 = square_shape(self.shape, self.kind)
        is_complex = self.kind is Kind.HERMITIAN or (self.kind is Kind.RECTANGULAR and length == 2 * m1 * m2)
        expected = m1 * m2 * (2 if is_complex else 1)
        require(length == expected, f"{expected} numbers in a full {self.kind} measurement", length)
        object.__setattr__(self, "count", n)
        object.__setattr__(self, "dtype", self.rows.dtype.to_complex() if is_complex else self.rows.dtype)
        object.__setattr__(self, "device", self.rows.device)

    def select_rows(self, rows: Int[Tensor, " k"]) -> "UnpackedSensing":
        """A copy of some rows; nothing is declared of their law."""
        return UnpackedSensing(self.rows[rows], self.shape, self.kind)

    def traces(self) -> Float[Tensor, " n"]:
        """The sums of the diagonals."""
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
        # Slicing off nothing takes as long as a product here.
        all_of_it = width == point.right.shape[-1]
        left = R @ (point.right if all_of_it else point.right[..., :width])
        right = None if point.Y is None else R.mH @ point.X[..., :width]
        return PulledBack(y, left, right)

    def _numbers(self, Z: Inexact[Tensor, "*batch m1 m2"]) -> Float[Tensor, "*batch e"]:
        return torch.view_as_real(Z.resolve_conj()).flatten(-3) if self.is_complex else Z.flatten(-2)

    def _matrices(self, numbers: Float[Tensor, "*batch e"]) -> Inexact[Tensor, "*batch m1 m2"]:
        if not self.is_complex:
            return numbers.reshape(*numbers.shape[:-1], *self.shape)
        return torch.view_as_complex(numbers.reshape(*numbers.shape[:-1], *self.shape, 2))
