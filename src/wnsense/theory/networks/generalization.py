"""Rademacher complexity of a class of networks, and the gap between expected and mean loss."""

import math
from collections.abc import Sequence

from wnsense.checks import require
from wnsense.theory.networks.numbers import (
    bound_product,
    default_scale,
    require_bound,
    require_count,
    require_finite_size,
    require_positive,
)


def rademacher_bound(
    *, gains: Sequence[float], samples: int, input_norm: float, output_norm: float, lipschitz: float = 1.0
) -> float:
    """Return a rigorous bound on the Rademacher complexity of `f` over `n` samples, for `phi(0) = 0`.

        output_norm input_norm prod(ell gain_l) (sqrt(2 L log 2) + 1) / sqrt(n)

    `gain_l` is at least `s sqrt(m)` times the longest row of `M(W^(l))` (`row_gain`). With weight normalization and
    `s = 1 / sqrt(m)` each gain is 1. The bound is then `O(sqrt(L / n))`: independent of the width and, for `ell <= 1`,
    not exponential in depth. Without normalization the product is the exponential. `phi` need not be monotone.

    The proof peels layers (Golowich, Rakhlin and Shamir, 1712.06541):
    `E g(||sum eps_i phi(s M a_i)||) <= 2 E g(ell gain ||sum eps_i a_i||)`. The norm is at most `sqrt(m)` times that of
    the largest row, the length of a row is bounded, and the contraction lemma does the rest.

    Args:
        gains: Gain of each hidden layer.
        samples: Number of samples `n`.
        input_norm: Largest `||x||`, `B`.
        output_norm: Bound on `||v||`, `1 + rho_1` in the norm ball.
        lipschitz: Largest `|phi'|`, `ell`.

    Raises:
        InputError: If there is no layer or sample, or a number is negative or not finite (a gain may be infinite).
    """
    require(len(gains) > 0, "at least one hidden layer", 0)
    require_count("number of samples", samples)
    require_finite_size("input_norm", input_norm)
    require_finite_size("output_norm", output_norm)
    require_positive("Lipschitz constant", lipschitz)
    product = bound_product(output_norm, input_norm)
    for gain in gains:
        require_bound("gain", gain)
        product = bound_product(lipschitz * gain, product)
    return product * (math.sqrt(2 * len(gains) * math.log(2)) + 1) / math.sqrt(samples)


def row_gain(width: int, largest_row_norm: float = 1.0, scale: float | None = None) -> float:
    """Return the factor of a layer in the Rademacher complexity, `s sqrt(m)` times its longest row; 1 if normalized.

    Args:
        width: Number of rows `m`.
        largest_row_norm: Length of the longest row of `M(W)`, without `s`.
        scale: Scale `s`; `1 / sqrt(m)` if None.

    Raises:
        InputError: If a number is negative or not finite, or the width or the scale is not positive.
    """
    require_finite_size("largest row norm", largest_row_norm)
    return default_scale(width, scale) * math.sqrt(width) * largest_row_norm


def generalization_bound(
    rademacher: float, *, samples: int, loss_lipschitz: float, loss_range: float, confidence: float = 0.95
) -> float:
    """Return a bound on the gap between expected and mean loss, over all networks of the class.

    It holds with the given probability and is
    `2 loss_lipschitz R_n + loss_range sqrt(log(1 / (1 - confidence)) / (2 n))`. `R_n` is the expected complexity, or a
    bound on it that holds for every sample, as that of `rademacher_bound` does.

    Args:
        rademacher: Rademacher complexity `R_n` of the outputs.
        samples: Number of samples `n`.
        loss_lipschitz: Lipschitz constant of the loss as a function of `f`: `2 sup |f - y|` for the squared loss.
        loss_range: Largest loss; the least is 0.
        confidence: Probability, above 0 and below 1.

    Raises:
        InputError: If the confidence is out of its range, there is no sample, or a bound is negative or NaN.
    """
    require(0 < confidence < 1, "a confidence above 0 and below 1", confidence)
    require_count("number of samples", samples)
    for name, value in {"rademacher": rademacher, "loss_lipschitz": loss_lipschitz, "loss_range": loss_range}.items():
        require_bound(name, value)
    chance = math.sqrt(-math.log1p(-confidence) / (2 * samples))
    return bound_product(2 * loss_lipschitz, rademacher) + bound_product(loss_range, chance)
