"""Every entry measured, M*M = I: what the population loss is of."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.linalg import symmetric_part
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator


@dataclass(frozen=True)
class IdentitySensing(Operator):
    """y = vec(Z), all m^2 entries of a psd Z: M*M(Z) = Z, and nothing is stored.

    The upper triangle would do with a factor of sqrt(2), but gathering it takes longer than the products.

    Attributes:
        size: m.
    """

    size: int
    kind: Kind = field(default=Kind.PSD, init=False)
    shape: tuple[int, int] = field(init=False)
    count: int = field(init=False)
    dtype: torch.dtype = field(default=torch.float64, init=False)
    device: torch.device = field(default=torch.device("cpu"), init=False)
    second_moment: tuple[float, float] | None = field(default=(1.0, 0.0), init=False)

    def __post_init__(self) -> None:
        """Read off the sizes."""
        require(self.size >= 1, "at least one row", self.size)
        object.__setattr__(self, "shape", (self.size, self.size))
        object.__setattr__(self, "count", self.size**2)

    def _measure(self, point: LowRank) -> Float[Tensor, "*batch n"]:
        return point.dense().flatten(-2)

    def _adjoint(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m m"]:
        return symmetric_part(v.reshape(*v.shape[:-1], *self.shape))

    def _adjoint_times(
        self, v: Float[Tensor, "*batch n"], V: Float[Tensor, "*batch m k"]
    ) -> Float[Tensor, "*batch m k"]:
        return self._adjoint(v) @ V
