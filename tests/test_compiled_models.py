"""Diagnosis of models that torch.compile, torch.jit or torch.export have made: measured as the original, or refused."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from wnsense.checks import InputError
from wnsense.networks import diagnose, measure

INPUTS = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))
TARGETS = torch.randint(0, 3, (16,), generator=torch.Generator().manual_seed(1))


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(weight_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 3))


class Within(nn.Module):
    """A model that calls a function which is compiled, or a part of which is."""

    def __init__(self, change: Callable[[nn.Module], Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.inner = change(network())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def whole(change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    return change(network())


def diagnosed(model: nn.Module) -> object:
    return diagnose(model, [(INPUTS, TARGETS)])


def measured(model: nn.Module) -> object:
    return measure(model, INPUTS, TARGETS, loss=nn.functional.cross_entropy)


def compiled(backend: str) -> Callable[[nn.Module], nn.Module]:
    return lambda model: torch.compile(model, backend=backend)


def in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="aot_eager")
    return model


def layer_compiled(model: nn.Sequential) -> nn.Module:
    model[0] = torch.compile(model[0], backend="aot_eager")
    return model


def after_a_step(model: nn.Module) -> nn.Module:
    """Compiled code exists by then."""
    made = torch.compile(model, backend="aot_eager")
    nn.functional.cross_entropy(made(INPUTS), TARGETS).backward()
    return made


def whole_graph(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="aot_eager", fullgraph=True)


COMPILED = {
    "eager": compiled("eager"),
    "aot_eager": compiled("aot_eager"),
    "inductor": compiled("inductor"),
    "in place": in_place,
    "one layer": layer_compiled,
    "after a step": after_a_step,
    "whole graph": whole_graph,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("change", COMPILED, ids=str)
@pytest.mark.parametrize("make", [whole, Within])
def test_a_compiled_model_is_measured_as_the_original(change, make):
    original = diagnose(make(lambda model: model), [(INPUTS, TARGETS)])
    made = make(COMPILED[change])
    found = diagnose(made, [(INPUTS, TARGETS)])
    assert found.measurement == original.measurement
    assert found.layers == original.layers
    assert found.plain == original.plain
    assert str(found) == str(original)


def test_a_compiled_function_within_a_model_is_measured_as_the_original():
    def model(change: Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]) -> nn.Module:
        made = Within(lambda inner: inner)
        made.forward = change(lambda x: torch.tanh(made.inner(x)))
        return made

    found = diagnose(model(torch.compile(backend="aot_eager")), [(INPUTS, TARGETS)])
    assert found.measurement == diagnose(model(lambda f: f), [(INPUTS, TARGETS)]).measurement


def test_a_compiled_model_is_compiled_afterwards():
    calls = []

    def backend(graph, _inputs):
        calls.append(1)
        return graph.forward

    made = torch.compile(network(), backend=backend)
    diagnose(made, [(INPUTS, TARGETS)])
    assert calls == []
    made(INPUTS)
    assert calls == [1]


def test_trouble_has_the_name_of_the_original_layer():
    made = torch.compile(network(), backend="aot_eager")
    with torch.no_grad():
        made.get_submodule("_orig_mod.2").weight[0, 0] = float("nan")
    assert "_orig_mod" not in str(diagnose(made, [(INPUTS, TARGETS)]))


MADE_BY_OTHERS = {
    "traced": lambda model: torch.jit.trace(model, INPUTS),
    "scripted": torch.jit.script,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("change", MADE_BY_OTHERS, ids=str)
@pytest.mark.parametrize("make", [whole, Within])
@pytest.mark.parametrize("entry", [diagnosed, measured])
def test_a_model_of_torch_jit_is_refused_in_one_line(change, make, entry):
    with pytest.raises(InputError, match=r"needed a model that is not compiled by torch\.jit, got a .*; hand in"):
        entry(make(MADE_BY_OTHERS[change]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("change", MADE_BY_OTHERS, ids=str)
def test_a_frozen_part_of_torch_jit_is_no_obstacle(change):
    """Its second derivatives by its own parameters are not asked for."""

    def model(change: Callable[[nn.Module], nn.Module]) -> nn.Module:
        part = nn.Sequential(nn.Linear(6, 6), nn.Tanh()).requires_grad_(False)
        with torch.no_grad():
            part[0].weight.copy_(torch.eye(6))
            part[0].bias.zero_()
        return nn.Sequential(change(part), network())

    found = diagnose(model(MADE_BY_OTHERS[change]), [(INPUTS, TARGETS)])
    expected = diagnose(model(lambda part: part), [(INPUTS, TARGETS)])
    assert found.measurement.loss_curvature == pytest.approx(expected.measurement.loss_curvature, rel=1e-5)


def test_an_exported_model_is_refused_in_one_line():
    made = torch.export.export(network(), (INPUTS,)).module()
    with pytest.raises(InputError, match="needed a model with an evaluation mode, got a GraphModule without one"):
        diagnose(made, [(INPUTS, TARGETS)])
