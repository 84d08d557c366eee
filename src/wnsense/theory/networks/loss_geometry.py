"""Restricted strong convexity and smoothness of the mean squared loss, and the contraction of a step."""

import math

from wnsense.checks import require
from wnsense.theory.networks.numbers import bound_product, require_bound, require_finite_size


def strong_convexity(
    *, gradient_to_loss: float, loss: float, hessian: float, gradient: float, distance: float, cosine: float
) -> float:
    """Return the constant `alpha` of restricted strong convexity of the mean squared loss at `theta`. Rigorous.

    For every `theta'` with `|cos(theta' - theta, grad L(theta))| >= cosine` and `||theta' - theta|| <= distance`,

        L(theta') >= L(theta) + <theta' - theta, grad L(theta)> + (alpha / 2) ||theta' - theta||^2,
        alpha = (cosine^2 / 2) ||grad L||^2 / L - 2 hessian (gradient distance + sqrt(L)),

    if the bounds hold between `theta` and `theta'`. The published form has `4 R` for `2 distance`, since two points in
    one ball of radius `R` are at most `2 R` apart. A value that is not positive, also one from an infinite bound,
    guarantees nothing.

    Args:
        gradient_to_loss: Ratio `||grad L||^2 / L` at `theta`.
        loss: Loss `L` at `theta`, or its bound `c_L`, which gives a smaller `alpha`.
        hessian: Bound on `||grad^2 f||`, `c_H / sqrt(m)`.
        gradient: Bound on `||grad f||`, `varrho`.
        distance: Bound on `||theta' - theta||`.
        cosine: Least cosine `kappa_c`, from 0 to 1.

    Raises:
        InputError: If a number is out of its range.
    """
    require(0 <= cosine <= 1, "a cosine from 0 to 1", cosine)
    require_finite_size("gradient_to_loss", gradient_to_loss)
    for name, value in {"loss": loss, "hessian": hessian, "gradient": gradient, "distance": distance}.items():
        require_bound(name, value)
    largest = bound_product(gradient, distance) + math.sqrt(loss)
    return cosine**2 / 2 * gradient_to_loss - bound_product(2 * hessian, largest)


def smoothness(*, gradient: float, hessian: float, loss: float) -> float:
    """Return the bound `beta = 2 varrho^2 + 2 sqrt(L) ||grad^2 f||` on `||grad^2 L||`, the mean squared loss. Rigorous.

    Args:
        gradient: Bound on `||grad f||`, `varrho`.
        hessian: Bound on `||grad^2 f||`.
        loss: Loss `L`, or its bound `c_L`.

    Raises:
        InputError: If a number is negative or NaN.
    """
    for name, value in {"gradient": gradient, "hessian": hessian, "loss": loss}.items():
        require_bound(name, value)
    return 2 * (gradient * gradient) + bound_product(2 * math.sqrt(loss), hessian)


def contraction(*, convexity: float, smoothness: float, relative_step: float = 1.0) -> float:
    """Return the factor of `L - L*` in a step of size `omega / beta`, `1 - alpha omega (2 - omega) / beta`.

    `L*` is the infimum over the set on which restricted strong convexity holds with `alpha`.

    Args:
        convexity: Constant `alpha`, above 0 and at most `beta`.
        smoothness: Constant `beta`.
        relative_step: Relative step size `omega`, above 0 and below 2.

    Raises:
        InputError: If a number is out of its range.
    """
    require(0 < relative_step < 2, "a relative step above 0 and below 2", relative_step)
    require(0 < convexity <= smoothness, f"a convexity above 0 and at most the smoothness {smoothness:g}", convexity)
    require(math.isfinite(convexity), "a convexity that is finite", convexity)
    return 1 - convexity / smoothness * (relative_step * (2 - relative_step))
