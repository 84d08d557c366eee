"""Smoothing of the log-determinant: weights of a tangent vector, and the rule by which the smoothing falls."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wnsense.solvers.tangent import Tangent
from wnsense.values import by_value

# Factor by which the smoothing falls at least, as far as the spectrum allows. A faster fall commits to a rank early, a
# slower one costs steps: 0.8 needs 10 reweightings for a decade.
_FALL = 0.8
# Smoothing below which rounding decides, relative to the largest singular value.
_LEAST = 1e-15
# Reweightings without a fall of the smoothing by the next number, after which a climb takes a larger rank. 2 are too
# few: sampled entries of 1,000 x 1,000 at n/dof 1.5 and of 300 x 250 lost 1 of 3 each.
_PAUSE, _FALL_OF_CLIMB = 3, 0.1
# Least distance of a weight from 1, relative; a singular value at the smoothing itself has weight 1.
_MARGIN = 1e-12


@dataclass(frozen=True)
@by_value
class Smoothing:
    """Weights of the smoothed log-determinant at a matrix of known spectrum.

    The inverse weight operator multiplies `S_ij` by `(th_i^2 + th_j^2) / 2`, columns `P_j` and `Q_j` by
    `(th_j^2 + eps^2) / 2`, and everything outside of the tangent space by `eps^2`. These are the harmonic means of
    HM-IRLS (Kuemmerle and Sigl, arXiv 1703.05038).

    Attributes:
        level: Smoothing `eps`.
        values: Singular values `th` above it, (r,), descending.
    """

    level: float
    values: Float[Tensor, " r"]

    def core(self) -> Float[Tensor, "r r"]:
        """Return `Lambda = eps^2 / (D - eps^2)` for the core `S`."""
        squares = self.values.square()
        return self._penalty((squares[:, None] + squares[None, :]) / 2)

    def sides(self) -> Float[Tensor, " r"]:
        """Return `Lambda` for the columns of `P` and `Q`."""
        return self._penalty((self.values.square() + self.level**2) / 2)

    def penalized(self, vector: Tangent) -> Tangent:
        """Return `Lambda` times a tangent vector."""
        return scaled_parts(vector, self.core(), self.sides())

    def _penalty(self, inverse: Tensor) -> Tensor:
        square = self.level**2
        return square / (inverse - square).clamp(min=_MARGIN * square)


def scaled_parts(vector: Tangent, core: Float[Tensor, "r r"], sides: Float[Tensor, " r"]) -> Tangent:
    """Return a tangent vector with its core and its columns multiplied entry by entry."""
    return Tangent(vector.S * core, vector.P * sides, None if vector.Q is None else vector.Q * sides)


def next_level(values: Float[Tensor, " k"], level: float, bound: int) -> float:
    """Return the smoothing after a reweighting.

    It falls to the singular value behind the widest gap among the first `bound + 1`, or by a fixed factor if that is
    lower. It never falls below the singular value number `bound + 1`: beneath it, more directions than the bound would
    compete, and those within the bound would be fixed by chance. It never rises.

    Args:
        values: Leading singular values of the present matrix, descending.
        level: Present smoothing, infinite at first.
        bound: Largest rank `K`.
    """
    largest = float(values[0])
    least = _LEAST * largest
    if largest == 0:
        return 0.0
    head = values[: bound + 1].clamp(min=least)
    guard = float(head[bound]) if len(head) > bound else least
    gaps = head[:-1] / head[1:]
    behind = float(head[int(gaps.argmax()) + 1]) if len(gaps) else guard
    forced = max(_FALL * level, guard)
    return max(min(behind, forced, level), least)


@dataclass(frozen=True)
class Climb:
    """Smoothing of a run that climbs from rank to rank.

    The smoothing is the singular value behind the rank, and never rises. When it rests, the rank goes up. Thus the
    directions of a rank are found before smaller ones compete with them.

    Attributes:
        level: Smoothing `eps`, infinite at first.
        rank: Rank of the climb.
        reference: Smoothing at the last fall that counted.
        pause: Reweightings since then.
    """

    level: float = math.inf
    rank: int = 1
    reference: float = math.inf
    pause: int = 0

    def after(self, values: Float[Tensor, " k"], bound: int) -> "Climb":
        """Return the climb after a reweighting.

        The next rank is the one before the widest gap among the larger ranks up to the bound.

        Args:
            values: Leading singular values of the present matrix, descending.
            bound: Largest rank `K`.
        """
        level = self._behind(values, self.rank)
        if level < (1 - _FALL_OF_CLIMB) * self.reference:
            return Climb(level, self.rank, level, 0)
        if self.pause + 1 < _PAUSE or self.rank >= bound:
            return Climb(level, self.rank, self.reference, self.pause + 1)
        head = values[self.rank : bound + 1].clamp(min=_LEAST * float(values[0]))
        rank = self.rank + 1 + (int((head[:-1] / head[1:]).argmax()) if len(head) > 1 else 0)
        level = self._behind(values, rank)
        return Climb(level, rank, level, 0)

    def _behind(self, values: Tensor, rank: int) -> float:
        least = _LEAST * float(values[0])
        return max(min(self.level, float(values[rank]) if len(values) > rank else least), least)
