"""Bounds on deep networks held against random networks: signals, gradients, dense Hessians, convexity, complexity."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.networks import ALL, SIGMOID, SMOOTH, cases, dense_hessian, hessian, literal, spectral_norm, vector
from wnsense.checks import InputError
from wnsense.networks.activations import GELU, SILU, TANH
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.layers import Normalization
from wnsense.networks.measuring.power_fit import fit_powers
from wnsense.networks.network import Architecture
from wnsense.theory.networks import (
    Layer,
    Stack,
    contraction,
    generalization_bound,
    gradient_bound,
    hessian_bound,
    hessian_constant,
    loss_bound,
    normalized_stack,
    plain_layer,
    rademacher_bound,
    row_gain,
    signal_bound,
    smoothness,
    strong_convexity,
)

PROPERTY = settings(max_examples=25, deadline=None, derandomize=True)
normalizations = pytest.mark.parametrize("normalization", [Normalization.WEIGHT, Normalization.NONE])
# Rounding of a few thousand operations in double precision.
ROOM = 1 + 1e-10
STANDARD = {"depth": 3, "width": 16, "minimum_row_norm": 0.5, "input_norm": 1.0, "output_norm": 1.5}


def gradient(network, x):
    """grad f, written out."""
    return torch.func.jacrev(lambda p: literal(network, p, x)[0])(vector(network))


@normalizations
@PROPERTY
@given(st.data())
def test_signals_and_gradients_stay_within_their_bounds(normalization, data):
    case = data.draw(cases(ALL, normalization))
    network, x = case.network(), case.inputs()[0]
    stack = network.stack(case.input_norm)
    a = x
    with torch.no_grad():
        for layer in network.layers:
            a = case.architecture.activation.function(layer(a))
    assert float(a.norm()) <= signal_bound(stack) * ROOM
    assert float(gradient(network, x).norm()) <= gradient_bound(stack) * ROOM


@normalizations
@PROPERTY
@given(st.data())
def test_hessians_stay_within_their_bound(normalization, data):
    case = data.draw(cases(SMOOTH, normalization))
    network = case.network()
    largest = spectral_norm(dense_hessian(network, case.inputs()[0]))
    assert largest <= hessian_bound(network.stack(case.input_norm)) * ROOM


def test_signals_attain_their_bound():
    """Rows that all point at the input, and an activation that is linear where the signal is."""
    network = uniform_network(Architecture(2, 9, 4), torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.tensor([3e-6, 4e-6], dtype=torch.float64)
    a = x
    with torch.no_grad():
        for layer in network.layers:
            layer.parametrizations["weight"].original1.copy_(a.expand(9, -1))
            a = torch.tanh(layer(a))
    assert float(a.norm()) == pytest.approx(signal_bound(network.stack(5e-6)), rel=1e-9)


def test_the_hessian_of_one_neuron_attains_its_bound_across_a_row():
    """Where x is across w, f'' along it is v beta_phi |x|^2 / w^2 with GELU's beta_phi at 0."""
    w, x, v = 0.7, 1.3, 0.9

    def f(p):
        row = p[:2]
        return v * torch.nn.functional.gelu(row @ torch.tensor([0.0, x], dtype=torch.float64) / row.norm())

    H = hessian(f)(torch.tensor([w, 0.0], dtype=torch.float64))
    assert float(H[1, 1]) == pytest.approx(v * GELU.curvature * x**2 / w**2, rel=1e-12)


@pytest.mark.parametrize("ell", [0.5, 1.0, 1.13])
@pytest.mark.parametrize("depth", [1, 2, 7])
def test_the_gradient_bound_of_equal_layers_is_the_closed_form(ell, depth):
    """||x|| ell^L sqrt(1 + L (1 + rho_1)^2 / (m W_min^2))."""
    m, w, x, v = 11, 0.3, 2.0, 1.7
    stack = normalized_stack(depth=depth, width=m, minimum_row_norm=w, input_norm=x, output_norm=v, lipschitz=ell)
    expected = x * ell**depth * math.sqrt(1 + depth * v**2 / (m * w**2))
    assert gradient_bound(stack) == pytest.approx(expected, rel=1e-12)


@given(st.integers(1, 30), st.integers(1, 5000), st.floats(0.05, 20), st.floats(0.01, 10), st.floats(0, 3))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_hessian_bound_is_below_the_closed_form(depth, width, w, x, v):
    stack = normalized_stack(
        depth=depth, width=width, minimum_row_norm=w, input_norm=x, output_norm=v, curvature=TANH.curvature
    )
    root, L = math.sqrt(width), depth
    closed = (L - 1 + TANH.curvature * x * L * (L + 1) / 2) / root
    closed = x / root * (math.sqrt(L) / w + v / w**2 * (2 / math.sqrt(3) + closed))
    assert hessian_bound(stack) <= closed * ROOM
    assert hessian_constant(stack, width) == pytest.approx(root * hessian_bound(stack))


def test_the_hessian_bound_grows_as_said():
    """1 / sqrt(m) in width, at most L^2 in depth, between 1 / W_min and 1 / W_min^2; without WN 2^L and more."""

    def bound(**changed):
        return hessian_bound(normalized_stack(**(STANDARD | {"curvature": 0.77} | changed)))

    assert bound(width=10**8) / bound(width=10**10) == pytest.approx(10, rel=1e-3)
    long = partial(bound, minimum_row_norm=100.0, width=10**12)
    assert bound(depth=128) / bound(depth=64) < 4
    assert long(depth=64) / long(depth=16) == pytest.approx(2, rel=0.05)
    assert bound(minimum_row_norm=1e-4) / bound(minimum_row_norm=1e-3) == pytest.approx(100, rel=0.01)
    assert bound(minimum_row_norm=1e4) / bound(minimum_row_norm=1e5) == pytest.approx(10, rel=0.01)
    plain = [hessian_bound(Stack((plain_layer(2.0, 1.0),) * depth, 1.0, 1.0, 1.0, 0.77)) for depth in (8, 16)]
    assert plain[1] / plain[0] > 2**8


def recursion(stack):
    """A_L, ||grad f|| and ||grad^2 f|| by the recursion of the module's head, matrix after matrix."""
    depth, ell = len(stack.layers), stack.lipschitz
    A, d, E = stack.input_norm, np.zeros(depth), np.zeros((depth, depth))
    for layer, e in zip(stack.layers, np.eye(depth), strict=True):
        u = layer.first * A * e + layer.gain * d
        moved = layer.second * A * np.outer(e, e) + layer.first * (np.outer(e, d) + np.outer(d, e)) + layer.gain * E
        E = stack.curvature * np.outer(u, u) + ell * moved
        A, d = ell * layer.gain * A, ell * u
    v = stack.output_norm
    form = np.block([[v * E, d[:, None]], [d[None], np.zeros((1, 1))]])
    return A, math.hypot(A, v * np.linalg.norm(d)), np.linalg.eigvalsh(form)[-1]


numbers = st.floats(0.05, 20)


@given(
    st.lists(st.builds(Layer, gain=numbers, first=numbers, second=numbers), min_size=1, max_size=20),
    *(st.floats(0.05, 20),) * 3,
    st.floats(0, 20),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_bounds_are_what_the_recursion_gives(layers, x, v, ell, beta):
    """Sums of positive numbers in another order: each rounds no more than its some hundred operations."""
    stack = Stack(tuple(layers), x, v, ell, beta)
    found = (signal_bound(stack), gradient_bound(stack), hessian_bound(stack))
    assert found == pytest.approx(recursion(stack), rel=1e-12)


def test_bounds_are_there_at_a_thousand_layers():
    """Equal layers again, whose gradient has a closed form, and whose Hessian lies between it and the closed bound."""
    L = 1000
    stack = normalized_stack(**(STANDARD | {"depth": L, "width": 1024, "curvature": TANH.curvature}))
    assert signal_bound(stack) == 1
    assert gradient_bound(stack) == pytest.approx(math.sqrt(1 + L * 1.5**2 / (1024 * 0.25)), rel=1e-12)
    closed = (math.sqrt(L) / 0.5 + 6 * (2 / math.sqrt(3) + (L - 1 + TANH.curvature * L * (L + 1) / 2) / 32)) / 32
    # u_l is l times 1 / (sqrt(m) w): along (1, .., 1) / sqrt(L) they give r beta_phi (1 + 4 + .. + L^2) / (L m w^2).
    least = 1.5 * TANH.curvature * (L + 1) * (2 * L + 1) / 6 / (1024 * 0.25)
    assert least < hessian_bound(stack) <= closed * ROOM


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        # ||x|| sqrt(1 + L r^2 / (m w^2)) = r sqrt(L / m) / w; E has r (2 / sqrt 3) / (sqrt(m) w^2), too large.
        ({"minimum_row_norm": 1e-200}, (1, 1.5 * math.sqrt(3) / 4 * 1e200, math.inf)),
        ({"minimum_row_norm": 1e-160}, (1, 1.5 * math.sqrt(3) / 4 * 1e160, math.inf)),
        # d alone is left, with its length sqrt(L / m) / w.
        ({"minimum_row_norm": 1e300}, (1, 1, math.sqrt(3) / 4 * 1e-300)),
        ({"minimum_row_norm": 1e-160, "output_norm": 0.0}, (1, 1, math.sqrt(3) / 4 * 1e160)),
        ({"minimum_row_norm": 1e-200, "input_norm": 0.0}, (0, 0, 0)),
        ({"input_norm": 1e308}, (1e308, 1e308 * math.sqrt(1 + 3 * 2.25 / 4), math.inf)),
        ({"scale": 1.0, "depth": 600}, (math.inf, math.inf, math.inf)),
        ({"scale": 1.0, "depth": 510}, (4.0**510, None, math.inf)),
        ({"scale": 1e308}, (math.inf, math.inf, math.inf)),
        ({"lipschitz": 1e300}, (math.inf, math.inf, math.inf)),
    ],
)
def test_bounds_that_overflow_are_infinite(changed, expected):
    stack = normalized_stack(**(STANDARD | {"curvature": 0.77} | changed))
    found = (signal_bound(stack), gradient_bound(stack), hessian_bound(stack))
    for number, right in zip(found, expected, strict=True):
        assert right is None or number == pytest.approx(right, rel=1e-12)
    assert loss_bound(stack, 1e200) == math.inf


def test_what_infinite_bounds_say_of_others():
    """Nothing, without an error: no smoothness, no convexity, no complexity; 0 times whatever stays 0."""
    inf = math.inf
    alpha = partial(strong_convexity, gradient_to_loss=1.0, cosine=1.0)
    assert alpha(loss=1.0, hessian=inf, gradient=1.0, distance=1.0) == -inf
    assert alpha(loss=inf, hessian=1.0, gradient=1.0, distance=inf) == -inf
    assert alpha(loss=1.0, hessian=0.0, gradient=inf, distance=1.0) == 0.5
    assert alpha(loss=1.0, hessian=0.25, gradient=inf, distance=0.0) == 0
    assert smoothness(gradient=1e200, hessian=1.0, loss=1.0) == inf
    assert smoothness(gradient=1.0, hessian=inf, loss=0.0) == 2
    assert contraction(convexity=1e308, smoothness=1e308, relative_step=1.5) == 0.25
    assert contraction(convexity=1.0, smoothness=inf) == 1
    assert rademacher_bound(gains=[1e200] * 3, samples=5, input_norm=1.0, output_norm=1.0) == inf
    assert rademacher_bound(gains=[inf], samples=5, input_norm=0.0, output_norm=1.0) == 0
    assert generalization_bound(inf, samples=5, loss_lipschitz=1.0, loss_range=1.0) == inf
    assert row_gain(4, 1e308) == 1e308


def test_an_activation_that_is_not_zero_at_zero_breaks_the_gradient_bound_by_thousands():
    """Sigmoid: at a small input the bound vanishes, and f and its gradient do not."""
    network = uniform_network(Architecture(4, 32, 3, activation=SIGMOID), torch.Generator().manual_seed(0))
    rows = torch.stack([layer.min() for layer in network.row_norms()])
    x = torch.full((1, 4), 1e-4)
    stack = normalized_stack(
        depth=3, width=32, minimum_row_norm=float(rows.min()), input_norm=2e-4, output_norm=1.0, lipschitz=0.25
    )
    network(x).sum().backward()
    slope = torch.cat([p.grad.reshape(-1) for p in network.parameters() if p.grad is not None]).norm()
    assert float(slope) > 1000 * gradient_bound(stack)
    with pytest.raises(InputError, match=r"phi\(0\) = 0, got 0.5"):
        network.stack(1.0)


def test_gelu_breaks_the_gradient_bound_without_its_factor():
    """Short rows make the gradient by W all there is; where phi' is largest it is above what ell = 1 allows."""
    network = uniform_network(
        Architecture(2, 1, 1, activation=GELU), torch.Generator().manual_seed(0), dtype=torch.float64
    )
    with torch.no_grad():
        network.layers[0].parametrizations["weight"].original1.copy_(torch.tensor([[1e-3, 0.0]]))
    # Along the row sqrt 2, where phi' is largest, across it far more, which is what the gradient is made of.
    x = torch.tensor([math.sqrt(2), 100.0], dtype=torch.float64)
    norm = float(x.norm())
    bounds = [
        gradient_bound(
            normalized_stack(
                depth=1, width=1, minimum_row_norm=1e-3, input_norm=norm, output_norm=1.0, lipschitz=lipschitz
            )
        )
        for lipschitz in (1.0, GELU.lipschitz)
    ]
    assert bounds[0] * 1.12 < float(gradient(network, x).norm()) <= bounds[1]


@pytest.mark.parametrize("activation", SMOOTH, ids=lambda a: a.name)
def test_constants_of_activations_are_the_suprema(activation):
    x = torch.linspace(-12, 12, 400_001, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(activation.function(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    # The grid misses a quadratic peak by less than |phi'''| h / 2 + ..., far below 1e-8.
    for found, constant in ((first, activation.lipschitz), (second, activation.curvature)):
        assert constant * (1 - 1e-7) <= float(found.detach().abs().max()) <= constant * (1 + 1e-9)
    assert float(activation.function(torch.zeros(1))) == activation.at_zero == 0


def losses(case, outputs=3):
    """A network with samples, its mean squared loss from all parameters, and its constants within a distance."""
    network, X = case.network(), case.inputs(outputs)
    rng = torch.Generator().manual_seed(case.seed + 2)
    Y = torch.randn(outputs, 1, generator=rng, dtype=torch.float64)

    def loss(p):
        return torch.nn.functional.mse_loss(torch.func.vmap(lambda x: literal(network, p, x))(X), Y)

    return network, loss


def around(network, case, distance):
    """The bounds that hold everywhere within a distance: rows shorter by it, V longer."""
    of = case.architecture
    shortest = min(float(rows.min()) for rows in network.row_norms())
    return normalized_stack(
        depth=of.depth,
        width=of.width,
        minimum_row_norm=shortest - distance,
        input_norm=case.input_norm,
        output_norm=1 + distance,
        lipschitz=of.activation.lipschitz,
        curvature=of.activation.curvature,
        scale=of.scale,
    )


@PROPERTY
@given(cases(depth=3, width=4), st.floats(0.001, 0.5), st.floats(-1, 1))
def test_strong_convexity_holds_with_the_formulas_alpha(case, part, cosine):
    """Along any direction, with its own cosine for kappa_c, at any distance below that at which a row vanishes."""
    network, loss = losses(case)
    theta = vector(network)
    distance = part * min(float(rows.min()) for rows in network.row_norms())
    g, L = torch.func.grad_and_value(loss)(theta)
    u = torch.randn(len(g), generator=torch.Generator().manual_seed(case.seed + 3), dtype=torch.float64)
    u -= (u @ g) / (g @ g) * g
    d = cosine * g / g.norm() + math.sqrt(1 - cosine**2) * u / u.norm()
    stack = around(network, case, distance)
    alpha = strong_convexity(
        gradient_to_loss=float(g @ g / L),
        loss=float(L),
        hessian=hessian_bound(stack),
        gradient=gradient_bound(stack),
        distance=distance,
        cosine=abs(cosine),
    )
    gain = float(loss(theta + distance * d) - L - distance * (d @ g))
    assert gain >= alpha / 2 * distance**2 - 1e-13 * float(L)


@PROPERTY
@given(cases(depth=3, width=4))
def test_smoothness_and_the_loss_stay_within_their_bounds(case):
    network, loss = losses(case)
    stack = network.stack(case.input_norm)
    theta = vector(network)
    L = float(loss(theta))
    beta = smoothness(gradient=gradient_bound(stack), hessian=hessian_bound(stack), loss=L)
    H = hessian(loss)(theta)
    assert spectral_norm(H) <= beta * ROOM
    rng = torch.Generator().manual_seed(case.seed + 2)
    y = torch.randn(3, 1, generator=rng, dtype=torch.float64)
    assert loss_bound(stack, float(y.square().mean().sqrt())) * ROOM >= L


@pytest.mark.parametrize("omega", [0.1, 0.5, 1.0, 1.9])
def test_contraction_is_that_of_gradient_descent(omega):
    """Exact where all curvatures are one number, an upper bound where they are not."""
    assert contraction(convexity=3.0, smoothness=3.0, relative_step=omega) == pytest.approx((1 - omega) ** 2)
    curvatures = np.array([0.5, 1.0, 4.0])
    rng = np.random.default_rng(0)
    for x in rng.standard_normal((50, 3)):
        before = curvatures @ x**2
        after = curvatures @ (x * (1 - omega / 4.0 * curvatures)) ** 2
        assert after <= contraction(convexity=0.5, smoothness=4.0, relative_step=omega) * before * ROOM


@pytest.mark.parametrize("activation", [TANH, GELU, SILU], ids=lambda a: a.name)
@pytest.mark.parametrize("width", [1, 4])
def test_the_complexity_of_one_layer_of_two_inputs_is_below_the_bound(activation, width):
    """The supremum over v and rows is (1 + rho) sqrt(m) sup_w |sum eps phi(s w.x)|: over an angle, by a fine grid."""
    n, B, scale = 7, 1.0, 1 / math.sqrt(width)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, 2))
    x *= B / np.linalg.norm(x, axis=1, keepdims=True)
    angles = np.linspace(0, 2 * np.pi, 2000)
    z = torch.from_numpy(scale * x @ np.stack([np.cos(angles), np.sin(angles)]))
    signs = np.array(list(itertools.product([-1, 1], repeat=n)))
    suprema = np.abs(signs @ activation.function(z).numpy()).max(axis=1)
    exact = 1.5 * math.sqrt(width) * suprema.mean() / n
    bound = rademacher_bound(
        gains=[row_gain(width)], samples=n, input_norm=B, output_norm=1.5, lipschitz=activation.lipschitz
    )
    assert 0.2 * bound < exact <= bound


@pytest.mark.parametrize("depth", [1, 3, 10])
def test_the_complexity_of_linear_networks_is_below_the_bound(depth):
    """Rows that all point along sum eps x: exactly (1 + rho) B / sqrt(n) for orthogonal inputs of norm B."""
    exact = 2.0 * 1.5 / math.sqrt(100)
    bound = rademacher_bound(gains=[row_gain(64)] * depth, samples=100, input_norm=1.5, output_norm=2.0)
    assert exact <= bound == pytest.approx(exact * (math.sqrt(2 * depth * math.log(2)) + 1))


def test_without_normalization_the_complexity_is_exponential_in_depth():
    bounds = [
        rademacher_bound(gains=[row_gain(64, 2.0)] * depth, samples=100, input_norm=1.0, output_norm=1.0)
        for depth in (4, 8)
    ]
    assert bounds[1] / bounds[0] > 2**4
    # s = 1 instead of 1 / sqrt(m): sqrt(m) a layer.
    assert row_gain(64, scale=1.0) == 8


def test_the_gap_that_is_promised():
    """2 Lip R + range sqrt(log(1 / delta) / 2n), checked against a class of one function by Hoeffding's inequality."""
    gap = generalization_bound(0.0, samples=50, loss_lipschitz=1.0, loss_range=1.0, confidence=0.9)
    assert gap == pytest.approx(math.sqrt(math.log(10) / 100))
    coins = np.random.default_rng(0).random((20_000, 50)) < 0.5
    assert np.mean(0.5 - coins.mean(axis=1) <= gap) >= 0.9
    assert generalization_bound(0.1, samples=50, loss_lipschitz=2.0, loss_range=0.0) == pytest.approx(0.4)


STACK = normalized_stack(**(STANDARD | {"curvature": 0.77}))
CONVEX = {"gradient_to_loss": 1.0, "loss": 1.0, "hessian": 1.0, "gradient": 1.0, "distance": 1.0, "cosine": 0.5}
CLASS = {"gains": [1.0], "samples": 5, "input_norm": 1.0, "output_norm": 1.0}
GAP = {"samples": 5, "loss_lipschitz": 1.0, "loss_range": 1.0}
NAN, INF = math.nan, math.inf


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("function", "given", "changes"),
    [
        (
            normalized_stack,
            STANDARD | {"curvature": 0.77},
            {
                "depth": (0, 2.5, NAN, "3"),
                "width": (0, -3, 2.5, 16.0, INF, 10**20),
                "minimum_row_norm": (0.0, -1.0, NAN, INF),
                "input_norm": (-1.0, NAN, INF),
                "output_norm": (-1.0, NAN, INF),
                "lipschitz": (0.0, -1.0, NAN, INF),
                "curvature": (-1.0, NAN, INF),
                "scale": (0.0, -1.0, NAN, INF),
            },
        ),
        (plain_layer, {"spectral_norm": 1.0, "scale": 1.0}, {"spectral_norm": (0.0, NAN), "scale": (0.0, INF)}),
        (Layer, {"gain": 1.0, "first": 1.0, "second": 0.0}, dict.fromkeys(("gain", "first", "second"), (-1.0, NAN))),
        (partial(hessian_constant, STACK), {"width": 3}, {"width": (-3, 0, 2.5)}),
        (partial(loss_bound, STACK), {"target_norm": 0.0}, {"target_norm": (-1.0, NAN, INF)}),
        (
            strong_convexity,
            CONVEX,
            {"gradient_to_loss": (-1.0, NAN, INF), "cosine": (-0.1, 1.5, NAN)}
            | dict.fromkeys(("loss", "hessian", "gradient", "distance"), (-1.0, NAN)),
        ),
        (
            smoothness,
            {"gradient": 1.0, "hessian": 1.0, "loss": 1.0},
            dict.fromkeys(("gradient", "hessian", "loss"), (-1.0, NAN)),
        ),
        (
            contraction,
            {"convexity": 1.0, "smoothness": 1.0},
            {"convexity": (0.0, 2.0, NAN, INF), "smoothness": (0.5, NAN), "relative_step": (0.0, 2.0, NAN)},
        ),
        (contraction, {"convexity": 1.0, "smoothness": INF}, {"convexity": (INF,)}),
        (
            rademacher_bound,
            CLASS,
            {"gains": ([], [-1.0], [1.0, NAN]), "samples": (0, 2.5), "lipschitz": (0.0, -1.0, NAN)}
            | dict.fromkeys(("input_norm", "output_norm"), (-1.0, NAN, INF)),
        ),
        (row_gain, {"width": 4}, {"width": (0, -4, 2.5), "largest_row_norm": (-1.0, NAN, INF), "scale": (0.0, NAN)}),
        (
            partial(generalization_bound, 0.1),
            GAP,
            {"samples": (0, 2.5), "confidence": (0.0, 1.0, NAN)}
            | dict.fromkeys(("loss_lipschitz", "loss_range"), (-1.0, NAN)),
        ),
        (partial(generalization_bound, **GAP), {"rademacher": 0.1}, {"rademacher": (-1.0, NAN)}),
    ],
)
def test_every_number_has_its_range(function, given, changes):
    function(**given)
    for name, values in changes.items():
        for value in values:
            with pytest.raises(InputError, match="needed") as caught:
                function(**(given | {name: value}))
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: hessian_bound(normalized_stack(**STANDARD)),
        lambda: normalized_stack(**(STANDARD | {"depth": 0})),
        lambda: normalized_stack(**(STANDARD | {"minimum_row_norm": 0.0})),
        lambda: normalized_stack(**(STANDARD | {"lipschitz": -1.0})),
        lambda: normalized_stack(**(STANDARD | {"input_norm": float("nan")})),
        lambda: Stack((), 1.0, 1.0),
        lambda: strong_convexity(gradient_to_loss=1.0, loss=1.0, hessian=1.0, gradient=1.0, distance=1.0, cosine=1.5),
        lambda: strong_convexity(gradient_to_loss=1.0, loss=-1.0, hessian=1.0, gradient=1.0, distance=1.0, cosine=0.5),
        lambda: contraction(convexity=2.0, smoothness=1.0),
        lambda: contraction(convexity=0.5, smoothness=1.0, relative_step=2.0),
        lambda: rademacher_bound(gains=[], samples=1, input_norm=1.0, output_norm=1.0),
        lambda: rademacher_bound(gains=[1.0], samples=0, input_norm=1.0, output_norm=1.0),
        lambda: generalization_bound(0.0, samples=5, loss_lipschitz=1.0, loss_range=1.0, confidence=1.0),
    ],
)
def test_numbers_without_sense_are_refused(call):
    with pytest.raises(InputError, match="needed"):
        call()


@pytest.mark.parametrize("bad", [INF, -INF, 0.0, -1.0])
def test_powers_are_fitted_to_finite_numbers_alone(bad):
    """Infinity, whose logarithm is none to fit, is told as zero is; only NaN stands for a seed that has nothing."""
    x = np.array([1.0, 2.0, 4.0, 8.0])
    y = np.stack([x**2, 3 * x**2, 5 * x**2], axis=1)
    y[1, 2] = NAN
    assert fit_powers({"x": x}, y).exponents["x"].value == pytest.approx(2, rel=1e-12)
    y[2, 1] = bad
    with pytest.raises(InputError, match=f"needed finite, positive numbers .NaN leaves a seed out., got {bad:g}"):
        fit_powers({"x": x}, y)
    with pytest.raises(InputError, match=f"needed finite, positive numbers in x, got {bad:g}"):
        fit_powers({"x": np.array([1.0, bad, 4.0, 8.0])}, np.ones((4, 2)))
