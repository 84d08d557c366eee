"""Measurements whose packed rows are stored, expanded or computed again, block by block."""

from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Inexact, Shaped
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Dual, Operator, PulledBack, RowDual

# Numbers in a block of rows for torch: many enough that its calls cost little, few enough for the caches.
_BLOCK_NUMBERS = 2**18
# Below this many numbers everything fits in the caches, and a compiled kernel does not pay for its loading.
_KERNEL_NUMBERS = 2**21

Gradient = Callable[
    [np.ndarray, int, np.ndarray, np.ndarray, np.ndarray, int],
    tuple[np.ndarray, np.ndarray],
]


class PackedSensing(Operator):
    """Measurements `y_i = scale * <row_i, pack(Z)>`, with rows in the packed coordinates of the kind (`Kind.pack`).

    A row is exactly the number that is stored, in any precision: a bfloat16, a bit, or a word computed from a seed.
    Products and sums have the precision of the unknown. They are added within a block of rows and then over blocks.

    An ensemble provides its rows by `packed_rows`. One that stores them in a form that the compiled kernel reads
    provides that form by `_kernel_rows`.

    Attributes:
        scale: Factor of each row.
    """

    scale: float

    @abstractmethod
    def packed_rows(self, start: int, stop: int) -> Float[Tensor, "b d"]:
        """Return the rows from start to stop in the precision of the unknown, unscaled, (stop - start, d)."""

    def _kernel_rows(self) -> Shaped[Tensor, "n w"] | None:
        """Return the rows in a form that `wnsense.sensing.ensembles.kernels` reads, or None."""
        return None

    def _whole(self) -> Float[Tensor, "n d"] | None:
        """Return all rows at once if they are numbers in the precision of the unknown, or None."""
        return None

    def row_norms(self) -> Float[Tensor, " n"]:
        """Return the norms of the rows, which packing keeps; it reads the rows once."""
        norms = [torch.linalg.vector_norm(self.packed_rows(*ends), dim=-1) for ends in self._blocks()]
        return torch.cat(norms) * abs(self.scale)

    @property
    def _length(self) -> int:
        return self.dimension

    def _rows_times(self, z: Float[Tensor, "k d"]) -> Float[Tensor, "k n"]:
        whole = self._whole()
        if whole is not None:
            return (whole @ z[0]).unsqueeze(0) if len(z) == 1 else (whole @ z.mT).mT
        return torch.cat([z @ self.packed_rows(*ends).mT for ends in self._blocks()], dim=-1)

    def _times_rows(self, v: Float[Tensor, "k n"]) -> Float[Tensor, "k d"]:
        whole = self._whole()
        if whole is not None:
            return v @ whole
        total = v.new_zeros((len(v), self._length))
        for start, stop in self._blocks():
            total.addmm_(v[:, start:stop], self.packed_rows(start, stop))
        return total

    def sweep(self, z: Float[Tensor, "k d"], dual: RowDual) -> tuple[Float[Tensor, "k n"], Float[Tensor, "k d"]]:
        """Measure and back-project in one pass over the rows, each row computed or read once.

        Args:
            z: Packed matrices, (k, d).
            dual: Map from measurements to the dual vector.

        Returns:
            Measurements, scaled, and their dual vector times the unscaled rows.
        """
        gradient, rows = self._kernel()
        if gradient is not None and rows is not None:
            return self._compiled(gradient, rows, z, dual)
        measured = []
        total = z.new_zeros(z.shape)
        for start, stop in self._blocks():
            block = self.packed_rows(start, stop)
            y = self._scaled(z @ block.mT)
            target = None if dual.target is None else dual.target[start:stop]
            total.addmm_(RowDual(dual.weight[start:stop], target)(y), block)
            measured.append(y)
        return torch.cat(measured, dim=-1), total

    def _compiled(self, gradient: Gradient, rows: Tensor, z: Tensor, dual: RowDual) -> tuple[Tensor, Tensor]:
        weight = dual.weight.numpy()
        target = np.zeros_like(weight) if dual.target is None else dual.target.numpy()
        points = np.ascontiguousarray(self._scaled(z).numpy())
        y, g = gradient(rows.numpy(), self._length, points, weight, target, torch.get_num_threads())
        return torch.from_numpy(y), torch.from_numpy(g)

    def _kernel(self) -> tuple[Gradient | None, Tensor | None]:
        """Return the compiled kernel with its rows if it is installed and faster, or None for both."""
        if self.device.type != "cpu" or self.count * self._length < _KERNEL_NUMBERS:
            return None, None
        rows = self._kernel_rows()
        return (None, None) if rows is None else (_compiled_gradient(), rows)

    def _blocks(self) -> list[tuple[int, int]]:
        step = max(16, _BLOCK_NUMBERS // self._length)
        return [(start, min(start + step, self.count)) for start in range(0, self.count, step)]

    # -- the operator -------------------------------------------------------------------------------------------------

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        z = self.kind.pack(point.dense())
        return self._scaled(self._rows_times(z.reshape(-1, self._length))).reshape(*z.shape[:-1], self.count)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        return self._unpacked(self._times_rows(v.reshape(-1, self.count)), v.shape[:-1])

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Inexact[Tensor, "*batch m2 k"]
    ) -> Inexact[Tensor, "*batch m1 k"]:
        return self._adjoint(v) @ V

    def _pull_back(self, point: LowRank, dual: Dual, width: int) -> PulledBack:
        z = self.kind.pack(point.dense()).reshape(-1, self._length)
        if isinstance(dual, RowDual) and not self._in_cache():
            y, g = self.sweep(z, dual)
        else:
            # The rows stay in the caches for both products, or the dual couples rows.
            y = self._scaled(self._rows_times(z))
            g = self._times_rows(dual(y.reshape(*point.batch, self.count)).reshape(-1, self.count))
        R = self._unpacked(g, point.batch)
        right = None if point.Y is None else R.mH @ point.X[..., :width]
        return PulledBack(y.reshape(*point.batch, self.count), R @ point.right[..., :width], right)

    def _in_cache(self) -> bool:
        """Return True if two plain products over stored rows are as fast as one pass."""
        if self._whole() is None:
            return False
        gradient, _ = self._kernel()
        return gradient is None

    def _unpacked(self, g: Float[Tensor, "k d"], batch: tuple[int, ...]) -> Inexact[Tensor, "*batch m1 m2"]:
        return self.space.unpack(self._scaled(g).reshape(*batch, self._length))

    def _scaled(self, values: Tensor) -> Tensor:
        return values if self.scale == 1 else values * self.scale


@cache
def _compiled_gradient() -> Gradient | None:
    """Return the compiled kernel, or None without Numba."""
    if find_spec("numba") is None:
        return None
    from wnsense.sensing.ensembles.kernels import gradient

    return cast("Gradient", gradient)
