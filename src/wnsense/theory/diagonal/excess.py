"""Bounds on the excess of a limit's norm over the least one, and the functions that limits minimize."""

import math

import numpy as np

from wnsense.checks import require, require_size
from wnsense.theory.arrays import positive_array, real_array
from wnsense.theory.diagonal.invariants import Vector, exponent


def l1_excess_bound(start: Vector, least_norm: float, depth: int, log_magnification: float = 0.0) -> float:
    """Return the bound `epsilon` on the relative excess of the l1 norm: `||z_inf||_1 - Q <= epsilon Q`.

    With `beta_1 = sum z_0` and `beta_min = min z_0`, both divided by `rho^L`, and `q = 1 - 2 / L`:

        L = 2, any start:       log(beta_1 / beta_min) / log(Q / beta_1)
        L > 2, equal entries:   L (beta_1^q - beta_min^q) / (2 (Q^q - beta_1^q)).

    It follows from comparing the limit's divergence with that of a minimizer of the l1 norm. For unequal entries and
    `L > 2` the second form is false: such limits minimize another norm (`weighted_norm`).

    Args:
        start: Start `z_0 = x_0^L`, positive; 2 N entries for a signed network.
        least_norm: Least l1 norm `Q` of a solution.
        depth: Number of factors `L`.
        log_magnification: Logarithm of `rho`; 0 for plain flow.

    Returns:
        `epsilon`; infinite if `Q` is not above the start's l1 norm.

    Raises:
        InputError: If an entry is not positive, or `L > 2` and the entries differ.
    """
    exponent(depth)
    start = positive_array("the start", start)
    require(least_norm > 0 and math.isfinite(least_norm), "a positive least l1 norm", least_norm)
    require(math.isfinite(log_magnification), "a finite log rho", log_magnification)
    spread = float(start.max() / start.min()) - 1
    # The entries of an equal start may differ by the roundings of a power.
    equal = depth == 2 or spread <= 1e-12 * depth
    require(equal, "equal entries of the start for L > 2", f"a spread of {spread:.1e}", "see `weighted_norm`")
    return l1_excess_form(start, least_norm, depth, log_magnification)


def l1_excess_form(start: Vector, least_norm: float, depth: int, log_magnification: float) -> float:
    """Return the formula of `l1_excess_bound` for any start; no bound for unequal entries and `L > 2`.

    The arguments are those of `l1_excess_bound` and are not checked.
    """
    q = exponent(depth)
    log_least = math.log(float(start.min())) - depth * log_magnification
    log_sum = math.log(float(start.sum())) - depth * log_magnification
    room = math.log(least_norm) - log_sum
    if room <= 0:
        return math.inf
    if depth == 2:
        return (log_sum - log_least) / room
    # Both differences are taken over Q^q, so that a small start neither overflows nor vanishes.
    return (
        depth * (math.exp(-q * room) - math.exp(q * (log_least - math.log(least_norm)))) / (-2 * math.expm1(-q * room))
    )


def weighted_norm(z: Vector, start: Vector, depth: int) -> float:
    """Return `sum_i z_i z_{0,i}^{-q}`, which the limit minimizes as the start shrinks in its own proportions.

    For `L = 2` all weights are 1: the proportions of the start do not matter in that limit.

    Raises:
        InputError: If an entry of the start is not positive, or the depth is below 2.
    """
    start, z = positive_array("the start", start), real_array("z", z, 1)
    require_size("z", z.shape, start.shape)
    weights: Vector = start ** -exponent(depth)
    return float((z * weights).sum())


def weighted_excess_bound(start: Vector, least: float, depth: int, log_magnification: float = 0.0) -> float:
    """Return the bound on the relative excess of `W(z) = sum z_i w_i`, `w_i = z_{0,i}^{-q}`, over the least; `L > 2`.

        epsilon = L (r_0^{2q} - min_i z_{0,i}^{q(1-q)}) / (2 (W^q - r_0^{2q})),    r_0^2 = sum z_{0,i}^{1-q} = ||x_0||^2

    `W` is the least value of `W(z)` over `A z = y`, `z >= 0`. Derivation: the limit minimizes
    `W(z) - (L/2) sum z^{1-q}`. With `z*` of least weighted norm,
    `W(z) - W <= (L/2) (sum z^{1-q} - sum z*^{1-q})`. By Hoelder's inequality the first sum is at most
    `r_0^{2q} W(z)^{1-q}`. The second sum is concave and least at a vertex, hence at least
    `min_i z_{0,i}^{q(1-q)} W^{1-q}`. `W(z)^{1-q}` lies below its tangent at `W`. For equal entries the bound is
    `l1_excess_bound`.

    Args:
        start: Start `z_0 = x_0^L`, positive; 2 N entries for a signed network.
        least: Least weighted norm `W`, with the weights of the start as given.
        depth: Number of factors `L`.
        log_magnification: Logarithm of `rho`, by which `x_0` is divided; 0 for plain flow.

    Returns:
        `epsilon`; infinite if `W` is not above the value of the start.

    Raises:
        InputError: If an entry or `W` is not positive, or the depth is 2, where all weights are 1.
    """
    require(depth > 2, "a depth above 2", depth, "for L = 2 the weights are all 1: see `l1_excess_bound`")
    q = exponent(depth)
    start = positive_array("the start", start)
    require(least > 0 and math.isfinite(least), "a positive least weighted norm", least)
    require(math.isfinite(log_magnification), "a finite log rho", log_magnification)
    # Dividing x_0 by rho turns z_0 into z_0 / rho^L and W into W rho^{L q}.
    log_start = np.log(start) - depth * log_magnification
    log_least = math.log(least) + depth * q * log_magnification
    log_sum = float(np.logaddexp.reduce((1 - q) * log_start))
    room = q * (log_least - log_sum)
    if room <= 0:
        return math.inf
    least_part = math.exp(q * ((1 - q) * float(log_start.min()) - log_least))
    return depth * (math.exp(-room) - least_part) / (-2 * math.expm1(-room))


def hypentropy(b: Vector, scale: float) -> float:
    """Return `sum_i alpha^2 q(b_i / alpha^2)` with `q(t) = 2 - sqrt(4 + t^2) + t asinh(t / 2)`.

    Plain flow of `b = u^2 - v^2` from `u = v = alpha` minimizes it among the solutions of `A b = y` (Woodworth et al.,
    arXiv 2002.09277).

    Args:
        b: Vector, (n,).
        scale: Scale `alpha` of the start, positive.

    Raises:
        InputError: If `alpha` is not positive.
    """
    require(scale > 0 and math.isfinite(scale), "a positive scale of the start", scale)
    b = real_array("b", b, 1)
    t = b / scale**2
    # 2 - sqrt(4 + t^2) without cancellation.
    root = np.sqrt(4 + t * t)
    return float(scale**2 * (-t * t / (2 + root) + t * np.arcsinh(t / 2)).sum())


def divergence(z: Vector, start: Vector, depth: int) -> float:
    """Return the divergence `D_F(z, z_0)` of the mirror map: that of Kullback and Leibler for `L = 2`.

    For `L > 2`, `F(z) = -sum z^{1-q} / (1 - q)` with `1 - q = 2 / L`.

    Raises:
        InputError: If an entry of the start is not positive, one of `z` is negative, or the depth is below 2.
    """
    q = exponent(depth)
    require((start > 0).all(), "positive entries", float(start.min()))
    require((z >= 0).all(), "entries of at least 0", float(z.min()))
    if depth == 2:
        logs = np.log(np.where(z > 0, z, 1)) - np.log(np.where(z > 0, start, 1))
        return float((z * logs - z + start).sum())
    return float(((start ** (1 - q) - z ** (1 - q)) / (1 - q) + start**-q * (z - start)).sum())
