"""Bounds on the signals, the gradient, the Hessian and the loss of a network, from its `Stack`.

All bounds follow from one recursion. For a unit direction of all parameters, let `omega_l` be the Frobenius norm of its
part in layer `l`. With the three numbers of a `Layer`,

    ||a^(l)|| <= A_l = ell gain_l A_(l-1),
    ||da^(l)|| <= d_l . omega,         d_l = ell u_l,    u_l = first_l A_(l-1) e_l + gain_l d_(l-1),
    ||d^2 a^(l)|| <= omega^T E_l omega,
    E_l = beta_phi u_l u_l^T + ell (second_l A_(l-1) e_l e_l^T + first_l (e_l d_(l-1)^T + d_(l-1) e_l^T)
          + gain_l E_(l-1)).

Therefore `||grad f||^2 <= A_L^2 + ||v||^2 ||d_L||^2`, and `||grad^2 f||` is at most the largest eigenvalue of
`[[||v|| E_L, d_L], [d_L^T, 0]]`. The sum for `E_L` is one product of matrices, `L^3` operations in all.

A bound too large for a float is infinity; one too small is 0. The bounds were derived for this library and are checked
against dense Hessians of random networks in its tests.
"""

import math
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from wnsense.checks import InputError
from wnsense.theory.networks.numbers import bound_product, require_count, require_finite_size, without_nan
from wnsense.theory.networks.stack import Stack

# ||grad^2 f|| = O(width^a depth^b) as published for weight normalization; `minimum_row_norm` goes from -1 (long rows)
# to -2 (short ones).
PUBLISHED_HESSIAN_EXPONENTS = MappingProxyType({"width": -0.5, "depth": 3.0, "minimum_row_norm": -1.0})


def signal_bound(stack: Stack) -> float:
    """Return a rigorous bound on `||a^(L)||`; times `||v||` it bounds `|f|`.

    It is `||x||` for `s = 1 / sqrt(m)` and `ell = 1`, at any depth: products of Jacobians have a constant bound.
    """
    return _signals(stack)[-1]


def gradient_bound(stack: Stack) -> float:
    """Return a rigorous bound on `||grad f||` over all parameters, `v` included.

    For `normalized_stack` it is `||x|| ell^L sqrt(1 + L (1 + rho_1)^2 / (m W_min^2))`, smaller for `ell < 1`.
    """
    with np.errstate(all="ignore"):
        d = without_nan(_sensitivity(stack))
    # Without squares that overflow or vanish.
    return math.hypot(_signals(stack)[-1], bound_product(stack.output_norm, math.hypot(*d)))


def hessian_bound(stack: Stack) -> float:
    """Return a rigorous bound on `||grad^2 f||_2` over all parameters, `v` included, for smooth `phi`.

    For `normalized_stack` with `s = 1 / sqrt(m)` and `ell <= 1`, with `r` the output norm and `w = W_min`, it is at
    most

        (||x|| / sqrt(m)) (sqrt(L) / w + (r / w^2) (2 / sqrt 3 + (L - 1 + beta_phi ||x|| L (L + 1) / 2) / sqrt(m))).

    It is not exponential in depth: at a given width it grows as `L^2`, and as `sqrt(L)` where `L^2 < sqrt(m)`. The
    published order is `L^3 / sqrt(m)`. Without normalization the product of the gains enters instead, which is
    exponential in depth.

    Raises:
        InputError: If `phi` is not smooth.
    """
    if stack.curvature is None:
        raise InputError(
            "needed a smooth activation, got one without a bound on its second derivative; take tanh or GELU"
        )
    if stack.input_norm == 0:
        return 0.0
    depth = len(stack.layers)
    form = np.zeros((depth + 1, depth + 1))
    with np.errstate(all="ignore"):
        if stack.output_norm > 0:
            form[:depth, :depth] = stack.output_norm * _output_curvature(stack, stack.curvature)
        form[:depth, depth] = form[depth, :depth] = _sensitivity(stack)
        form = without_nan(form)
    if not np.isfinite(form).all():
        return math.inf
    # The entries are at least 0, so that the largest eigenvalue has an eigenvector of entries of at least 0: norms.
    return float(np.linalg.eigvalsh(form)[-1])


def hessian_constant(stack: Stack, width: int) -> float:
    """Return `c_H = sqrt(m) hessian_bound`, the constant of `||grad^2 f|| <= c_H / sqrt(m)`.

    Args:
        stack: Bounds on the parts of the network.
        width: Number of rows `m`.

    Raises:
        InputError: If `phi` is not smooth, or the width is no whole number of at least 1.
    """
    require_count("width", width)
    return math.sqrt(width) * hessian_bound(stack)


def loss_bound(stack: Stack, target_norm: float) -> float:
    """Return `c_L = (||v|| signal_bound + target_norm)^2`, a rigorous bound on the mean of `(f - y)^2`.

    Args:
        stack: Bounds on the parts of the network, for the largest `||x||`.
        target_norm: Root mean square of `y`.

    Raises:
        InputError: If the target norm is negative or not finite.
    """
    require_finite_size("target norm", target_norm)
    largest = bound_product(stack.output_norm, signal_bound(stack)) + target_norm
    return largest * largest


def _signals(stack: Stack) -> list[float]:
    """Return `A_0` to `A_L`."""
    signals = [stack.input_norm]
    for layer in stack.layers:
        signals.append(bound_product(stack.lipschitz * layer.gain, signals[-1]))
    return signals


def _sensitivity(stack: Stack) -> Float[np.ndarray, " depth"]:
    """Return `d_L`: the term of each layer, times the gains of the layers after it."""
    d = np.zeros(len(stack.layers))
    for index, (layer, A) in enumerate(zip(stack.layers, _signals(stack)[:-1], strict=True)):
        d[:index] *= layer.gain
        d[index] = bound_product(layer.first, A)
        d[: index + 1] *= stack.lipschitz
    return d


def _output_curvature(stack: Stack, beta: float) -> Float[np.ndarray, "depth depth"]:
    """Return `E_L`, the sum over layers of the terms that arise there, times `ell gain` of the layers after."""
    depth, ell = len(stack.layers), stack.lipschitz
    # The rows of U are the u_l; E has the terms in `second` on its diagonal and those in `first` below it.
    U, after = np.zeros((depth, depth)), np.ones(depth)
    d, E = np.zeros(depth), np.zeros((depth, depth))
    for index, (layer, A) in enumerate(zip(stack.layers, _signals(stack)[:-1], strict=True)):
        after[:index] *= ell * layer.gain
        U[index, :index] = layer.gain * d[:index]
        U[index, index] = bound_product(layer.first, A)
        E[index, :index] = ell * layer.first * d[:index]
        E[index, index] = ell * bound_product(layer.second, A)
        d = ell * U[index]
    E *= after[:, None]
    bent = beta * (U.T @ (after[:, None] * U)) if beta > 0 else 0.0
    return E + np.tril(E, -1).T + bent
