"""Activation functions with the constants that the theory's bounds need."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class Activation:
    """Function `phi` of one number, applied to each entry.

    Attributes:
        name: Name in tables and files.
        function: Function of a tensor.
        lipschitz: `ell`, the largest `|phi'|`.
        curvature: `beta_phi`, the largest `|phi''|`; None if `phi` is not smooth.
        at_zero: `phi(0)`. The theory needs 0: otherwise a layer has an output without an input.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    lipschitz: float
    curvature: float | None
    at_zero: float = 0.0

    @property
    def is_smooth(self) -> bool:
        """True if the bounds on second derivatives apply."""
        return self.curvature is not None


def leaky_relu(slope: float = 0.01) -> Activation:
    """Return the activation `max(x, slope x)`.

    Args:
        slope: Slope below zero.
    """

    def function(x: Tensor) -> Tensor:
        return functional.leaky_relu(x, slope)

    return Activation(f"leaky_relu({slope:g})", function, max(1.0, abs(slope)), None)


TANH = Activation("tanh", torch.tanh, 1.0, 4 / (3 * math.sqrt(3)))
# phi' = Phi(x) + x density(x) is largest at sqrt 2; phi'' = density(x) (2 - x^2) at 0.
GELU = Activation(
    "gelu",
    functional.gelu,
    (1 + math.erf(1)) / 2 + math.exp(-1) / math.sqrt(math.pi),
    math.sqrt(2 / math.pi),
)
# phi' is largest where x tanh(x / 2) = 2, x = 2.3994; rounded up. phi'' = 1/2 at 0.
SILU = Activation("silu", functional.silu, 1.0998393195, 0.5)
RELU = Activation("relu", torch.relu, 1.0, None)
LEAKY_RELU = leaky_relu()

ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {"tanh": TANH, "gelu": GELU, "silu": SILU, "relu": RELU, "leaky_relu": LEAKY_RELU}
)
