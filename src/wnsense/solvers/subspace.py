"""Dominant part of a matrix that is given by its products."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Inexact
from torch import Tensor

from wnsense.linalg import orthonormal_factor, symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class Products:
    """Matrix `B` by its products, which is never formed.

    Attributes:
        times: Function from `V` to `B V`.
        transpose_times: Function from `U` to `B^H U`; None if `B` is symmetric (Hermitian).
    """

    times: Callable[[Tensor], Tensor]
    transpose_times: Callable[[Tensor], Tensor] | None = None

    def cost(self, steps: int) -> int:
        """Return the number of products that a number of steps of subspace iteration takes."""
        return steps if self.transpose_times is None else 2 * steps


def dominant_part(B: Products, V: Inexact[Tensor, "*batch m2 k"], steps: int) -> LowRank:
    """Return `B` restricted to the subspace of a number of steps of subspace iteration from a block `V`.

    Symmetric: `V S V^H` with `S = V^H B V` for the last orthonormal `V` (Rayleigh, Ritz). Otherwise `U (B^H U)^H` for
    the last orthonormal `U`. Both are exact if the subspace holds the range of `B`. At least one step is made.
    """
    for _ in range(steps - 1):
        V = _applied(B, V)
    V = orthonormal_factor(V)
    image = B.times(V)
    if B.transpose_times is None:
        return LowRank(V, symmetric_part(V.mH @ image))
    U = orthonormal_factor(image)
    identity = torch.eye(U.shape[-1], dtype=U.dtype, device=U.device).expand(*U.shape[:-2], -1, -1)
    return LowRank(U, identity, B.transpose_times(U))


def _applied(B: Products, V: Tensor) -> Tensor:
    """Return `B V`, or `B^H B V`, of orthonormal blocks."""
    image = B.times(orthonormal_factor(V))
    return image if B.transpose_times is None else B.transpose_times(orthonormal_factor(image))
