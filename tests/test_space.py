"""The space of the unknown: what belongs to it, what is refused, and operators whose data must fit it."""

import dataclasses
import math
import re

import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS
from wnsense.checks import InputError
from wnsense.sensing.combining.restriction import RestrictedSensing, restrict
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.dense import DenseSensing
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing, RectangularRankOneSensing
from wnsense.sensing.ensembles.sparse_rows import SparseSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import Operator, SelectsRows, selected_rows
from wnsense.sensing.space import Space

CPU = torch.device("cpu")


def test_a_size_and_a_word_make_a_space():
    assert Space.from_size(3) == Space(Kind.PSD, (3, 3), torch.float64, CPU)
    assert Space.from_size((3, 4), "rectangular", torch.complex64).shape == (3, 4)
    assert Space.from_size(2, "hermitian").dtype == torch.complex128
    assert str(Space.from_size((3, 4), Kind.RECTANGULAR)) == "rectangular 3 x 4 matrix"


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_numbers_of_a_space(flavor):
    shape = (4, 4) if flavor.kind.is_symmetric else (4, 6)
    space = Space.from_size(shape, flavor.kind, flavor.dtype(torch.float32))
    assert (space.is_complex, space.real_dtype) == (flavor.is_complex, torch.float32)
    Z = random_point(flavor, shape, 2, dtype=torch.float32).dense()
    packed = space.kind.pack(Z)
    assert packed.shape == (space.dimension,)
    assert torch.allclose(space.unpack(packed), Z, rtol=4 * torch.finfo(torch.float32).eps)
    # Of full rank every number of a full matrix is free.
    assert space.degrees_of_freedom(min(shape)) == space.dimension


def refusal(needed: str, came: str) -> str:
    return f"needed .*{re.escape(needed)}.*, got .*{re.escape(came)}"


SPACES = [
    (lambda: Space.from_size(0), "sides of at least 1", "(0, 0)"),
    (lambda: Space.from_size((3, 4)), "a square shape for kind psd", "3 x 4"),
    (lambda: Space.from_size(3, "hermitian", torch.float64), "a complex dtype for kind hermitian", "torch.float64"),
    (lambda: Space.from_size(3, "psd", torch.complex64), "a real dtype for kind psd", "torch.complex64"),
    (lambda: Space.from_size(3, "psd", torch.bfloat16), "a precision of float64 or float32", "torch.bfloat16"),
    (lambda: Space.from_size(3, "rectangular", torch.int64), "a precision of float64 or float32", "torch.int64"),
]

MASK = torch.zeros(2, dtype=torch.int64)

MISFITS = [
    (
        lambda: PairedRankOneSensing(normal(5, 3).float(), normal(5, 3).float(), Space.from_size(3)),
        "the vectors of torch.float64",
        "torch.float32",
    ),
    (
        lambda: PairedRankOneSensing(normal(5, 4), normal(5, 4), Space.from_size(3)),
        "the vectors of size 5 x 3",
        "5 x 4",
    ),
    (lambda: RankOneSensing(normal(5, 3), Kind.HERMITIAN), "a complex dtype for kind hermitian", "torch.float64"),
    (lambda: RankOneSensing(normal(5, 3), Kind.RECTANGULAR), "a symmetric kind for quadratic", "rectangular"),
    (
        lambda: PairedRankOneSensing(normal(5, 3), normal(5, 3), Space.from_size(3, "rectangular")),
        "a symmetric kind for quadratic measurements",
        "rectangular",
    ),
    (
        lambda: RectangularRankOneSensing(normal(5, 3), normal(5, 3), Space.from_size(3)),
        "kind rectangular for measurements a^H Z b",
        "psd",
    ),
    (
        lambda: DenseSensing(normal(5, 6), Space.from_size(3, dtype=torch.float32)),
        "rows of at most the unknown's precision, torch.float32",
        "torch.float64",
    ),
    (lambda: CodedDiffractionSensing(normal(2, 5), Space.from_size(4)), "masks of 4 pixels", "5"),
    (lambda: PauliSensing(MASK, MASK, Space.from_size(4)), "kind hermitian for Pauli strings", "psd"),
    (lambda: PauliSensing(MASK, MASK, Space.from_size(5, "hermitian")), "a side of 2^2", "5"),
    (
        lambda: SparseSensing(MASK, MASK, normal(2).float(), MASK, MASK, 1, Space.from_size(3)),
        "nonzeros of torch.float64",
        "torch.float32",
    ),
]


@pytest.mark.parametrize(("make", "needed", "came"), [*SPACES, *MISFITS])
def test_what_does_not_fit_is_refused(make, needed, came, as_users_run):
    with pytest.raises(InputError, match=refusal(needed, came)):
        make()


def test_a_constructor_keeps_the_data_it_is_given():
    """Blocks whose columns are not contiguous measure the same, and are not copied."""
    blocks, space = normal(6, 5, 2), Space.from_size(5)
    plain, named = BlockRankSensing(blocks, space), BlockRankSensing.from_blocks(blocks)
    assert plain.blocks is blocks
    assert named.blocks.data_ptr() != blocks.data_ptr()
    point = random_point(ALL_FLAVORS[0], (5, 5), 2)
    one, other = plain.measure(point), named.measure(point)
    # Sums of 2 x 5 x 2 products, in an order that may differ.
    assert float((one - other).abs().max()) <= 20 * torch.finfo(torch.float64).eps * float(one.abs().sum())


def test_operators_are_values():
    operator = RankOneSensing.draw(7, 3, generator=generator())
    fields = {field.name for field in dataclasses.fields(operator)}
    assert fields == {"vectors", "kind", "second_moment"}
    assert operator.count == 7
    shorter = dataclasses.replace(operator, vectors=operator.vectors[:4])
    assert (shorter.count, operator.count) == (4, 7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        operator.space = Space.from_size(4)


class Trace(Operator):
    """An operator of a user: attributes set by hand, no rows to select."""

    def __init__(self, size):
        self.space = Space.from_size(size)
        self.count = 2
        self.second_moment = None

    def _measure(self, point):
        return torch.stack([point.trace(), 2 * point.trace()], dim=-1)

    def _adjoint_times(self, v, V):
        return (v[..., :1] + 2 * v[..., 1:])[..., None] * V


def test_an_operator_without_rows_to_select_is_restricted_all_the_same():
    operator, rows = Trace(3), torch.tensor([1])
    assert not isinstance(operator, SelectsRows)
    assert selected_rows(operator, rows) is None
    some = restrict(operator, rows)
    assert isinstance(some, RestrictedSensing)
    point = random_point(ALL_FLAVORS[0], (3, 3), 1)
    assert math.isclose(float(some.measure(point)), 2 * float(point.trace()), rel_tol=1e-12)
    assert isinstance(RankOneSensing.draw(7, 3), SelectsRows)


def test_an_unknown_kind_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"needed a kind out of psd, .*, got 'positive'; choose one of these words"):
        Space.from_size(4, kind="positive")
