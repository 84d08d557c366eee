"""Measurements of every entry, `M*M = I`, as in the population loss."""

from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.space import Space


@dataclass(frozen=True)
class IdentitySensing(Operator):
    """Measurements `y = vec(Z)`: all `m^2` entries of a psd matrix, with `M*M(Z) = Z` and no stored rows.

    The upper triangle with a factor of `sqrt(2)` is enough, but it takes longer to gather than the products.

    Attributes:
        size: Size `m` of the unknown.
    """

    size: int

    # M*M(Z) = Z.
    second_moment = (1.0, 0.0)

    def __post_init__(self) -> None:
        """Check the size."""
        require(self.size >= 1, "at least one row", self.size)

    @cached_property
    def space(self) -> Space:
        """Space of the unknown: psd, in double precision."""
        return Space.from_size(self.size)

    @cached_property
    def count(self) -> int:
        """Number of entries `m^2`."""
        return self.size**2

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return point.dense().flatten(-2)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m m"]:
        return symmetric_part(v.reshape(*v.shape[:-1], *self.shape))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Float[Tensor, "*batch m k"]
    ) -> Float[Tensor, "*batch m k"]:
        return self._adjoint(v) @ V
