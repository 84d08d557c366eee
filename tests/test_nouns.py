"""Every public value: short text, `==`, `hash`, pickle and copies."""

import copy
import dataclasses
import math
import pickle
from types import FunctionType

import numpy as np
import pytest
import torch

from cases.nouns import operator_classes, public_classes, values
from wnsense.checks import InputError
from wnsense.recovery import Recovery
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.space import Space
from wnsense.values import same

# A terminal of usual size.
LINES, COLUMNS = 24, 120
# Made for its file alone, or for one of several jobs that wait for each other.
NOT_GATHERED = {"Checkpoint", "GatheredSensing"}
CLASSES = sorted({*public_classes(), *operator_classes()}, key=lambda cls: cls.__name__)

classes = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def value_of(cls):
    if cls.__name__ in NOT_GATHERED:
        pytest.skip("there is no value of it without a file or other jobs")
    assert cls in values(), f"add a value of {cls.__name__} to tests/cases/nouns.py"
    return values()[cls]


def holds(value, is_one):
    """True if a value is one, or one of its fields or items holds one."""
    if isinstance(value, list | tuple | dict):
        return any(holds(item, is_one) for item in (value.values() if isinstance(value, dict) else value))
    if dataclasses.is_dataclass(value):
        return any(holds(getattr(value, field.name), is_one) for field in dataclasses.fields(value))
    return is_one(value)


def belongs_to_torch(thing):
    """True for modules, data sets and tensors with a graph: torch copies them as it likes, or not at all."""
    has_graph = isinstance(thing, torch.Tensor) and not thing.is_leaf
    return has_graph or isinstance(thing, torch.nn.Module | torch.utils.data.Dataset)


def is_function(thing):
    return isinstance(thing, FunctionType)


@classes
def test_its_text_is_short_and_holds_no_tensor(cls):
    value = value_of(cls)
    text = repr(value)
    lines = text.splitlines()
    assert sum(1 + len(line) // COLUMNS for line in lines) <= LINES, text
    assert "tensor(" not in text
    assert "array(" not in text
    assert "0x" not in text


@classes
def test_it_equals_itself_and_no_other_thing(cls):
    value = value_of(cls)
    other = dataclasses.replace(value)
    assert value == other
    assert hash(value) == hash(other)
    assert value != "a text"


@classes
def test_its_copies_are_equal_and_have_its_hash(cls):
    value = value_of(cls)
    if holds(value, belongs_to_torch):
        pytest.skip("it holds things of torch")
    copies = [copy.deepcopy(value)]
    if not holds(value, is_function):
        copies.append(pickle.loads(pickle.dumps(value)))
    for other in copies:
        assert type(other) is cls
        assert value == other
        assert hash(value) == hash(other)


@classes
def test_it_differs_from_a_value_with_another_number(cls):
    value = value_of(cls)
    for field in dataclasses.fields(value):
        other = with_another(value, field)
        assert other is None or value != other, field.name


def with_another(value, field):
    """The value with another number in a field, or None if there is none in it that can be changed alone."""
    part = getattr(value, field.name)
    if isinstance(part, torch.Tensor) and part.numel() and part.is_floating_point() and part.layout is torch.strided:
        part = part.clone()
        part.view(-1)[0] += 1
    elif isinstance(part, float):
        part = 1.0 if math.isnan(part) else part + 0.001
    else:
        return None
    try:
        return dataclasses.replace(value, **{field.name: part})
    except InputError:
        return None


@dataclasses.dataclass(frozen=True)
class Diagonal(Operator):
    """An operator as a user writes it: the first entries of the diagonal."""

    weights: torch.Tensor
    space: Space
    second_moment: tuple[float, float] | None = None

    @property
    def count(self):
        return len(self.weights)

    def _measure(self, point):
        rows = torch.arange(self.count)
        return self.weights * point[rows, rows]

    def _adjoint_times(self, v, V):
        out = torch.zeros(*v.shape[:-1], self.shape[0], V.shape[-1], dtype=self.dtype)
        out[..., : self.count, :] = (self.weights * v).unsqueeze(-1) * V[..., : self.count, :]
        return out


def test_operators_of_users_have_the_same_manners():
    weights = torch.arange(1.0, 1001.0, dtype=torch.float64)
    operator = Diagonal(weights, Space.from_size(1000))
    assert repr(operator) == "Diagonal: 1000 measurements of a psd 1000 x 1000 matrix"
    assert operator == copy.deepcopy(operator)
    assert hash(operator) == hash(copy.deepcopy(operator))
    assert operator != dataclasses.replace(operator, weights=weights + 1)
    assert pickle.loads(pickle.dumps(operator)) == operator


def test_numbers_of_another_dtype_or_shape_are_not_equal():
    Z = LowRank(torch.ones(3, 1), torch.ones(1, 1))
    assert same(Z.X, Z.X.clone())
    assert Z.to(dtype=torch.float64) != Z
    assert LowRank(torch.ones(4, 1), torch.ones(1, 1)) != Z


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is one device")
def test_equal_numbers_on_two_devices_are_equal():
    Z = LowRank(torch.ones(3, 1), torch.ones(1, 1))
    assert Z.to(device="cuda") == Z
    assert np.asarray(Z.to(device="cuda")).tolist() == Z.to_numpy().tolist()
    assert (Z.to(device="cuda") @ np.ones(3)).tolist() == [3.0] * 3
    assert float(Z.to(device="cuda")[0, [1]]) == 1.0


def test_a_long_text_is_cut_to_a_screen():
    recovery = values()[Recovery]
    long = dataclasses.replace(recovery, warnings=("a warning",) * 500)
    assert len(repr(long).splitlines()) < LINES
    assert str(long).count("a warning") == 500
