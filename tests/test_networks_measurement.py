"""Curvature and slopes of networks against dense Hessians; Lanczos against dense spectra; fits of powers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from cases.networks import cases, dense_hessian, hessian, literal, old_style, spectral_norm, vector
from wnsense.checks import InputError
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.layers import Normalization, normalized_layers, twice_differentiable
from wnsense.networks.measuring.convexity import probe_convexity
from wnsense.networks.measuring.lanczos import extreme_eigenvalues, random_start
from wnsense.networks.measuring.measurement import measure
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.power_fit import fit_powers
from wnsense.networks.measuring.surface import Derivatives, LossSurface, measurement_mode, parameter_vector
from wnsense.networks.network import Architecture
from wnsense.theory.networks import smoothness, strong_convexity

EXACT = MeasurementSettings(steps=200, tolerance=1e-10, output_samples=3)
PROPERTY = settings(max_examples=8, deadline=None, derandomize=True)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def setting(normalization=Normalization.WEIGHT, outputs=2):
    """A network with samples, and its mean squared loss of all parameters in one vector."""
    architecture = Architecture(3, 5, 2, outputs, normalization=normalization)
    network = uniform_network(architecture, generator(), dtype=torch.float64)
    X, Y = (torch.randn(6, n, generator=generator(n), dtype=torch.float64) for n in (3, outputs))

    def loss(p):
        return nn.functional.mse_loss(torch.func.vmap(lambda x: literal(network, p, x))(X), Y)

    return network, X, Y, loss


@given(st.integers(1, 40), st.integers(0, 10**6), st.sampled_from(["spread", "low rank", "negative", "zero", "equal"]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_lanczos_finds_both_ends(size, seed, kind):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((size, size)))[0]
    values = {
        "spread": rng.standard_normal(size),
        "low rank": np.r_[rng.standard_normal(min(size, 2)), np.zeros(max(size - 2, 0))],
        "negative": -rng.random(size),
        "zero": np.zeros(size),
        "equal": np.full(size, 3.0),
    }[kind]
    A = torch.from_numpy((Q * values) @ Q.T)
    result = extreme_eigenvalues(lambda v: A @ v, random_start(size, generator(seed), A), steps=200, tolerance=1e-9)
    scale = max(np.abs(values).max(), 1e-300)
    assert result.largest == pytest.approx(values.max(), abs=1e-8 * scale)
    assert result.smallest == pytest.approx(values.min(), abs=1e-8 * scale)
    assert result.norm == max(result.largest, -result.smallest)


def test_lanczos_tells_how_far_it_is_and_gives_vectors():
    """Within a residual of each value found there is an eigenvalue, at any number of steps."""
    A = torch.diag(torch.linspace(-1, 2, 300, dtype=torch.float64))
    for steps in (1, 3, 10, 40):
        result = extreme_eigenvalues(lambda v: A @ v, random_start(300, generator(), A), steps=steps, vectors=True)
        for value, error, vector_ in (
            (result.largest, result.largest_error, result.largest_vector),
            (result.smallest, result.smallest_error, result.smallest_vector),
        ):
            assert -1 - 1e-12 <= value <= 2 + 1e-12
            assert float((torch.diagonal(A) - value).abs().min()) <= error * (1 + 1e-9) + 1e-12
            assert float((A @ vector_ - value * vector_).norm()) == pytest.approx(error, rel=1e-6, abs=1e-10)
        assert result.products <= steps


def test_lanczos_stops_where_the_tolerance_is_met():
    """Two distinct eigenvalues: a Krylov space of two dimensions has both, whatever the start."""
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(10)
    products = []

    def product(v):
        products.append(v)
        return signs * v

    result = extreme_eigenvalues(product, random_start(20, generator(), signs), steps=32, tolerance=1e-8)
    assert len(products) == result.products == 2
    assert (result.smallest, result.largest) == pytest.approx((-1, 1), abs=1e-12)


def test_lanczos_refuses_what_has_no_spectrum():
    v = torch.ones(3, dtype=torch.float64)
    with pytest.raises(InputError, match="finite products"):
        extreme_eigenvalues(lambda x: x * float("nan"), v)
    with pytest.raises(InputError, match="a start that is not zero"):
        extreme_eigenvalues(lambda x: x, 0 * v)
    with pytest.raises(InputError, match="at least one step"):
        extreme_eigenvalues(lambda x: x, v, steps=0)


@PROPERTY
@given(cases(depth=3, width=4))
def test_products_are_those_of_the_dense_hessian(case):
    network, x = case.network(), case.inputs()
    at = LossSurface(network, nn.functional.mse_loss, x, torch.zeros(1, 1).double()).output_derivatives(0, 0)
    H = dense_hessian(network, x[0])
    v = torch.randn(len(H), generator=generator(), dtype=torch.float64)
    torch.testing.assert_close(at.hessian_times(v), H @ v, rtol=1e-10, atol=1e-13 + 1e-11 * float(H.abs().max()))
    torch.testing.assert_close(
        at.gradient, torch.func.jacrev(lambda p: literal(network, p, x[0])[0])(vector(network)), rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize("normalization", [Normalization.WEIGHT, Normalization.NONE])
def test_a_measurement_is_what_dense_computation_gives(normalization):
    network, X, Y, loss = setting(normalization)
    theta = vector(network)
    g, L = torch.func.grad_and_value(loss)(theta)
    H = hessian(loss)(theta)
    values = torch.linalg.eigvalsh(H)
    result = measure(network, X, Y, settings=EXACT)
    slope = float(g.norm())
    assert result.loss == pytest.approx(float(L), rel=1e-12)
    assert result.gradient_norm == pytest.approx(slope, rel=1e-12)
    assert result.gradient_to_loss == pytest.approx(slope**2 / float(L), rel=1e-12)
    assert result.loss_curvature == pytest.approx(float(values[-1]), rel=1e-8)
    assert result.least_curvature == pytest.approx(float(values[0]), abs=1e-4 * float(values[-1]))
    # Output i mod 2 of sample i, for the first three.
    norms = [spectral_norm(dense_hessian(network, X[i], i % 2)) for i in range(3)]
    slopes = [float(torch.func.jacrev(lambda p, i=i: literal(network, p, X[i])[i % 2])(theta).norm()) for i in range(3)]
    assert result.output_curvature == pytest.approx(max(norms), rel=1e-8)
    assert result.output_slope == pytest.approx(max(slopes), rel=1e-12)
    rows = torch.cat(network.row_norms())
    assert (result.minimum_row_norm, result.largest_row_norm) == (float(rows.min()), float(rows.max()))
    beta = smoothness(gradient=max(slopes), hessian=max(norms), loss=float(L))
    alpha = strong_convexity(
        gradient_to_loss=slope**2 / float(L),
        loss=float(L),
        hessian=max(norms),
        gradient=max(slopes),
        distance=EXACT.distance,
        cosine=EXACT.cosine,
    )
    assert result.smoothness_estimate == pytest.approx(beta, rel=1e-8)
    assert result.convexity_estimate == pytest.approx(alpha, rel=1e-8)
    assert math.isnan(result.cosine_to_gradient)
    assert set(result.row()) == set(type(result).__dataclass_fields__)


def test_a_radial_direction_has_no_curvature_and_the_hessian_turns_it_into_the_gradient():
    """f is of degree 0 in each row: H W_i = -df/dW_i and W_i^T H W_i = 0."""
    network, X, _, _ = setting(outputs=1)
    theta, H = vector(network), dense_hessian(network, X[0])
    g = torch.func.jacrev(lambda p: literal(network, p, X[0])[0])(theta)
    row = torch.zeros_like(theta)
    row[:3] = theta[:3]
    assert float((H @ row)[:3].add(g[:3]).norm()) <= 1e-12
    assert abs(float(row @ H @ row)) <= 1e-13


def test_probes_lie_in_the_cone_and_see_the_least_curvature():
    """Probes are never below what the cone allows, and find it where the worst direction is handed to them."""
    network, X, Y, loss = setting()
    theta = vector(network)
    g, H = torch.func.grad(loss)(theta), hessian(loss)(theta)
    surface = LossSurface(network, nn.functional.mse_loss, X, Y)
    settings_ = MeasurementSettings(cosine=0.3, distance=1e-3, directions=6)
    with measurement_mode(network):
        at = surface.derivatives()
        blind = probe_convexity(surface, at, settings_, generator())
        least = torch.linalg.eigh(H)[1][:, 0]
        sharp = probe_convexity(surface, at, settings_, generator(), least=least)
    u = least - (least @ g) / (g @ g) * g
    u /= u.norm()
    worst = [c * g / g.norm() + math.sqrt(1 - 0.09) * u for c in (0.3, -0.3)]
    assert sharp.here == pytest.approx(min(float(d @ H @ d) for d in worst), rel=1e-9)
    assert sharp.here < blind.here
    # At a small distance alpha is the quadratic form; the third derivative makes the difference.
    assert sharp.away == pytest.approx(sharp.here, rel=0.05)
    assert (sharp.probes, blind.probes) == (8, 6)
    assert sharp.lowest == min(sharp.here, sharp.away)


def test_the_probe_far_away_is_the_difference_of_losses():
    """One parameter: L = (w x - y)^2 has alpha = 2 x^2 at every distance."""
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    x, y = torch.tensor([[3.0]]).double(), torch.tensor([[1.0]]).double()
    result = measure(model, x, y, settings=MeasurementSettings(distance=0.7))
    assert result.convexity_away == pytest.approx(18, rel=1e-10)
    assert result.convexity_here == pytest.approx(18, rel=1e-10)
    assert math.isnan(result.minimum_row_norm)


def test_the_cosine_to_the_gradient():
    """-1 after a step of gradient descent, to rounding, and the formula's for any other."""
    network, X, Y, loss = setting()
    before, g = parameter_vector(network), torch.func.grad(loss)(vector(network))
    parameters = [p for p in network.parameters() if p.requires_grad]
    with torch.no_grad():
        nn.utils.vector_to_parameters(before - 0.1 * g, parameters)
    assert measure(network, X, Y, before=before).cosine_to_gradient == pytest.approx(-1, rel=1e-10)
    step = torch.randn(len(before), generator=generator(9), dtype=torch.float64)
    with torch.no_grad():
        nn.utils.vector_to_parameters(before + step, parameters)
    result = measure(network, X, Y, before=before).cosine_to_gradient
    assert result == pytest.approx(float(step @ g / (step.norm() * g.norm())), rel=1e-10)


class Attending(nn.Module):
    """Attention, dropout, normalization over the batch and recurrence: what is hard to differentiate twice."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True)
        self.recurrent = nn.GRU(4, 3, batch_first=True)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        x = nn.functional.scaled_dot_product_attention(x, x, x) + self.attention(x, x, x, need_weights=False)[0]
        return self.drop(self.recurrent(x)[0][:, -1])


def test_a_model_is_left_as_it_was_and_measured_as_it_is_used():
    torch.manual_seed(0)
    model = Attending()
    model.norm.eval()
    x, y = torch.randn(4, 5, 4), torch.randn(4, 3)
    model(x).sum().backward()
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    slopes = [p.grad.clone() for p in model.parameters()]
    modes, random = [m.training for m in model.modules()], torch.get_rng_state()
    first, second = (measure(model, x, y) for _ in range(2))
    assert first.row() == pytest.approx(second.row(), nan_ok=True)
    assert math.isfinite(first.loss_curvature)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(p.grad, slope) for p, slope in zip(model.parameters(), slopes, strict=True))
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)


def test_other_losses_have_no_estimates_of_alpha_and_beta():
    model = nn.Linear(3, 4)
    x, y = torch.randn(5, 3, generator=generator()), torch.tensor([0, 1, 2, 3, 0])
    result = measure(model, x, y, loss=nn.functional.cross_entropy)
    assert math.isnan(result.convexity_estimate)
    assert math.isnan(result.smoothness_estimate)
    assert result.output_curvature == 0
    assert result.least_curvature >= -1e-6 * result.loss_curvature


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("hooks", [False, True])
def test_second_derivatives_of_torchs_weight_norm_are_made_right(hooks, dim):
    """As torch has it, its Hessian is not that of g v / ||v||; in `twice_differentiable` it is, and values stay."""
    torch.manual_seed(0)
    wrap = old_style if hooks else parametrizations.weight_norm
    layer = wrap(nn.Linear(4, 3, dtype=torch.float64), dim=dim)
    (normalized,) = normalized_layers(layer)
    x, v, g = torch.randn(4, generator=generator()).double(), normalized.direction.detach(), normalized.length.detach()

    def f(v):
        length = v.norm() if dim is None else v.norm(dim=1 - dim, keepdim=True)
        return torch.tanh((g * v / length) @ x + layer.bias.detach()).sum()

    H = torch.func.jacrev(torch.func.jacrev(f))(v).reshape(12, 12)
    before = layer(x)
    with twice_differentiable(layer):
        with twice_differentiable(layer):
            pass
        assert normalized_layers(layer)[0].direction is normalized.direction
        at = Derivatives.of(torch.tanh(layer(x)).sum(), [normalized.direction])
        products = torch.stack([at.hessian_times(e) for e in torch.eye(12, dtype=torch.float64)])
    torch.testing.assert_close(products, H, rtol=1e-12, atol=1e-13)
    assert torch.equal(layer(x), before)
    assert float(at.value) == pytest.approx(float(torch.tanh(before).detach().sum()), rel=1e-13)


def test_what_is_linear_in_the_parameters_has_no_hessian():
    w = torch.ones(3, requires_grad=True)
    at = Derivatives.of(w.sum(), [w])
    assert torch.equal(at.hessian_times(torch.ones(3)), torch.zeros(3))


def test_a_row_of_length_zero_is_told():
    network, X, Y, _ = setting()
    with torch.no_grad():
        network.layers[0].parametrizations["weight"].original1[1] = 0
    with pytest.raises(InputError, match="a row of length 0"):
        measure(network, X, Y)


def test_nothing_trained_is_told():
    with pytest.raises(InputError, match="parameters that are trained"):
        measure(nn.Linear(2, 1).requires_grad_(requires_grad=False), torch.ones(1, 2), torch.ones(1, 1))


@pytest.mark.parametrize("changed", [{"steps": 0}, {"cosine": 0.0}, {"distance": 0.0}, {"directions": -1}])
def test_measurings_without_sense_are_refused(changed):
    with pytest.raises(InputError, match="needed"):
        MeasurementSettings(**changed)


def grid():
    width, depth = (axis.reshape(-1).astype(float) for axis in np.meshgrid([16, 32, 64, 128], [1, 2, 4, 8]))
    return {"width": width, "depth": depth}


def test_powers_are_found_with_their_intervals():
    x = grid()
    rng = np.random.default_rng(0)
    law = 2.5 * x["width"] ** -0.5 * x["depth"] ** 1.5
    exact = fit_powers(x, np.stack([law, 2 * law], axis=1))
    assert [exact.exponents[name].value for name in x] == pytest.approx([-0.5, 1.5])
    assert exact.constant == pytest.approx(2.5 * math.sqrt(2))
    assert exact.misfit == pytest.approx(0, abs=1e-12)
    assert exact.at({"width": 100.0, "depth": 3.0}) == pytest.approx(2.5 * math.sqrt(2) * 0.1 * 3**1.5)
    # Intervals hold what they say, over many draws of five seeds.
    held = [
        fit_powers(x, law[:, None] * np.exp(0.3 * rng.standard_normal((16, 5))), confidence=0.9)
        .exponents["depth"]
        .contains(1.5)
        for _ in range(400)
    ]
    assert np.mean(held) == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / 400))


def test_powers_that_points_cannot_tell_are_refused(as_users_run):
    x = grid()
    y = np.ones((16, 3))
    broken = np.full_like(y, np.nan)
    broken[:, 0] = 1
    for variables, values, message in (
        ({**x, "same": x["width"] ** 2}, y, "that tell"),
        (x, broken, "2 seeds"),
        (x, 0 * y, "positive"),
        ({**x, "width": -x["width"]}, y, "positive numbers in width"),
        ({"width": x["width"][:3]}, y, "width of size 16, got 3"),
    ):
        with pytest.raises(InputError, match=message):
            fit_powers(variables, values)
