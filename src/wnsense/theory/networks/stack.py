"""Numbers of a network that the bounds use: gain and derivatives of each layer, norms, constants of the activation.

The network is `a^(0) = x`, `a^(l) = phi(s M(W^(l)) a^(l-1))` for `l = 1..L`, `f = v^T a^(L)`, each layer of `m` rows.
With weight normalization `M` divides each row by its length; without it `M(W) = W`. The activation has `phi(0) = 0`,
`|phi'| <= ell` and `|phi''| <= beta_phi`.
"""

import math
from dataclasses import dataclass

from wnsense.checks import require
from wnsense.theory.networks.numbers import (
    default_scale,
    require_bound,
    require_count,
    require_finite_size,
    require_positive,
)

_ROW_CURVATURE = 2 / math.sqrt(3)


@dataclass(frozen=True)
class Layer:
    """Bounds on one hidden layer, `z = s M(W) a`, and on its first and second derivative along `h`.

    Attributes:
        gain: Bound on `||s M(W)||_2`.
        first: Constant in `s ||DM(W)[h] a|| <= first ||h||_F ||a||`.
        second: Constant in `s ||D^2 M(W)[h, h] a|| <= second ||h||_F^2 ||a||`.
    """

    gain: float
    first: float
    second: float

    def __post_init__(self) -> None:
        """Check that each number is at least 0; an infinite one is a bound without content."""
        for name in ("gain", "first", "second"):
            require_bound(f"{name} of a layer", getattr(self, name))


def normalized_layer(width: int, minimum_row_norm: float, scale: float | None = None) -> Layer:
    """Return the bounds of a layer with every row divided by its length.

    A row of length `w` has `first = 1 / w` and `second = (2 / sqrt 3) / w^2`. The second derivative
    `d^2/dt^2` of `(w + t h) / ||w + t h||` has a squared length of at most `(4 q^2 - 3 q^4) / w^4`, where `q` is the
    part of `h` orthogonal to `w`.

    Args:
        width: Number of rows `m`.
        minimum_row_norm: Length of the shortest row of `W`, positive.
        scale: Scale `s`; `1 / sqrt(m)` if None, which makes the gain 1.

    Raises:
        InputError: If a number is not positive, or the width not whole.
    """
    require_positive("minimum row norm", minimum_row_norm)
    s = default_scale(width, scale)
    first = s / minimum_row_norm
    return Layer(s * math.sqrt(width), first, _ROW_CURVATURE * first / minimum_row_norm)


def plain_layer(spectral_norm: float, scale: float) -> Layer:
    """Return the bounds of a layer without normalization, `M(W) = W`.

    Args:
        spectral_norm: Bound on `||W||_2`.
        scale: Scale `s`.

    Raises:
        InputError: If a number is not positive.
    """
    require_positive("spectral norm", spectral_norm)
    require_positive("scale", scale)
    return Layer(scale * spectral_norm, scale, 0.0)


@dataclass(frozen=True)
class Stack:
    """Bounds on the parts of a network, at one point or over a set of points.

    Attributes:
        layers: Hidden layers, the first one first.
        input_norm: Bound on `||x||`.
        output_norm: Bound on `||v||`; `1 + rho_1` in the norm ball.
        lipschitz: Largest `|phi'|`, `ell`. `phi(0) = 0` is assumed.
        curvature: Largest `|phi''|`, `beta_phi`; None if `phi` is not smooth, and then the Hessian has no bound.
    """

    layers: tuple[Layer, ...]
    input_norm: float
    output_norm: float
    lipschitz: float = 1.0
    curvature: float | None = None

    def __post_init__(self) -> None:
        """Check that there is a layer and that the numbers are in range."""
        require(self.layers, "at least one hidden layer", 0)
        require_positive("Lipschitz constant", self.lipschitz)
        for name in ("input_norm", "output_norm"):
            require_finite_size(name, getattr(self, name))
        if self.curvature is not None:
            require_finite_size("curvature", self.curvature)


def normalized_stack(
    *,
    depth: int,
    width: int,
    minimum_row_norm: float,
    input_norm: float,
    output_norm: float,
    lipschitz: float = 1.0,
    curvature: float | None = None,
    scale: float | None = None,
) -> Stack:
    """Return the bounds of a weight-normalized network of equal layers.

    Args:
        depth: Number of hidden layers `L`.
        width: Number of rows `m` of each.
        minimum_row_norm: Length `W_min` of the shortest row of all hidden layers.
        input_norm: Bound on `||x||`.
        output_norm: Bound on `||v||`, `1 + rho_1` in the norm ball.
        lipschitz: Largest `|phi'|`, `ell`.
        curvature: Largest `|phi''|`, `beta_phi`; None if `phi` is not smooth.
        scale: Scale `s`; `1 / sqrt(m)` if None.

    Raises:
        InputError: If a number is out of its range.
    """
    require_count("depth", depth)
    layer = normalized_layer(width, minimum_row_norm, scale)
    return Stack((layer,) * depth, input_norm, output_norm, lipschitz, curvature)
