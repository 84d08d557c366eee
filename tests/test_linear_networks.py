"""Multi-layer linear models: what their flows conserve, and how fast they are beside what is predicted."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from wnsense.checks import InputError
from wnsense.lab.diagonal.linear_networks import (
    balanced_rate,
    gradients,
    guaranteed_singular_value,
    imbalances,
    instant_rate,
    layers_flow,
    product,
    squared_loss,
    two_layer_rate,
)

TARGET = np.array([[2.0, 0.1, 0.0], [-0.2, 1.5, 0.1], [0.1, 0.0, 1.0]])


def drawn(depth: int, seed: int = 0, hidden: int = 4, scale: float = 0.6) -> list[np.ndarray]:
    rng = np.random.default_rng([depth, seed])
    sides = [3, *[hidden] * (depth - 1), 3]
    return [scale * rng.standard_normal(shape) for shape in pairwise(sides)]


def close_to_target(seed: int) -> list[np.ndarray]:
    """Two layers of some imbalance whose product is near the target."""
    rng = np.random.default_rng(seed)
    W1 = 1.2 * np.eye(3, 4) + 0.1 * rng.standard_normal((3, 4))
    return [W1, np.linalg.pinv(W1) @ (TARGET + 0.1 * rng.standard_normal((3, 3)))]


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_gradients_are_those_of_autograd(depth):
    layers = [torch.from_numpy(W).requires_grad_() for W in drawn(depth)]
    W = layers[0]
    for V in layers[1:]:
        W = W @ V
    expected = torch.autograd.grad(0.5 * (W - torch.from_numpy(TARGET)).square().sum(), layers)
    for mine, theirs in zip(gradients(drawn(depth), TARGET), expected, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("ratio", [None, 0.5, 2.0])
def test_what_is_conserved_is_and_the_rate_is_the_predicted_one(depth, ratio):
    """Plain flow keeps the imbalances; with weight normalization they move and only their traces stay."""
    run = layers_flow(drawn(depth), TARGET, ratio=ratio)
    assert run.losses[-1] <= 1e-16 * 0.5 * np.linalg.norm(TARGET) ** 2
    # The integrator's tolerance is 1e-11 a step, of which there are a few hundred.
    assert run.trace_drift() < 1e-8
    if ratio is None:
        assert run.imbalance_drift() < 1e-8
    else:
        assert run.imbalance_drift() > 1e-3
    assert abs(run.measured_rate() / instant_rate(run.layers[-1], ratio) - 1) < 0.05


@pytest.mark.parametrize("ratio", [None, 0.5])
def test_the_instant_rate_is_never_undercut(ratio):
    """-d loss / dt = sum_l g_l^2 (||G_l||^2 - <U_l, G_l>^2) + eta <U_l, G_l>^2 at least the rate times the loss."""
    run = layers_flow(drawn(3, seed=1), TARGET, ratio=ratio)
    closest = np.inf
    for layers, loss in zip(run.layers[::5], run.losses[::5], strict=True):
        fall = 0.0
        for W, G in zip(layers, gradients(layers, TARGET), strict=True):
            size = np.linalg.norm(W)
            along = float((W * G).sum()) / size
            whole = float(np.linalg.norm(G)) ** 2
            fall += whole if ratio is None else size**2 * (whole - along**2) + ratio * along**2
        closest = min(closest, fall / loss / instant_rate(layers, ratio))
    # However few digits of the error are left at the end, fall and loss are made from the same ones.
    assert 1 - 1e-9 < closest < 1.5


def test_bounds_from_imbalance_and_singular_value_stay_below_the_rate():
    used = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows, columns = rng.integers(2, 5, 2)
        h = int(max(rows, columns) + rng.integers(0, 3))
        layers = [rng.standard_normal((rows, h)) * 10 ** rng.uniform(-1, 1), rng.standard_normal((h, columns))]
        s = np.linalg.svd(product(layers), compute_uv=False)[-1]
        rate = instant_rate(layers)
        bound = two_layer_rate(imbalances(layers)[0], int(rows), int(columns), float(s))
        assert bound <= rate * (1 + 1e-10)
        used += bound > 0.05 * rate
    assert used > 10


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_balanced_layers_reach_their_bound_where_the_spectrum_is_flat(depth):
    rng = np.random.default_rng(depth)
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    layers = [0.9 * Q, *[0.9 * np.eye(3)] * (depth - 1)]
    assert max(float(np.abs(D).max()) for D in imbalances(layers)) < 1e-14
    np.testing.assert_allclose(balanced_rate(depth, 0.9**depth), instant_rate(layers), rtol=1e-12)
    values = rng.uniform(0.5, 2, 3) ** (1 / depth)
    layers = [np.diag(values) for _ in range(depth)]
    s = float((values**depth).min())
    np.testing.assert_allclose(balanced_rate(depth, s), instant_rate(layers), rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_rate_known_at_the_start_is_kept_to_the_end(seed):
    """The imbalance is conserved and sigma_min(W) bounded, so that one number bounds the rate of the whole run."""
    layers = close_to_target(seed)
    s = guaranteed_singular_value(layers, TARGET)
    assert s > 0.3
    rate = two_layer_rate(imbalances(layers)[0], 3, 3, s)
    run = layers_flow(layers, TARGET)
    assert (run.losses <= run.losses[0] * np.exp(-rate * run.times) * (1 + 1e-8)).all()
    assert rate > 0.1 * run.measured_rate()


def test_what_does_not_multiply_is_refused():
    with pytest.raises(InputError, match="needed at least two layers, got 1"):
        layers_flow([TARGET], TARGET)
    with pytest.raises(InputError, match="needed layers that multiply, got 3 x 3 and 2 x 3"):
        layers_flow([TARGET, np.ones((2, 3))], TARGET)
    with pytest.raises(InputError, match="needed the target of size 3 x 2, got 3 x 3"):
        layers_flow([TARGET, np.ones((3, 2))], TARGET)
    with pytest.raises(InputError, match="needed a positive ratio"):
        layers_flow([TARGET, TARGET], TARGET, ratio=0.0)
    with pytest.raises(InputError, match="needed a hidden width of at least 3, got 2"):
        two_layer_rate(np.eye(2), 3, 3, 1.0)
    assert squared_loss([TARGET, np.eye(3)], TARGET) == 0
