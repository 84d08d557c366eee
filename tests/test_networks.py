"""Weight-normalized networks: their formula, exact symmetries, twins, starts, and finding normalized layers."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn.utils import parametrizations

from cases.networks import ALL, cases, literal, old_style, vector
from wnsense import networks
from wnsense.checks import InputError
from wnsense.networks.activations import ACTIVATIONS, TANH
from wnsense.networks.data_dependent_start import data_dependent_start
from wnsense.networks.initial_weights import uniform_network
from wnsense.networks.layers import Normalization, normalized_layers, parameter_matrix
from wnsense.networks.measuring.path_norm import matrix_path_norm, path_norm
from wnsense.networks.network import Architecture, Scaling, Twin, unnormalized_twin
from wnsense.networks.row_norms import minimum_row_norm, rescale_rows, set_row_norms

PROPERTY = settings(max_examples=15, deadline=None, derandomize=True)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**changed):
    architecture = Architecture(**({"inputs": 5, "width": 7, "depth": 3, "outputs": 2} | changed))
    return uniform_network(architecture, generator(), dtype=torch.float64)


def gradients(model, x):
    """The gradient of a loss by each normalized layer's v."""
    value = model(x).square().sum() + model(x).sum()
    return torch.autograd.grad(value, [layer.direction for layer in normalized_layers(model)])


@pytest.mark.parametrize("normalization", [Normalization.WEIGHT, Normalization.NONE])
@PROPERTY
@given(case=cases(ALL, outputs=2))
def test_a_network_computes_its_formula(normalization, case):
    case = replace(case, architecture=replace(case.architecture, normalization=normalization))
    network, X = case.network(), case.inputs(3)
    expected = torch.stack([literal(network, vector(network), x) for x in X])
    torch.testing.assert_close(network(X).detach(), expected, rtol=1e-12, atol=1e-14)
    assert case.architecture.parameter_count == len(vector(network))


@PROPERTY
@given(case=cases(ALL))
def test_gradients_are_across_their_rows(case):
    """<W_i, df/dW_i> = 0, to the rounding of a sum of as many products."""
    network = case.network()
    for layer, gradient in zip(normalized_layers(network), gradients(network, case.inputs(2)), strict=True):
        along = (layer.direction * gradient).sum(1)
        size = layer.direction.norm(dim=1) * gradient.norm(dim=1)
        assert bool((along.abs() <= 1e-13 * (1 + size)).all())


@pytest.mark.parametrize("order", [Normalization.WEIGHT, Normalization.L1])
def test_longer_rows_leave_f_and_divide_the_gradient(order):
    """A power of 2 changes no digit, so that f is the same to the last bit; any other factor to rounding."""
    network, x = small(normalization=order), torch.randn(4, 5, generator=generator(1), dtype=torch.float64)
    before, slopes = network(x), gradients(network, x)
    rescale_rows(network, 4.0)
    assert torch.equal(network(x), before)
    for new, old in zip(gradients(network, x), slopes, strict=True):
        torch.testing.assert_close(new, old / 4, rtol=1e-13, atol=1e-15)
    factors = torch.linspace(0.3, 3, 7, dtype=torch.float64)
    rescale_rows(network, factors)
    torch.testing.assert_close(network(x), before, rtol=1e-13, atol=1e-14)
    for new, old in zip(gradients(network, x), slopes, strict=True):
        torch.testing.assert_close(new, old / (4 * factors[:, None]), rtol=1e-12, atol=1e-15)


def test_rows_never_shrink_under_plain_gradient_descent():
    """||v + eta g||^2 = ||v||^2 + eta^2 ||g||^2 under torch's own weight_norm, lengths trained too, at a large step."""
    network = small(scaling=Scaling.ONE, train_lengths=True)
    x, y = (torch.randn(6, n, generator=generator(n), dtype=torch.float64) for n in (5, 2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3)
    lengths = [rows.square() for rows in network.row_norms()]
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.mse_loss(network(x), y).backward()
        grown = [
            square + 0.09 * layer.direction.grad.square().sum(1)
            for square, layer in zip(lengths, normalized_layers(network), strict=True)
        ]
        optimizer.step()
        now = [rows.square() for rows in network.row_norms()]
        for new, expected, old in zip(now, grown, lengths, strict=True):
            torch.testing.assert_close(new, expected, rtol=1e-13, atol=0)
            assert bool((new >= old * (1 - 1e-15)).all())
        lengths = now


def test_hidden_layers_are_torchs_weight_norm():
    """The same numbers as `weight_norm` on a plain layer, and a state dict that such a layer takes."""
    network = small(scaling=Scaling.ONE, train_lengths=True)
    plain = parametrizations.weight_norm(nn.Linear(5, 7, bias=False, dtype=torch.float64))
    plain.load_state_dict(network.layers[0].state_dict())
    x = torch.randn(3, 5, generator=generator(), dtype=torch.float64)
    assert torch.equal(plain(x), network.layers[0](x))
    assert [layer.has_trained_length for layer in normalized_layers(network)] == [True] * 3
    assert not any(layer.has_trained_length for layer in normalized_layers(small()))


@pytest.mark.parametrize("radius", [0.0, 0.2])
def test_the_output_stays_in_its_ball(radius):
    network = small(output_radius=radius)
    start = network.output.weight.detach().clone()
    torch.testing.assert_close(start.norm(dim=1), torch.ones(2, dtype=torch.float64), rtol=1e-14, atol=0)
    network.project()
    assert torch.equal(network.output.weight, start)
    with torch.no_grad():
        network.output.weight[0] += 0.1 * torch.ones(7)
        network.output.weight[1] += 0.001
    moved = network.output.weight.detach().clone()
    network.project()
    away = network.output.weight.detach() - start
    # What was outside goes straight back to the sphere, what was inside stays.
    torch.testing.assert_close(away[0], radius * (moved - start)[0] / (moved - start)[0].norm(), rtol=1e-12, atol=1e-16)
    if radius:
        assert torch.equal(network.output.weight[1], moved[1])
    free = small()
    with torch.no_grad():
        free.output.weight += 5
    before = free.output.weight.detach().clone()
    free.project()
    assert torch.equal(free.output.weight, before)


@pytest.mark.parametrize("scaling", list(Scaling))
def test_twins_share_what_they_say(scaling):
    network = small(scaling=scaling, bias=True)
    x = torch.randn(3, 5, generator=generator(), dtype=torch.float64)
    twin = unnormalized_twin(network)
    for mine, other in zip(twin.layers, network.layers, strict=True):
        assert torch.equal(parameter_matrix(mine), parameter_matrix(other))
        torch.testing.assert_close(
            mine.weight, network.architecture.scale * parameter_matrix(other), rtol=1e-15, atol=0
        )
    assert not torch.allclose(twin(x), network(x))
    same = unnormalized_twin(network, share=Twin.FUNCTION)
    torch.testing.assert_close(same(x), network(x), rtol=1e-13, atol=1e-14)
    assert not normalized_layers(same)
    with pytest.raises(InputError, match="needed a weight-normalized network"):
        unnormalized_twin(twin)


def test_the_start_is_uniform_and_the_same_in_every_precision():
    architecture = Architecture(300, 400, 2, 3)
    wide = uniform_network(architecture, generator(), row_norm=2.0, dtype=torch.float64)
    for W in (parameter_matrix(layer) for layer in wide.layers):
        b = 2 * math.sqrt(3 / W.shape[1])
        assert float(W.detach().abs().max()) <= b
        # 400 rows of lengths with mean square 4: three standard deviations of their mean.
        assert float(W.detach().square().sum(1).mean()) == pytest.approx(4, rel=3 * math.sqrt(0.8 / W.numel()))
    single = uniform_network(architecture, generator(), row_norm=2.0)
    for a, b in zip(single.parameters(), wide.parameters(), strict=True):
        assert torch.equal(a, b.float())


def test_row_norms_are_set_without_a_word_from_f():
    network, x = small(), torch.randn(3, 5, generator=generator(), dtype=torch.float64)
    before = network(x)
    set_row_norms(network, 0.25)
    torch.testing.assert_close(network(x), before, rtol=1e-13, atol=1e-14)
    assert float(minimum_row_norm(network)) == pytest.approx(0.25, rel=1e-14)
    l1 = small(normalization=Normalization.L1)
    set_row_norms(l1, 3.0)
    torch.testing.assert_close(parameter_matrix(l1.layers[0]).abs().sum(1), torch.full((7,), 3.0).double())


def test_l1_normalization_and_its_path_norm():
    """Rows of L1 norm g, and ||V||_1 g^L for the sum over all paths, by enumeration; its gradient too."""
    network = small(normalization=Normalization.L1, train_lengths=True, scaling=Scaling.ONE)
    with torch.no_grad():
        for layer, g in zip(network.layers, (0.7, 1.1, -0.4), strict=True):
            layer.parametrizations["weight"].original0.fill_(g)
    for layer, g in zip(network.layers, (0.7, 1.1, 0.4), strict=True):
        sums = layer.weight.abs().sum(1)
        torch.testing.assert_close(sums, torch.full_like(sums, g), rtol=1e-14, atol=0)
    matrices = [*(layer.weight for layer in network.layers), network.output.weight]
    total = torch.ones(5, dtype=torch.float64)
    for W in matrices:
        total = W.abs() @ total
    torch.testing.assert_close(path_norm(network), total.sum(), rtol=1e-13, atol=0)
    given = [p for p in network.parameters() if p.requires_grad]
    found = torch.autograd.grad(path_norm(network), given, materialize_grads=True)
    expected = torch.autograd.grad(matrix_path_norm(matrices), given, materialize_grads=True)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    two = small()
    expected = matrix_path_norm([*(layer.weight for layer in two.layers), two.output.weight])
    assert torch.equal(path_norm(two), expected)


class Convolutional(nn.Module):
    """A model as people have them: convolution, batch of places, linear."""

    def __init__(self, wrap):
        super().__init__()
        self.first = wrap(nn.Conv2d(1, 4, 3, dtype=torch.float64))
        self.second = wrap(nn.Linear(16, 5, dtype=torch.float64))
        self.last = nn.Linear(5, 2, dtype=torch.float64)

    def forward(self, x):
        return self.last(torch.tanh(self.second(torch.relu(self.first(x)).flatten(1))))


@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, old_style], ids=["parametrization", "hooks"])
@pytest.mark.parametrize("draw", [False, True])
def test_a_start_by_the_data_gives_mean_0_and_variance_1(wrap, draw):
    model = Convolutional(wrap)
    x = 3 + torch.randn(50, 1, 4, 4, generator=generator(), dtype=torch.float64)
    said = {}
    data_dependent_start(model, x, generator(3) if draw else None)
    for name in ("first", "second"):
        getattr(model, name).register_forward_hook(lambda m, i, out, name=name: said.update({name: out}))
    model(x)
    for name, along in (("first", (0, 2, 3)), ("second", 0)):
        deviation, mean = torch.std_mean(said[name].detach(), dim=along)
        torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-12)
        torch.testing.assert_close(deviation, torch.ones_like(deviation), rtol=1e-12, atol=0)
    if draw:
        v = torch.cat([layer.direction.detach().reshape(-1) for layer in normalized_layers(model)])
        assert float(v.std()) == pytest.approx(0.05, rel=0.4)


def test_what_cannot_be_started_by_the_data_is_refused():
    x = torch.randn(8, 5, generator=generator(), dtype=torch.float64)
    with pytest.raises(InputError, match=r"a bias in 'hidden\.0'"):
        data_dependent_start(small(), x)
    with pytest.raises(InputError, match="got a model without one"):
        data_dependent_start(nn.Linear(5, 2), x)
    with pytest.raises(InputError, match=r"7 lengths in 'hidden\.0'"):
        data_dependent_start(small(normalization=Normalization.L1, bias=True), x)
    with pytest.raises(InputError, match="leaves 7 constant"):
        data_dependent_start(small(bias=True), x[:1].expand(8, 5))
    whole = parametrizations.weight_norm(nn.Linear(5, 2), dim=None)
    with pytest.raises(InputError, match="needed 'weight' normalized by rows, dim=0, got Linear with dim=None; start"):
        data_dependent_start(whole, x)


def test_normalized_layers_are_found_in_any_model():
    model = nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 3)),
        old_style(nn.Linear(3, 2)),
        nn.Linear(2, 2),
        parametrizations.weight_norm(nn.Conv1d(2, 3, 2), dim=1),
        parametrizations.weight_norm(nn.Linear(3, 3), dim=None),
        old_style(nn.LSTM(3, 2), name="weight_hh_l0"),
        parametrizations.orthogonal(nn.Linear(2, 2)),
    )
    layers = normalized_layers(model)
    assert [layer.name for layer in layers] == ["0", "1", "3", "4", "5.weight_hh_l0"]
    assert [layer.dim for layer in layers] == [0, 0, 1, None, 0]
    assert [len(layer.row_norms) for layer in layers] == [3, 2, 2, 1, 8]
    torch.testing.assert_close(layers[2].row_norms, layers[2].direction.detach().norm(dim=(0, 2)))
    assert float(minimum_row_norm(model)) == min(float(layer.row_norms.min()) for layer in layers)
    # Their rows may be made longer all the same.
    model[:3].double()
    x = torch.randn(2, 4, generator=generator(), dtype=torch.float64)
    before = model[:3](x)
    rescale_rows(model[:3], 0.5)
    assert torch.equal(model[:3](x), before)
    with pytest.raises(InputError, match="without one"):
        minimum_row_norm(nn.Linear(2, 2))


@pytest.mark.parametrize(
    "changed", [{"width": 0}, {"depth": 0}, {"inputs": 0}, {"outputs": -1}, {"output_radius": -0.1}]
)
def test_sizes_without_sense_are_refused(changed):
    with pytest.raises(InputError, match="needed"):
        small(**changed)


def test_rows_cannot_be_given_a_length_without_sense():
    for call in (lambda: rescale_rows(small(), -1.0), lambda: set_row_norms(small(), 0.0)):
        with pytest.raises(InputError, match="positive"):
            call()
    with pytest.raises(InputError, match="positive row norm"):
        uniform_network(Architecture(2, 2, 1), generator(), row_norm=0.0)
    assert TANH.is_smooth


@pytest.mark.usefixtures("as_users_run")
def test_choices_named_by_strings_are_those_choices():
    """Strings equal their members without being them: each must go the member's way, never another."""
    named = Architecture(4, 16, 2, scaling="1/sqrt(m)", normalization="weight", activation="gelu")
    assert named == Architecture(4, 16, 2, scaling=Scaling.WIDTH, activation=ACTIVATIONS["gelu"])
    assert (named.scale, Architecture(4, 16, 2, scaling="1").scale) == (0.25, 1.0)
    network = uniform_network(named, generator())
    assert len(normalized_layers(network)) == 2
    assert normalized_layers(uniform_network(replace(named, normalization="l1"), generator()))[0].order == 1
    x = torch.randn(3, 4, generator=generator())
    by_name = {share: unnormalized_twin(network, share=share) for share in ("parameters", "function")}
    for share in Twin:
        assert torch.equal(by_name[str(share)](x), unnormalized_twin(network, share=share)(x))
    assert not torch.allclose(by_name["parameters"](x), network(x), rtol=1e-3)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scaling": "width"}, r"needed a scaling that is one of '1/sqrt\(m\)', '1', got 'width'"),
        ({"normalization": "batch"}, "one of 'weight', 'l1', 'none', got 'batch'"),
        ({"activation": "sine"}, "one of 'tanh', 'gelu', 'silu', 'relu', 'leaky_relu', got 'sine'; make others"),
        ({"activation": torch.tanh}, "needed an activation that is one of"),
        ({"width": 2.5}, "needed width of at least 1, a whole number, got 2.5"),
        ({"depth": "3"}, "needed depth of at least 1, a whole number, got '3'"),
    ],
)
def test_choices_that_are_not_there_are_told_with_those_that_are(changed, message):
    with pytest.raises(InputError, match=message) as caught:
        small(**changed)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_users_run")
def test_a_twin_that_shares_something_else_is_refused():
    with pytest.raises(InputError, match="one of 'parameters', 'function', got 'weights'"):
        unnormalized_twin(small(), share="weights")


def three_kinds(dtype=torch.float32):
    """Layers of 4, 6 and 1 lengths: torch's parametrization, its older hooks, and one length for all."""
    sides = ((5, 4), (4, 6), (6, 3))
    first, second, third = (nn.Linear(*side, dtype=dtype) for side in sides)
    for layer in (first, second, third):
        with torch.no_grad():
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator(len(layer.weight))))
    return nn.Sequential(
        parametrizations.weight_norm(first), old_style(second), parametrizations.weight_norm(third, dim=None)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: set_row_norms(model, math.inf), "a positive row norm, got inf"),
        (lambda model: set_row_norms(model, math.nan), "a positive row norm, got nan"),
        (lambda model: set_row_norms(model, 1e-30), r"rows of '0' with lengths from 7\.0e-16 to 9\.2e\+18 in float32"),
        (lambda model: set_row_norms(model, 1e30), r"in float32, got 1e\+30"),
        (lambda model: rescale_rows(model, math.inf), "rows of '0' with lengths .* got inf"),
        (lambda model: rescale_rows(model, math.nan), "a positive factor, got nan"),
        (lambda model: rescale_rows(model, 1e-30), "rows of '0' with lengths"),
        (lambda model: rescale_rows(model, torch.ones(0)), "a positive factor, got none"),
        # The first layer has four rows, the second six: nothing may be changed before that is known.
        (lambda model: rescale_rows(model, 2 * torch.ones(4)), "one factor, or 6, one for each row of '1', got 4"),
        (lambda model: rescale_rows(model[2:], 2 * torch.ones(3)), "or 1, one for each row of '2', got 3"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_lengths_out_of_range_are_refused_before_anything_is_changed(call, message):
    model = three_kinds()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(InputError, match=message):
        call(model)
    for now, then in zip(model.parameters(), before, strict=True):
        assert torch.equal(now, then)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_rows_that_have_no_length_are_refused_by_their_layers_name(value):
    model = three_kinds()
    layers = normalized_layers(model)
    with torch.no_grad():
        layers[1].direction[2] = value
    first = layers[0].direction.detach().clone()
    with pytest.raises(InputError, match="rows of a length above 0 in '1', got 1 without"):
        set_row_norms(model, 1.0)
    with pytest.raises(InputError, match="rows of '1' with lengths"):
        rescale_rows(model, 2.0)
    assert torch.equal(layers[0].direction, first)


@pytest.mark.parametrize(
    ("dtype", "lengths", "rounding"),
    [
        (torch.float32, (1.4e-15, 9e18), 1e-5),
        (torch.float64, (1e-145, 6e153), 1e-13),
        (torch.bfloat16, (1.4e-15, 9e18), 0.1),
    ],
)
def test_f_and_its_gradient_stay_at_the_ends_of_the_range(dtype, lengths, rounding):
    """What is not refused is right: f as it was, its gradient by v in proportion to 1 / length."""
    model = three_kinds(dtype)
    x = torch.randn(3, 5, generator=generator()).to(dtype)
    set_row_norms(model, 1.0)
    before, slopes = model(x), [slope.double() for slope in gradients(model, x)]
    for length in lengths:
        set_row_norms(model, length)
        torch.testing.assert_close(model(x), before, rtol=rounding, atol=rounding)
        for layer, new, old in zip(normalized_layers(model), gradients(model, x), slopes, strict=True):
            if float(old.abs().max()) / length < torch.finfo(dtype).max:
                assert float((new.double() * length - old).norm()) <= 4 * rounding * float(old.norm()), layer.name


@pytest.mark.parametrize("row_norm", [math.inf, math.nan, 1e-30, 1e30])
def test_a_network_does_not_start_with_rows_out_of_range(row_norm):
    with pytest.raises(InputError, match=r"a positive row norm|rows of 5 entries with lengths"):
        uniform_network(Architecture(5, 7, 2), generator(), row_norm=row_norm)
    if math.isfinite(row_norm):
        network = uniform_network(Architecture(5, 7, 2), generator(), row_norm=row_norm, dtype=torch.float64)
        assert bool(network(torch.ones(1, 5, dtype=torch.float64)).isfinite().all())


def unlike(seed=0):
    """A batch of five numbers a sample."""
    return torch.randn(8, 5, generator=generator(seed), dtype=torch.float64)


def two_layers(wrap=parametrizations.weight_norm):
    return nn.Sequential(
        *(wrap(nn.Linear(5, 4, dtype=torch.float64)), nn.BatchNorm1d(4, dtype=torch.float64)),
        *(nn.Tanh(), wrap(nn.Linear(4, 3, dtype=torch.float64))),
    )


class Unused(nn.Module):
    """A model with a head that a batch does not pass."""

    def __init__(self):
        super().__init__()
        self.body, self.head = (parametrizations.weight_norm(nn.Linear(5, 4, dtype=torch.float64)) for _ in range(2))

    def forward(self, x):
        return self.body(x)


def with_nan(x):
    x[3, 2] = math.nan
    return x


@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, old_style], ids=["parametrization", "hooks"])
@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (lambda: unlike()[:1], "at least 2 samples or places at '0', got 1; take a larger batch"),
        (lambda: unlike()[0], "at least 2 samples or places at '0', got 1"),
        (lambda: with_nan(unlike()), "finite numbers from '0', got NaN or infinity from 4 of 4 rows"),
        (
            lambda: unlike()[:1].expand(8, 5),
            "more than one value from every row of '0', got one that leaves 4 constant",
        ),
        (lambda: 1e9 + 1e-9 * unlike(), "leaves 4 constant"),
    ],
)
def test_a_batch_that_starts_nothing_is_refused_and_the_model_is_as_it_was(wrap, batch, message):
    model = two_layers(wrap)
    before, said = {name: value.clone() for name, value in model.state_dict().items()}, model.eval()(unlike(1))
    with pytest.raises(InputError, match=message):
        data_dependent_start(model, batch(), generator())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(model(unlike(1)), said)


@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, old_style], ids=["parametrization", "hooks"])
def test_a_start_that_fails_midway_leaves_the_layers_before_it_too(wrap):
    """The second layer's rows are zero, so that it says NaN; any error of the model's own does the same."""
    model = two_layers(wrap)
    with torch.no_grad():
        normalized_layers(model)[1].direction.zero_()
    first = normalized_layers(model)[0]
    kept = [part.detach().clone() for part in (first.direction, first.length, first.module.bias)]
    with pytest.raises(InputError, match="finite numbers from '3', got NaN or infinity from 3 of 3 rows"):
        data_dependent_start(model, unlike())
    broken = nn.Sequential(model[0], nn.Linear(7, 2, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        data_dependent_start(broken, unlike())
    for now, then in zip((first.direction, first.length, first.module.bias), kept, strict=True):
        assert torch.equal(now, then)
    assert not any(module._forward_pre_hooks and module is not first.module for module in broken)


def test_a_layer_that_a_batch_does_not_reach_is_named():
    model = Unused()
    before = model.body.bias.detach().clone()
    with pytest.raises(InputError, match="through every weight-normalized layer, got none in 'head'; give"):
        data_dependent_start(model, unlike())
    assert torch.equal(model.body.bias, before)


def test_layers_that_are_called_by_keyword_are_started():
    class Keyword(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = parametrizations.weight_norm(nn.Linear(5, 4, dtype=torch.float64))

        def forward(self, x):
            return self.layer(input=x)

    model = Keyword()
    data_dependent_start(model, unlike())
    deviation, mean = torch.std_mean(model(unlike()).detach(), dim=0)
    torch.testing.assert_close(deviation, torch.ones_like(deviation), rtol=1e-12, atol=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-12)


@pytest.mark.parametrize("fails", [False, True])
def test_modes_are_given_back_to_each_module(fails):
    """Statistics that are kept still in a model that trains stay still, whether the start succeeds or not."""
    model = two_layers().train()
    model[1].eval()
    try:
        data_dependent_start(model, unlike()[: 1 if fails else 8])
    except InputError:
        assert fails
    assert [module.training for module in model] == [True, False, True, True]
    assert model.training


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (nn.ConvTranspose2d(1, 2, 3), {}, "a linear layer or a convolution at '0', got ConvTranspose2d; start the"),
        (nn.Linear(3, 2), {"dim": 1}, "needed '0' normalized by rows, dim=0, got Linear with dim=1; start the"),
    ],
)
def test_layers_that_no_start_fits_are_told_in_a_line(layer, options, message):
    model = nn.Sequential(parametrizations.weight_norm(layer, **options))
    with pytest.raises(InputError, match=message) as caught:
        data_dependent_start(model, torch.ones(2, 3))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("call", [path_norm, unnormalized_twin])
def test_what_only_networks_have_is_refused_for_other_models(call):
    """In one line that says what does it for them; and what it says is so."""
    model = two_layers()
    with pytest.raises(
        InputError, match=r"needed a Network, as uniform_network makes it, got Sequential; .*"
    ) as caught:
        call(model)
    assert "\n" not in str(caught.value)
    said = model.eval()(unlike())
    matrices = [model[0].weight, model[3].weight]
    torch.testing.assert_close(matrix_path_norm(matrices), (matrices[1].abs() @ matrices[0].abs()).sum())
    for layer in (model[0], model[3]):
        nn.utils.parametrize.remove_parametrizations(layer, "weight")
    assert torch.equal(model(unlike()), said)
    assert not normalized_layers(model)


def test_every_public_name_is_in_the_page():
    page = (Path(__file__).parent.parent / "docs" / "networks.md").read_text()
    missing = [name for name in networks.__all__ if not re.search(rf"\b{name}\b", page)]
    assert missing == []
