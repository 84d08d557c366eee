"""Measurements of independent signs, one bit each."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int, Int8, Shaped, UInt8
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import Dtype, Place, Rng
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.space import Size, Space


@dataclass(frozen=True)
class RademacherSensing(PackedSensing):
    """Independent signs in packed coordinates, one bit each, with `E ||M(Z)||^2 = ||Z||_F^2`.

    For real symmetric unknowns `M_i` has `+-1/sqrt(n)` on the diagonal and `+-1/sqrt(2n)` off it.

    Attributes:
        bits: Bits of the signs, (n, ceil(d / 8)) of uint8. Entry j of a row is bit j % 8 (lowest first) of byte j // 8;
            a 1 is the sign -1.
        space: Space of the unknown.
        second_moment: See `Operator`.
        scale: Factor of each row.
    """

    bits: UInt8[Tensor, "n w"]
    space: Space
    second_moment: tuple[float, float] | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the number and the length of the rows."""
        require(len(self.bits) > 0, "at least one measurement", "none")
        width = _bytes_of_signs(self.space)
        require(self.bits.shape[1] == width, f"{width} bytes of signs in a {self.kind} measurement", self.bits.shape[1])

    @cached_property
    def count(self) -> int:
        """Number of rows."""
        return len(self.bits)

    @classmethod
    def draw(
        cls, n: int, size: Size, *, kind: str = "psd", generator: Rng = None, dtype: Dtype = None, device: Place = "cpu"
    ) -> "RademacherSensing":
        """Draw the operator; the arguments are those of `GaussianSensing.draw`.

        Raises:
            InputError: If n or the size is not positive, or a symmetric kind has two different sides.
        """
        space = Space.from_size(size, kind, dtype, device)
        require(n >= 1, "at least one measurement", n)
        shape = (n, _bytes_of_signs(space))
        bits = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(space.device)
        return cls(bits, space, (1.0, 0.0), 1 / math.sqrt(n))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "RademacherSensing":
        """Return the operator of some rows, copied; no law is declared."""
        return replace(self, bits=self.bits[rows], second_moment=None)

    def packed_rows(self, start: int, stop: int) -> Float[Tensor, "b d"]:
        """Return the rows from start to stop as +-1 in the precision of the unknown."""
        return signs_of(self.bits[start:stop], self._length).to(self.real_dtype)

    def _kernel_rows(self) -> Shaped[Tensor, "n w"] | None:
        return self.bits if self.bits.is_contiguous() else None


def _bytes_of_signs(space: Space) -> int:
    """Return the number of bytes of a row of signs."""
    return -(-space.dimension // 8)


def signs_of(bits: UInt8[Tensor, "b w"], length: int) -> Int8[Tensor, "b d"]:
    """Return the signs of packed bits, lowest first: a 1 is -1."""
    shifts = torch.arange(8, dtype=torch.uint8, device=bits.device)
    ones = (bits.unsqueeze(-1) >> shifts) & 1
    return 1 - 2 * ones.flatten(-2)[:, :length].to(torch.int8)
