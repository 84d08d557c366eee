"""Bounds on weight-normalized deep networks (after arXiv 2409.08935), with the constants that it leaves open.

The network is a^(0) = x, a^(l) = phi(s M(W^(l)) a^(l-1)) for l = 1..L, f = v^T a^(L), each layer of m rows. With weight
normalization M divides each row by its length; without it M(W) = W. phi(0) = 0, |phi'| <= ell, |phi''| <= beta_phi.

All bounds here follow from one recursion. For a unit direction of all parameters, let omega_l be the Frobenius norm of
its part in layer l. Three numbers say all that is needed of a layer: how much s M(W) stretches (gain), and what bounds
its first and second derivative along h: s ||DM(W)[h] a|| <= first ||h||_F ||a||, s ||D^2 M(W)[h, h] a|| <= second
||h||_F^2 ||a||. Then

    ||a^(l)|| <= A_l = ell gain_l A_(l-1),
    ||da^(l)|| <= d_l . omega,         d_l = ell u_l,    u_l = first_l A_(l-1) e_l + gain_l d_(l-1),
    ||d^2 a^(l)|| <= omega^T E_l omega,
    E_l = beta_phi u_l u_l^T + ell (second_l A_(l-1) e_l e_l^T + first_l (e_l d_(l-1)^T + d_(l-1) e_l^T)
          + gain_l E_(l-1)),

so that ||grad f||^2 <= A_L^2 + ||v||^2 ||d_L||^2, and ||grad^2 f|| is at most the largest eigenvalue of the matrix
[[||v|| E_L, d_L], [d_L^T, 0]]. A row of length w has first = 1 / w and second = (2 / sqrt 3) / w^2, since
d^2/dt^2 of (w + t h) / ||w + t h|| has the squared length (4 q^2 - 3 q^4) / w^4 at most, q the part of h across w.
The sum that E_L comes to is one product of matrices, L^3 operations in all. A bound too large for a float is infinity,
one too small is 0.
Derived for this library and held against dense Hessians of random networks in its tests.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from wnsense.checks import InputError, require

# ||grad^2 f|| = O(width^a depth^b) as published for weight normalization; `minimum_row_norm` goes from -1 (long rows)
# to -2 (short ones).
PUBLISHED_HESSIAN_EXPONENTS = MappingProxyType({"width": -0.5, "depth": 3.0, "minimum_row_norm": -1.0})

_ROW_CURVATURE = 2 / math.sqrt(3)
_LARGEST_COUNT = 2**53


@dataclass(frozen=True)
class Layer:
    """What the bounds know of one hidden layer, z = s M(W) a.

    Attributes:
        gain: At least ||s M(W)||_2.
        first: s ||DM(W)[h] a|| <= first ||h||_F ||a||.
        second: s ||D^2 M(W)[h, h] a|| <= second ||h||_F^2 ||a||.
    """

    gain: float
    first: float
    second: float

    def __post_init__(self) -> None:
        """Refuse what bounds nothing; infinity does, saying nothing."""
        for name in ("gain", "first", "second"):
            _require_bound(f"{name} of a layer", getattr(self, name))


def normalized_layer(width: int, minimum_row_norm: float, scale: float | None = None) -> Layer:
    """A layer with every row divided by its length.

    Args:
        width: m, rows.
        minimum_row_norm: The length of the shortest row of W, positive.
        scale: s; 1 / sqrt(m) without, which makes the gain 1.

    Raises:
        InputError: When a number is not positive, or the width not whole.
    """
    _require_positive("minimum row norm", minimum_row_norm)
    s = _scale(width, scale)
    first = s / minimum_row_norm
    return Layer(s * math.sqrt(width), first, _ROW_CURVATURE * first / minimum_row_norm)


def plain_layer(spectral_norm: float, scale: float) -> Layer:
    """A layer without normalization: M(W) = W.

    Args:
        spectral_norm: ||W||_2, at least.
        scale: s.

    Raises:
        InputError: When a number is not positive.
    """
    _require_positive("spectral norm", spectral_norm)
    _require_positive("scale", scale)
    return Layer(scale * spectral_norm, scale, 0.0)


@dataclass(frozen=True)
class Stack:
    """What the bounds know of a network at one point, or over a set of points.

    Attributes:
        layers: The hidden layers, from the input on.
        input_norm: ||x||, at least.
        output_norm: ||v||, at least: 1 + rho_1 in the norm ball.
        lipschitz: ell, the largest |phi'|. phi(0) = 0 is assumed.
        curvature: beta_phi, the largest |phi''|; None where phi is not smooth: then there is no bound on the Hessian.
    """

    layers: tuple[Layer, ...]
    input_norm: float
    output_norm: float
    lipschitz: float = 1.0
    curvature: float | None = None

    def __post_init__(self) -> None:
        """Refuse no layers, and numbers without sense."""
        require(self.layers, "at least one hidden layer", 0)
        _require_positive("Lipschitz constant", self.lipschitz)
        for name in ("input_norm", "output_norm"):
            value = getattr(self, name)
            _require_size(name, value)
        if self.curvature is not None:
            _require_size("curvature", self.curvature)


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
    """A weight-normalized network of equal layers.

    Args:
        depth: L, hidden layers.
        width: m.
        minimum_row_norm: W_min, over all rows of all hidden layers.
        input_norm: ||x||.
        output_norm: ||v||, at most 1 + rho_1.
        lipschitz: ell.
        curvature: beta_phi, if phi is smooth.
        scale: s; 1 / sqrt(m) without.

    Raises:
        InputError: When a number is out of its range.
    """
    _require_count("depth", depth)
    layer = normalized_layer(width, minimum_row_norm, scale)
    return Stack((layer,) * depth, input_norm, output_norm, lipschitz, curvature)


def _signals(stack: Stack) -> list[float]:
    """A_0 to A_L."""
    signals = [stack.input_norm]
    for layer in stack.layers:
        signals.append(_times(stack.lipschitz * layer.gain, signals[-1]))
    return signals


def _sensitivity(stack: Stack) -> Float[np.ndarray, " depth"]:
    """d_L: what each layer adds, times the gains of those after it."""
    d = np.zeros(len(stack.layers))
    for index, (layer, A) in enumerate(zip(stack.layers, _signals(stack)[:-1], strict=True)):
        d[:index] *= layer.gain
        d[index] = _times(layer.first, A)
        d[: index + 1] *= stack.lipschitz
    return d


def _output_curvature(stack: Stack, beta: float) -> Float[np.ndarray, "depth depth"]:
    """E_L, summed over the layers at which its terms arise, each times ell gain of those after."""
    depth, ell = len(stack.layers), stack.lipschitz
    # U has the u_l for rows; E the terms in second on its diagonal, those in first below it.
    U, after = np.zeros((depth, depth)), np.ones(depth)
    d, E = np.zeros(depth), np.zeros((depth, depth))
    for index, (layer, A) in enumerate(zip(stack.layers, _signals(stack)[:-1], strict=True)):
        after[:index] *= ell * layer.gain
        U[index, :index] = layer.gain * d[:index]
        U[index, index] = _times(layer.first, A)
        E[index, :index] = ell * layer.first * d[:index]
        E[index, index] = ell * _times(layer.second, A)
        d = ell * U[index]
    E *= after[:, None]
    bent = beta * (U.T @ (after[:, None] * U)) if beta > 0 else 0.0
    return E + np.tril(E, -1).T + bent


def signal_bound(stack: Stack) -> float:
    """||a^(L)||, at most; times ||v|| it bounds |f|. Rigorous.

    It is ||x|| for s = 1 / sqrt(m), ell = 1, whatever the depth: products of Jacobians are bounded by a constant one.
    """
    return _signals(stack)[-1]


def gradient_bound(stack: Stack) -> float:
    """||grad f||, at most, over all parameters, v included. Rigorous.

    For `normalized_stack` it is ||x|| ell^L sqrt(1 + L (1 + rho_1)^2 / (m W_min^2)); where ell < 1 the factor helps.
    """
    with np.errstate(all="ignore"):
        d = _known(_sensitivity(stack))
    # Without squares that overflow or vanish.
    return math.hypot(_signals(stack)[-1], _times(stack.output_norm, math.hypot(*d)))


def hessian_bound(stack: Stack) -> float:
    """||grad^2 f||_2, at most, over all parameters, v included. Rigorous, for smooth phi.

    For `normalized_stack` with s = 1 / sqrt(m), ell <= 1, it is at most, with r = output norm and w = W_min,

        (||x|| / sqrt(m)) (sqrt(L) / w + (r / w^2) (2 / sqrt 3 + (L - 1 + beta_phi ||x|| L (L + 1) / 2) / sqrt(m))).

    No exponential in depth: at a given width it grows as L^2, and as sqrt(L) where L^2 < sqrt(m); the published order
    is L^3 / sqrt(m). Without normalization the gains' product enters instead, exponential in depth.

    Raises:
        InputError: When phi is not smooth.
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
        form = _known(form)
    if not np.isfinite(form).all():
        return math.inf
    # All entries are at least 0, so that the largest eigenvalue is attained by norms, which are at least 0 too.
    return float(np.linalg.eigvalsh(form)[-1])


def hessian_constant(stack: Stack, width: int) -> float:
    """c_H = sqrt(m) `hessian_bound`, the constant of ||grad^2 f|| <= c_H / sqrt(m).

    Args:
        stack: The network.
        width: m.

    Raises:
        InputError: When phi is not smooth, or the width no whole number of at least 1.
    """
    _require_count("width", width)
    return math.sqrt(width) * hessian_bound(stack)


def loss_bound(stack: Stack, target_norm: float) -> float:
    """c_L: the mean of (f - y)^2 is at most (||v|| `signal_bound` + target_norm)^2. Rigorous.

    Args:
        stack: The network, with the largest ||x||.
        target_norm: The root mean square of y.

    Raises:
        InputError: When that is negative or not finite.
    """
    _require_size("target norm", target_norm)
    largest = _times(stack.output_norm, signal_bound(stack)) + target_norm
    return largest * largest


def strong_convexity(
    *, gradient_to_loss: float, loss: float, hessian: float, gradient: float, distance: float, cosine: float
) -> float:
    """The alpha of restricted strong convexity of the mean squared loss at theta. Rigorous.

    For every theta' with |cos(theta' - theta, grad L(theta))| >= cosine and ||theta' - theta|| <= distance,

        L(theta') >= L(theta) + <theta' - theta, grad L(theta)> + (alpha / 2) ||theta' - theta||^2,
        alpha = (cosine^2 / 2) ||grad L||^2 / L - 2 hessian (gradient distance + sqrt(L)),

    where the bounds hold on the way from theta to theta'. The published form has 4 R for 2 distance: two points in one
    ball of radius R are 2 R apart at most. Not positive means that nothing is said, as where a bound is infinite.

    Args:
        gradient_to_loss: ||grad L||^2 / L at theta.
        loss: L at theta, or c_L, which makes less of it.
        hessian: ||grad^2 f||, at most: c_H / sqrt(m).
        gradient: ||grad f||, at most: varrho.
        distance: ||theta' - theta||, at most.
        cosine: kappa_c, from 0 to 1.

    Raises:
        InputError: When a number is out of its range.
    """
    require(0 <= cosine <= 1, "a cosine from 0 to 1", cosine)
    _require_size("gradient_to_loss", gradient_to_loss)
    for name, value in {"loss": loss, "hessian": hessian, "gradient": gradient, "distance": distance}.items():
        _require_bound(name, value)
    return cosine**2 / 2 * gradient_to_loss - _times(2 * hessian, _times(gradient, distance) + math.sqrt(loss))


def smoothness(*, gradient: float, hessian: float, loss: float) -> float:
    """The beta of the mean squared loss, the largest ||grad^2 L||: 2 varrho^2 + 2 sqrt(L) ||grad^2 f||. Rigorous.

    Args:
        gradient: varrho, ||grad f|| at most.
        hessian: ||grad^2 f||, at most.
        loss: L, or c_L.

    Raises:
        InputError: When a number is negative or NaN.
    """
    for name, value in {"gradient": gradient, "hessian": hessian, "loss": loss}.items():
        _require_bound(name, value)
    return 2 * (gradient * gradient) + _times(2 * math.sqrt(loss), hessian)


def contraction(*, convexity: float, smoothness: float, relative_step: float = 1.0) -> float:
    """By what factor L - L* falls in a step of size omega / beta: 1 - alpha omega (2 - omega) / beta.

    L* is the infimum over the set on which restricted strong convexity holds with alpha.

    Args:
        convexity: alpha, above 0 and at most beta.
        smoothness: beta.
        relative_step: omega, above 0 and below 2.

    Raises:
        InputError: When a number is out of its range.
    """
    require(0 < relative_step < 2, "a relative step above 0 and below 2", relative_step)
    require(0 < convexity <= smoothness, f"a convexity above 0 and at most the smoothness {smoothness:g}", convexity)
    require(math.isfinite(convexity), "a convexity that is finite", convexity)
    return 1 - convexity / smoothness * (relative_step * (2 - relative_step))


def rademacher_bound(
    *, gains: Sequence[float], samples: int, input_norm: float, output_norm: float, lipschitz: float = 1.0
) -> float:
    """The Rademacher complexity of f over n samples, at most. Rigorous, for phi(0) = 0, monotone or not.

        output_norm input_norm prod(ell gain_l) (sqrt(2 L log 2) + 1) / sqrt(n)

    where gain_l is at least s sqrt(m) times the longest row of M(W^(l)) (`row_gain`). With weight normalization and
    s = 1 / sqrt(m) each is 1: O(sqrt(L / n)), independent of the width and, for ell <= 1, without an exponential in
    depth. Without it, the product is the exponential. By peeling layers (Golowich, Rakhlin and Shamir, 1712.06541):
    E g(||sum eps_i phi(s M a_i)||) <= 2 E g(ell gain ||sum eps_i a_i||), since the norm is at most sqrt(m) times the
    largest row's, a row's length is bounded by itself, and contraction does the rest.

    Args:
        gains: One for each hidden layer.
        samples: n.
        input_norm: B, the largest ||x||.
        output_norm: ||v||, at most 1 + rho_1.
        lipschitz: ell.

    Raises:
        InputError: When there is no layer or sample, or a number is negative or not finite (a gain may be infinite).
    """
    require(len(gains) > 0, "at least one hidden layer", 0)
    _require_count("number of samples", samples)
    _require_size("input_norm", input_norm)
    _require_size("output_norm", output_norm)
    _require_positive("Lipschitz constant", lipschitz)
    product = _times(output_norm, input_norm)
    for gain in gains:
        _require_bound("gain", gain)
        product = _times(lipschitz * gain, product)
    return product * (math.sqrt(2 * len(gains) * math.log(2)) + 1) / math.sqrt(samples)


def row_gain(width: int, largest_row_norm: float = 1.0, scale: float | None = None) -> float:
    """What a layer multiplies a Rademacher complexity by: s sqrt(m) times its longest row, which is 1 when normalized.

    Args:
        width: m.
        largest_row_norm: Of the matrix that acts, before s.
        scale: s; 1 / sqrt(m) without.

    Raises:
        InputError: When a number is negative or not finite, or the width or the scale not positive.
    """
    _require_size("largest row norm", largest_row_norm)
    return _scale(width, scale) * math.sqrt(width) * largest_row_norm


def generalization_bound(
    rademacher: float, *, samples: int, loss_lipschitz: float, loss_range: float, confidence: float = 0.95
) -> float:
    """The gap between expected and mean loss, at most, with the given probability, over all networks of the class.

    2 loss_lipschitz R_n + loss_range sqrt(log(1 / (1 - confidence)) / (2 n)), where R_n is the expected complexity, or
    a bound on it that holds for every sample, as `rademacher_bound` does.

    Args:
        rademacher: R_n of the outputs.
        samples: n.
        loss_lipschitz: Of the loss as a function of f: 2 sup |f - y| for the squared one.
        loss_range: The largest loss; its least is 0.
        confidence: Above 0 and below 1.

    Raises:
        InputError: When the confidence is out of its range, there is no sample, or a bound is negative or NaN.
    """
    require(0 < confidence < 1, "a confidence above 0 and below 1", confidence)
    _require_count("number of samples", samples)
    for name, value in {"rademacher": rademacher, "loss_lipschitz": loss_lipschitz, "loss_range": loss_range}.items():
        _require_bound(name, value)
    chance = math.sqrt(-math.log1p(-confidence) / (2 * samples))
    return _times(2 * loss_lipschitz, rademacher) + _times(loss_range, chance)


def _scale(width: int, scale: float | None) -> float:
    _require_count("width", width)
    if scale is None:
        return 1 / math.sqrt(width)
    _require_positive("scale", scale)
    return scale


def _times(a: float, b: float) -> float:
    """A product of bounds: nothing stays nothing, whatever it is multiplied by."""
    return 0.0 if a == 0 or b == 0 else a * b


def _known(bounds: np.ndarray) -> np.ndarray:
    """Infinity for what came out of infinity times a number that vanished: nothing is known of it."""
    return np.where(np.isnan(bounds), math.inf, bounds)


def _require_count(name: str, value: int) -> None:
    # Beyond it floats leave out whole numbers.
    whole = isinstance(value, Integral)
    require(whole and 1 <= value <= _LARGEST_COUNT, f"a {name} that is whole and from 1 to 2^53", value)


def _require_positive(name: str, value: float) -> None:
    require(math.isfinite(value) and value > 0, f"a positive {name}", value)


def _require_size(name: str, value: float) -> None:
    require(math.isfinite(value) and value >= 0, f"{name} that is finite and at least 0", value)


def _require_bound(name: str, value: float) -> None:
    """Refuse what is no bound on a size; infinity is one."""
    require(value >= 0, f"{name} of at least 0", value)
