"""Gaussian and Rademacher measurements that are not stored, but computed again from a seed for each use."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import Dtype, Place
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.ensembles.rademacher import signs_of
from wnsense.sensing.space import Size, Space

# Philox4x32-10: multipliers, the key's increments, rounds (Salmon, Moraes, Dror, Shaw, SC 2011, table 2).
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_MASK = 0xFFFFFFFF
_WORD = 2.0**-32


class Law(StrEnum):
    """Law of the entries of a packed row."""

    GAUSSIAN = "gaussian"
    RADEMACHER = "rademacher"


@dataclass(frozen=True)
class SeededSensing(PackedSensing):
    """Gaussian or Rademacher ensemble without memory: row i is a function of the seed and of i alone.

    The words come from the counter-based generator Philox4x32-10, with the seed as key and (column, row) as counter.
    Any block can thus be computed in any order, with the same result on every device. Words and signs agree to the bit,
    and Gaussian entries within 4 units in the last place, since logarithms and cosines are rounded differently.

    A Gaussian entry is computed in double precision from two words of 32 bits by Box and Muller's formula; none exceeds
    6.8.

    Attributes:
        law: Law of the entries.
        seed: Seed, from 0 to 2^64 - 1.
        numbers: Numbers of the rows in the endless sequence, (n,), from 0 on.
        space: Space of the unknown.
        scale: Factor of each row; `1 / sqrt(n)` gives `E ||M(Z)||^2 = ||Z||_F^2`.
        second_moment: See `Operator`.
    """

    law: Law
    seed: int
    numbers: Int64[Tensor, " n"]
    space: Space
    scale: float = 1.0
    second_moment: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the number of rows and the seed."""
        require(len(self.numbers) > 0, "at least one measurement", "none")
        require(0 <= self.seed < 2**64, "a seed from 0 to 2^64 - 1", self.seed)

    @classmethod
    def draw(
        cls,
        n: int,
        size: Size,
        *,
        law: Law | str = Law.GAUSSIAN,
        kind: str = "psd",
        seed: int = 0,
        dtype: Dtype = None,
        device: Place = "cpu",
    ) -> "SeededSensing":
        """Return the first n rows of a seed, scaled so that `E ||M(Z)||^2 = ||Z||_F^2`.

        `law` is gaussian or rademacher, and `seed` is that of the endless sequence of rows. The other arguments are
        those of `GaussianSensing.draw`; rows are computed on the device.

        Raises:
            InputError: If n or the size is not positive, or a symmetric kind has two different sides.
        """
        require(n >= 1, "at least one measurement", n)
        space = Space.from_size(size, kind, dtype, device)
        numbers = torch.arange(n, device=space.device)
        return cls(Law(law), seed, numbers, space, 1 / math.sqrt(n), (1.0, 0.0))

    def select_rows(self, rows: Int[Tensor, " k"]) -> "SeededSensing":
        """Return the operator of some rows; no law is declared."""
        return replace(self, numbers=self.numbers[rows], second_moment=None)

    def packed_rows(self, start: int, stop: int) -> Float[Tensor, "b d"]:
        """Return the rows from start to stop in the precision of the unknown, unscaled."""
        numbers, length = self.numbers[start:stop], self._length
        if self.law is Law.RADEMACHER:
            words = philox_words(self.seed, numbers, -(-length // 32))
            return signs_of(_bytes_of(words), length).to(self.real_dtype)
        words = philox_words(self.seed, numbers, length + length % 2)
        return _normal(words)[:, :length].to(self.real_dtype)

    @cached_property
    def count(self) -> int:
        """Number of rows."""
        return len(self.numbers)

    def __str__(self) -> str:
        """One line for people, with the seed."""
        return f"{type(self).__name__} ({self.law}, seed {self.seed}): {self.count} measurements of a {self.space}"


def philox_words(seed: int, numbers: Int64[Tensor, " b"], count: int) -> Int64[Tensor, "b c"]:
    """Return the first `count` words of each row: integers from 0 to 2^32 - 1.

    Word j of row i is word j % 4 of Philox4x32-10. The key is (seed mod 2^32, seed div 2^32), and the counter is (j div
    4, 0, i mod 2^32, i div 2^32).
    """
    columns = torch.arange(-(-count // 4), device=numbers.device)
    c0 = columns.expand(len(numbers), -1)
    c1 = torch.zeros_like(c0)
    c2 = (numbers & _MASK).unsqueeze(-1).expand_as(c0)
    c3 = (numbers >> 32).unsqueeze(-1).expand_as(c0)
    k0, k1 = seed & _MASK, seed >> 32
    for _ in range(_ROUNDS):
        # 64-bit products wrap around; both halves of their bits are still right.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _MASK) ^ c1 ^ k0,
            p1 & _MASK,
            ((p0 >> 32) & _MASK) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _INCREMENTS[0]) & _MASK, (k1 + _INCREMENTS[1]) & _MASK
    return torch.stack([c0, c1, c2, c3], dim=-1).flatten(-2)[:, :count]


def _bytes_of(words: Int64[Tensor, "b c"]) -> Tensor:
    """Return the four bytes of each word, lowest first."""
    shifts = torch.arange(0, 32, 8, device=words.device)
    return ((words.unsqueeze(-1) >> shifts) & 0xFF).to(torch.uint8).flatten(-2)


def _normal(words: Int64[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """Return standard normal numbers from pairs of words, `sqrt(-2 ln u) (cos, sin)(2 pi v)` (Box and Muller, 1958)."""
    u, v = ((words[:, part::2].to(torch.float64) + 0.5) * _WORD for part in (0, 1))
    radius, angle = (-2 * u.log()).sqrt(), 2 * math.pi * v
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1).flatten(-2)
