"""Gaussian measurements through their triangular factor, at the cost of their dimension for any number of them.

For `n >= D` Gaussian rows `A = Q R`, least squares without noise depends on `R` alone: `||A z - A a|| = ||R (z - a)||`.
Bartlett's theorem gives its law: `R` is upper triangular with independent entries. `R_ij` is standard normal above the
diagonal, and `R_ii^2` is chi-squared with `n - i + 1` degrees of freedom (Bartlett 1933; Muirhead 1982, theorem
3.2.14). So `R` can be drawn without the rows. It has `D^2/2` numbers to store and read, where the rows have `n D`.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import Dtype, Rng, random_normal
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import RowDual
from wnsense.sensing.space import Size, Space

# Rows that are stored and multiplied together; a panel omits the columns in which all of its rows are zero.
_PANEL_ROWS = 256


@dataclass(frozen=True)
class TriangularSensing(PackedSensing):
    """Measurements `y_i = <R_i, pack(Z)>` with upper triangular `R`, one for each number of the packed unknown.

    Attributes:
        panels: Rows of `R`, `_PANEL_ROWS` at a time, each from the first column in which they are not all zero.
        space: Space of the unknown.
        stands_for: Number `n` of Gaussian rows that the factor replaces.
        second_moment: See `Operator`; in the mean that of the rows, since `R^T R = A^T A`.
        scale: Factor of each row.
    """

    panels: tuple[Float[Tensor, "_ _"], ...]
    space: Space
    stands_for: int
    second_moment: tuple[float, float] | None = (1.0, 0.0)
    scale: float = 1.0

    @cached_property
    def count(self) -> int:
        """Number of rows of `R`."""
        return sum(len(panel) for panel in self.panels)

    @classmethod
    def draw(
        cls, n: int, size: Size, *, kind: str = "psd", generator: Rng = None, dtype: Dtype = None
    ) -> "TriangularSensing":
        """Draw the factor of n rows of `GaussianSensing`; the arguments are those of its `draw`.

        The number n of Gaussian rows that the factor replaces is at least the dimension `D` of the packed unknown.

        Raises:
            InputError: If n is below `D`, a symmetric kind has two different sides, or a rectangular unknown is
                complex.
        """
        space = Space.from_size(size, kind, dtype)
        is_real = space.kind is not Kind.RECTANGULAR or not space.is_complex
        require(is_real, "a real dtype for a rectangular unknown", space.dtype)
        length, real = space.dimension, space.real_dtype
        require(n >= length, f"n of at least D = {length}", n, "draw the rows themselves (GaussianSensing)")
        seed = int(torch.randint(2**62, (), generator=generator))
        freedom = n - np.arange(length)
        diagonal = np.sqrt(np.random.Generator(np.random.PCG64(seed)).chisquare(freedom))
        panels = []
        for start in range(0, length, _PANEL_ROWS):
            height = min(_PANEL_ROWS, length - start)
            panel = random_normal((height, length - start), generator=generator, dtype=real, device="cpu")
            corner = panel[:, :height].triu_(1)
            corner.diagonal().copy_(torch.from_numpy(diagonal[start : start + height]))
            panels.append(panel.div_(math.sqrt(n)))
        return cls(tuple(panels), space, n)

    def packed_rows(self, start: int, stop: int) -> Float[Tensor, "b d"]:
        """Return the rows from start to stop, zeros included."""
        rows = torch.zeros((stop - start, self._length), dtype=self.real_dtype, device=self.device)
        for first, panel in self._placed():
            low, high = max(start, first), min(stop, first + len(panel))
            if low < high:
                rows[low - start : high - start, first:] = panel[low - first : high - first]
        return rows

    def _rows_times(self, z: Float[Tensor, "k d"]) -> Float[Tensor, "k n"]:
        return torch.cat([z[:, first:] @ panel.mT for first, panel in self._placed()], dim=-1)

    def _times_rows(self, v: Float[Tensor, "k n"]) -> Float[Tensor, "k d"]:
        total = v.new_zeros((len(v), self._length))
        for first, panel in self._placed():
            total[:, first:].addmm_(v[:, first : first + len(panel)], panel)
        return total

    def sweep(self, z: Float[Tensor, "k d"], dual: RowDual) -> tuple[Float[Tensor, "k n"], Float[Tensor, "k d"]]:
        """Measure and back-project in one pass over the panels."""
        y = torch.empty((len(z), self.count), dtype=z.dtype, device=z.device)
        total = z.new_zeros(z.shape)
        for first, panel in self._placed():
            stop = first + len(panel)
            y[:, first:stop] = z[:, first:] @ panel.mT
            target = None if dual.target is None else dual.target[first:stop]
            total[:, first:].addmm_(RowDual(dual.weight[first:stop], target)(y[:, first:stop]), panel)
        return y, total

    def _placed(self) -> list[tuple[int, Float[Tensor, "b w"]]]:
        """Return each panel with its first row, which is its first column too."""
        return [(place * _PANEL_ROWS, panel) for place, panel in enumerate(self.panels)]
