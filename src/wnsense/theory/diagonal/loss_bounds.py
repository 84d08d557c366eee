"""Bounds on the loss along the flows on diagonal networks, and the rate at which the residual falls near a limit."""

import math

import numpy as np
from jaxtyping import Float

from wnsense.checks import require
from wnsense.theory.diagonal.excess import divergence
from wnsense.theory.diagonal.invariants import Vector, log_magnification


def plain_loss_bound(time: float, limit: Vector, start: Vector, depth: int) -> float:
    """Return the bound `D_F(z_inf, z_0) / (c t)` on the loss, with `c = 8` for `L = 2` and `2 L (L - 2)` otherwise.

    It holds since `d/dt D_F(z_inf, z) = -c loss` under plain flow, and the loss never grows.

    Args:
        time: Time `t`, positive.
        limit: Limit `z_inf`, (n,).
        start: Start `z_0`, (n,).
        depth: Number of factors `L`.

    Raises:
        InputError: If the time or an entry is not positive, or the depth is below 2.
    """
    require(time > 0, "a positive time", time)
    return divergence(limit, start, depth) / ((8 if depth == 2 else 2 * depth * (depth - 2)) * time)


def normalized_loss_bound(
    squared_radius_time: float, limit: Vector, start: Vector, ratio: float, power: float = 0.0
) -> float:
    """Return the bound `(V(0) - V(inf)) / (8 s)` on the loss for `L = 2` with weight normalization.

    `s` is the integral of `r^2` up to `t`. `V = -sum_i z_{inf,i} log U_i^2 + integral of 2 r^3 / eta_r` decreases at
    the rate `8 r^2 loss`, and the loss never grows. For constant rates
    `V(0) - V(inf) = sum z_inf log(U_inf^2 / U_0^2) - (r_inf^4 - r_0^4) / (2 eta)`.

    Args:
        squared_radius_time: Integral `s` of `r^2` over time, positive; `t` times the least `r^2` gives a bound too.
        limit: Limit `z_inf`, positive.
        start: Start `z_0`, positive.
        ratio: Ratio of learning rates `eta`.
        power: Power `p` in `eta_r = eta r^p`.

    Raises:
        InputError: If a number is out of its range.
    """
    require(squared_radius_time > 0, "a positive time", squared_radius_time)
    require((start > 0).all() and (limit > 0).all(), "positive entries", "others")
    r0, r = math.sqrt(float(start.sum())), math.sqrt(float(limit.sum()))
    # U = x e^phi / r, and log rho = log(r_0 / r) + phi(r) - phi(r_0).
    growth = np.log(limit / start) + 2 * log_magnification(r0, r, ratio, power)
    work: float = 2 * (r ** (4 - power) - r0 ** (4 - power)) / ((4 - power) * ratio)
    return (float((limit * growth).sum()) - work) / (8 * squared_radius_time)


def decay_rate(
    A: Float[np.ndarray, "m n"], x: Vector, depth: int, ratio: float | None = None, power: float = 0.0
) -> float:
    """Return the rate at which the residual falls near a limit: `||A z - y||` like `exp(-rate t)`, for `eta_u = 1`.

    It is the least eigenvalue of `L^2 A X^{L-1} P X^{L-1} A^T` with `X = diag(x)`. For plain flow `P = I`; with weight
    normalization `P = r^2 (I - u u^T) + eta_r u u^T`.

    Args:
        A: Map, (M, N).
        x: Limit of the flow, (N,).
        depth: Number of factors `L`.
        ratio: Ratio of learning rates `eta`; None for plain flow.
        power: Power `p` in `eta_r = eta r^p`.
    """
    B = depth * A * x ** (depth - 1)
    if ratio is not None:
        radius = float(np.linalg.norm(x))
        u = x / radius
        along = B @ u
        # B P^{1/2}, whose squared singular values are the eigenvalues.
        B = radius * B + np.outer(along, (math.sqrt(ratio * radius**power) - radius) * u)
    least = float(np.linalg.svd(B, compute_uv=False)[-1])
    return least * least if A.shape[0] <= A.shape[1] else 0.0
