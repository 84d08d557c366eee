"""Gradient flow on multi-layer linear models `W = W_1 ... W_L`, with and without weight normalization of each layer.

The loss is `1/2 ||W - Y||_F^2`. After Min, Vidal and Mallada (ICML 2023): plain flow conserves the imbalances
`D_l = W_l^T W_l - W_{l+1} W_{l+1}^T`, and the loss falls exponentially. The imbalances and the least singular value of
the product bound the rate from below. The bounds here are those of two layers and of balanced layers, derived again;
their result for deep unbalanced layers is not restated. With weight normalization `W_l = g_l U_l`, `||U_l||_F = 1`,

    g_l' = -eta <U_l, G_l>,    U_l' = -g_l (G_l - <U_l, G_l> U_l),    G_l the gradient by W_l.

The imbalances then move. Their traces `g_l^2 - g_{l+1}^2` are still conserved for any `eta`, since `<W_l, G_l>` is the
same number in each layer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.integrate import LSODA

from wnsense.checks import require, require_size, size_text

# Anonymous sides: one layer has other sides than the next.
Matrix = Float[np.ndarray, "_ _"]
Layers = tuple[np.ndarray, ...]

# Steps of the integrator, which is implicit where a flow is stiff.
_MAX_STEPS = 20_000


@dataclass(frozen=True)
class LayersRun:
    """Integrated flow of the layers.

    Attributes:
        target: Target `Y`.
        ratio: Ratio of learning rates `eta`; None for plain flow.
        times: Times, ascending from 0, (T,).
        layers: Layers `(W_1, ..., W_L)` at each time.
        losses: Loss at each time, (T,).
    """

    target: Matrix
    ratio: float | None
    times: Float[np.ndarray, " t"]
    layers: tuple[Layers, ...]
    losses: Float[np.ndarray, " t"]

    def imbalance_drift(self) -> float:
        """Return the largest change of an imbalance, over the largest squared norm of a layer at the start."""
        first = imbalances(self.layers[0])
        size = max(float(np.linalg.norm(W)) ** 2 for W in self.layers[0])
        drifts = (
            np.linalg.norm(now - then)
            for layers in self.layers
            for now, then in zip(imbalances(layers), first, strict=True)
        )
        return float(max(drifts)) / size

    def trace_drift(self) -> float:
        """Return the largest change of an imbalance's trace, over the same squared norm."""
        first = _traces(self.layers[0])
        size = max(float(np.linalg.norm(W)) ** 2 for W in self.layers[0])
        return float(max(np.abs(_traces(layers) - first).max() for layers in self.layers)) / size

    def measured_rate(self, fraction: float = 0.3) -> float:
        """Return `-d log loss / dt` by a least-squares line, over the last fraction of the fall of `log loss`.

        Raises:
            InputError: If that fraction has fewer than three times.
        """
        logs = np.log(self.losses)
        last = logs <= logs[-1] + fraction * (logs[0] - logs[-1])
        require(int(last.sum()) >= 3, "at least 3 times in the fraction", int(last.sum()), "take a larger fraction")
        return -float(np.polyfit(self.times[last], logs[last], 1)[0])


def layers_flow(
    layers: Sequence[Matrix],
    target: Matrix,
    *,
    ratio: float | None = None,
    time: float = 100.0,
    loss: float = 1e-16,
    tolerance: float = 1e-11,
) -> LayersRun:
    """Integrate the gradient flow from given layers, plain or with weight normalization of each layer.

    Args:
        layers: Layers `W_1, ..., W_L`, whose product exists.
        target: Target `Y`, of the product's size.
        ratio: Ratio of learning rates `eta`, for every layer; None for plain flow.
        time: Time of the end.
        loss: Loss of the end, over `1/2 ||Y||_F^2`.
        tolerance: Tolerance of the integrator.

    Raises:
        InputError: If sizes do not fit, or the ratio is not positive.
    """
    _require_layers(layers, target)
    require(ratio is None or ratio > 0, "a positive ratio of learning rates", ratio)
    field = _LayersField(tuple(W.shape for W in layers), target, ratio)
    solver = LSODA(field, 0.0, field.packed(layers), time, rtol=tolerance, atol=tolerance)
    times, path = [0.0], [field.unpacked(np.array(solver.y))]
    least = loss * 0.5 * float(np.linalg.norm(target)) ** 2
    while solver.status == "running" and len(times) <= _MAX_STEPS and squared_loss(path[-1], target) > least:
        solver.step()
        times.append(float(solver.t))
        path.append(field.unpacked(np.array(solver.y)))
    losses = np.array([squared_loss(now, target) for now in path])
    return LayersRun(target, ratio, np.array(times), tuple(path), losses)


@dataclass(frozen=True)
class _LayersField:
    """Right-hand side of the flow, on one vector: all entries of the layers, then the magnitudes if normalized."""

    shapes: tuple[tuple[int, ...], ...]
    target: Matrix
    ratio: float | None

    def packed(self, layers: Sequence[Matrix]) -> np.ndarray:
        if self.ratio is None:
            return np.concatenate([W.reshape(-1) for W in layers])
        norms = [float(np.linalg.norm(W)) for W in layers]
        return np.concatenate([*(W.reshape(-1) / size for W, size in zip(layers, norms, strict=True)), norms])

    def unpacked(self, state: np.ndarray) -> Layers:
        ends = np.cumsum([0, *(rows * columns for rows, columns in self.shapes)])
        parts = (state[a:b].reshape(shape) for a, b, shape in zip(ends, ends[1:], self.shapes, strict=False))
        if self.ratio is None:
            return tuple(parts)
        return tuple(g * U / np.linalg.norm(U) for g, U in zip(state[ends[-1] :], parts, strict=True))

    def __call__(self, _: float, state: np.ndarray) -> np.ndarray:
        now = self.unpacked(state)
        G = gradients(now, self.target)
        if self.ratio is None:
            return -np.concatenate([gradient.reshape(-1) for gradient in G])
        g = state[-len(now) :]
        # The sign of a magnitude is free.
        U = [W / size for W, size in zip(now, g, strict=True)]
        along = np.array([float((u * gradient).sum()) for u, gradient in zip(U, G, strict=True)])
        turns = [
            -(size * (gradient - part * u)).reshape(-1) for size, u, gradient, part in zip(g, U, G, along, strict=True)
        ]
        return np.concatenate([*turns, -self.ratio * along])


def product(layers: Sequence[Matrix]) -> Matrix:
    """Return `W_1 ... W_L`."""
    out = layers[0]
    for W in layers[1:]:
        out = out @ W
    return out


def squared_loss(layers: Sequence[Matrix], target: Matrix) -> float:
    """Return the loss `1/2 ||W - Y||_F^2`."""
    return 0.5 * float(np.linalg.norm(product(layers) - target)) ** 2


def gradients(layers: Sequence[Matrix], target: Matrix) -> Layers:
    """Return the gradient of the loss by each layer, `(W_1 ... W_{l-1})^T (W - Y) (W_{l+1} ... W_L)^T`."""
    E = product(layers) - target
    return tuple(left.T @ E @ right.T for left, right in _sides(layers))


def imbalances(layers: Sequence[Matrix]) -> Layers:
    """Return the imbalances `D_l = W_l^T W_l - W_{l+1} W_{l+1}^T` for `l = 1 ... L - 1`."""
    return tuple(W.T @ W - V @ V.T for W, V in pairwise(layers))


def instant_rate(layers: Sequence[Matrix], ratio: float | None = None) -> float:
    """Return the least rate `-d log loss / dt` over all errors at these layers; at the limit, the asymptotic rate.

    It is twice the least eigenvalue of `sum_l J_l P_l J_l^T`. `J_l` is the derivative of the product by `W_l` as a
    matrix. `P_l` is the identity for plain flow, and `g_l^2 (I - u u^T) + eta u u^T` with weight normalization.
    """
    total = np.zeros((layers[0].shape[0] * layers[-1].shape[1],) * 2)
    for W, (left, right) in zip(layers, _sides(layers), strict=True):
        J = np.kron(left, right.T)
        if ratio is None:
            total = total + J @ J.T
        else:
            size = float(np.linalg.norm(W))
            along = J @ W.reshape(-1) / size
            total = total + size**2 * (J @ J.T) + (ratio - size**2) * np.outer(along, along)
    return 2 * float(np.linalg.eigvalsh(total)[0])


def two_layer_rate(imbalance: Matrix, rows: int, columns: int, least_singular_value: float) -> float:
    """Return a lower bound of `instant_rate` for `W_1 W_2`, from the imbalance `D` and `s = sigma_min(W)` alone.

    The instant rate is `2 (x_1 + x_2)` with `x_1 = lambda_min(W_1 W_1^T)` and `x_2 = lambda_min(W_2^T W_2)`. Let the
    eigenvalues of `D` descend from `l_1` to `l_h`. Weyl's inequalities give `x_1 >= l_rows` and
    `x_2 >= -l_{h - columns + 1}`. From `W W^T = (W_1 W_1^T)^2 - W_1 D W_1^T` follows `s^2 <= x_1 (x_1 + (-l_h)_+)` if
    `W` is not tall. Likewise `s^2 <= x_2 (x_2 + (l_1)_+)` if it is not wide. The larger bound is taken of each.

    Args:
        imbalance: Imbalance `D = W_1^T W_1 - W_2 W_2^T`, (h, h).
        rows: Number of rows of `W`.
        columns: Number of columns of `W`.
        least_singular_value: Least of the min(rows, columns) singular values of `W`, `s`.

    Raises:
        InputError: If the hidden width is below a side.
    """
    h = imbalance.shape[0]
    require(h >= max(rows, columns), f"a hidden width of at least {max(rows, columns)}", h, "the product is singular")
    values = [float(value) for value in np.linalg.eigvalsh(imbalance)[::-1]]
    s = least_singular_value
    first = max(values[rows - 1], _from_product(max(-values[-1], 0.0), s) if rows <= columns else 0.0)
    second = max(-values[h - columns], _from_product(max(values[0], 0.0), s) if columns <= rows else 0.0)
    return float(2 * (max(first, 0.0) + max(second, 0.0)))


def balanced_rate(depth: int, least_singular_value: float) -> float:
    """Return the lower bound `2 L sigma^{2 - 2/L}` of `instant_rate` for balanced layers, `D_l = 0`."""
    rate: float = 2 * depth * least_singular_value ** (2 - 2 / depth)
    return rate


def guaranteed_singular_value(layers: Sequence[Matrix], target: Matrix) -> float:
    """Return the lower bound `sigma_min(Y) - ||W(0) - Y||_F` of `sigma_min(W)` along a flow; the loss never grows."""
    least = float(np.linalg.svd(target, compute_uv=False)[-1])
    return max(0.0, least - math.sqrt(2 * squared_loss(layers, target)))


def _from_product(excess: float, s: float) -> float:
    """Return the bound `x >= (-p + sqrt(p^2 + 4 s^2)) / 2` from `s^2 <= x (x + p)`, without cancellation."""
    return 2 * s * s / (excess + math.sqrt(excess * excess + 4 * s * s)) if s > 0 else 0.0


def _sides(layers: Sequence[Matrix]) -> list[tuple[Matrix, Matrix]]:
    """Return the factors to the left and to the right of each layer in the product."""
    lefts = [np.eye(layers[0].shape[0])]
    for W in layers[:-1]:
        lefts.append(lefts[-1] @ W)
    rights = [np.eye(layers[-1].shape[1])]
    for W in layers[:0:-1]:
        rights.append(W @ rights[-1])
    return list(zip(lefts, reversed(rights), strict=True))


def _traces(layers: Sequence[Matrix]) -> Float[np.ndarray, " l"]:
    return np.array([float(np.trace(D)) for D in imbalances(layers)])


def _require_layers(layers: Sequence[Matrix], target: Matrix) -> None:
    require(len(layers) >= 2, "at least two layers", len(layers))
    for W, V in pairwise(layers):
        require(W.shape[1] == V.shape[0], "layers that multiply", f"{size_text(W.shape)} and {size_text(V.shape)}")
    require_size("the target", target.shape, (layers[0].shape[0], layers[-1].shape[1]), "that of the product")
