"""Conserved quantities of the flows on diagonal networks, and the magnification factor `rho`.

Write `phi` for a function with `phi' = r / eta_r`, which is `r^2 / (2 eta)` for `p = 0`, and `U = u exp(phi(r))`. The
flow with weight normalization then gives

    L = 2: (log U)' = -2 r^2 A^T (A z - y),    L > 2: (U^{-(L - 2)})' = L (L - 2) r^L e^{-(L-2) phi} A^T (A z - y),

so that a change of `log U`, or of `U^{-(L - 2)}`, lies in the range of `A^T`. Plain flow has the same property with `x`
for `U`. Hence the limit with weight normalization is that of plain flow from `x_0 / rho`.
"""

import math

import numpy as np
from jaxtyping import Float

from wnsense.checks import require

Vector = Float[np.ndarray, " n"]

_LARGEST_LOGARITHM = math.log(np.finfo(np.float64).max)


def exponent(depth: int) -> float:
    """Return the exponent `q = 1 - 2 / L`: the mirror map of plain flow is `-z^{-q}`, or `log z` for `q = 0`.

    Raises:
        InputError: If the depth is below 2, or no whole number.
    """
    require_depth(depth)
    return 1 - 2 / depth


def require_depth(depth: int) -> None:
    """Raise `InputError` unless `L` is a whole number of at least 2."""
    require(depth >= 2, "a depth of at least 2", depth)
    require(depth % 1 == 0, "a depth that is a whole number", depth)


def require_rates(ratio: float, power: float) -> None:
    """Raise `InputError` unless `eta` is positive and finite, and `p` finite."""
    require(ratio > 0 and math.isfinite(ratio), "a positive ratio of learning rates", ratio)
    require(math.isfinite(power), "a finite power of the radius", power)


def potential(radius: float, ratio: float, power: float = 0.0) -> float:
    """Return `phi(r)` with `phi' = r / (eta r^p)`: zero at `r = 0` for `p < 2`, and `log(r) / eta` for `p = 2`.

    Args:
        radius: Radius `r`, positive.
        ratio: Ratio of learning rates `eta`, positive.
        power: Power `p`, at most 2.

    Raises:
        InputError: If a number is out of its range.
    """
    require(radius > 0 and math.isfinite(radius), "a positive radius", radius)
    require_rates(ratio, power)
    require(power <= 2, "a power of at most 2", power)
    if power == 2:
        return math.log(radius) / ratio
    phi = _exp((2 - power) * math.log(radius)) / ((2 - power) * ratio)
    needed = "a radius and a ratio of learning rates whose phi is a number"
    require(math.isfinite(phi), needed, f"{radius:.3g} and {ratio:.3g}", "it is r^(2 - p) / ((2 - p) eta)")
    return phi


def log_magnification(start_radius: float, end_radius: float, ratio: float, power: float = 0.0) -> float:
    """Return `log rho = log(r_0 / r_inf) + phi(r_inf) - phi(r_0)`; see `magnification`.

    Raises:
        InputError: If a number is out of its range.
    """
    change = potential(end_radius, ratio, power) - potential(start_radius, ratio, power)
    return math.log(start_radius) - math.log(end_radius) + change


def magnification(start_radius: float, end_radius: float, ratio: float, power: float = 0.0) -> float:
    """Return `rho`: the limit with weight normalization is that of plain flow from `x_0 / rho`.

    `rho = (r_0 / r_inf) exp((r_inf^2 - r_0^2) / (2 eta))` for constant rates, and 1 for the pair `(r^2, 1)`.

    Args:
        start_radius: Radius `r_0` of the start, positive.
        end_radius: Radius `r_inf` of the limit, positive.
        ratio: Ratio of learning rates `eta`, positive.
        power: Power `p` in `eta_r = eta r^p`.

    Returns:
        `rho`; infinite or 0 if it leaves the range of floating-point numbers (`log_magnification` does not).

    Raises:
        InputError: If a number is out of its range.
    """
    return _exp(log_magnification(start_radius, end_radius, ratio, power))


def _exp(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < _LARGEST_LOGARITHM else math.inf


def plain_invariant(x: Vector, depth: int) -> Vector:
    """Return `log x` for `L = 2`, `x^{-(L - 2)}` otherwise: under plain flow its change lies in the range of `A^T`.

    Raises:
        InputError: If an entry is not positive, or the depth is below 2.
    """
    require_depth(depth)
    require((x > 0).all(), "positive entries", float(x.min()))
    return log_plain_invariant(np.log(x), depth)


def log_plain_invariant(log_x: Vector, depth: int) -> Vector:
    """Return `plain_invariant` from `log x`, which resolves entries too small for a number.

    An invariant that is itself too large for a number is infinite.

    Raises:
        InputError: If the depth is below 2.
    """
    require_depth(depth)
    if depth == 2:
        return log_x
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(-(depth - 2.0) * log_x))


def invariant(u: Vector, radius: float, depth: int, ratio: float, power: float = 0.0) -> Vector:
    """Return `log u + phi(r)` for `L = 2`, `(u e^{phi(r)})^{-(L - 2)}` otherwise.

    Under flow with weight normalization its change lies in the range of `A^T`.

    Args:
        u: Direction, `||u|| = 1`, positive entries.
        radius: Radius `r`.
        depth: Number of factors `L`.
        ratio: Ratio of learning rates `eta`.
        power: Power `p` in `eta_r = eta r^p`.

    Raises:
        InputError: If an entry of `u` is not positive, or a number is out of its range.
    """
    require_depth(depth)
    require((u > 0).all(), "positive entries", float(u.min()))
    return log_plain_invariant(np.log(u) + potential(radius, ratio, power), depth)


def kernel_component(A: Float[np.ndarray, "m n"], change: Vector) -> float:
    """Return the norm of a change's part in the null space of `A`, over that of the change; 0 for an exact flow."""
    size = float(np.linalg.norm(change))
    if size == 0:
        return 0.0
    _, s, Vh = np.linalg.svd(A, full_matrices=False)
    rows = Vh[s > s[0] * max(A.shape) * np.finfo(s.dtype).eps]
    # Twice is enough: the first projection leaves a rounding error in the range.
    rest = change - rows.T @ (rows @ change)
    rest -= rows.T @ (rows @ rest)
    return float(np.linalg.norm(rest)) / size
