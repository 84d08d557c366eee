"""LowRank as NumPy and torch take it: beside its full matrix, for each kind of it and of the other operand."""

import operator
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, PSD, RECTANGULAR
from wnsense.checks import InputError
from wnsense.sensing.low_rank import LowRank

SHAPE, RANK = (6, 4), 2
BATCHES = [(), (3,), (2, 2)]
# Each entry is a sum of rank^2 products of numbers of a few units.
CLOSE = {"rtol": 0.0, "atol": 100 * RANK**2 * torch.finfo(torch.float64).eps}

flavors = pytest.mark.parametrize("flavor", [f for f in ALL_FLAVORS if f != PSD], ids=str)
batches = pytest.mark.parametrize("batch", BATCHES, ids=str)
libraries = pytest.mark.parametrize("is_numpy", [True, False], ids=["numpy", "torch"])


def point(flavor, batch=()) -> LowRank:
    shape = (SHAPE[0], SHAPE[0]) if flavor.kind.is_symmetric else SHAPE
    return random_point(flavor, shape, RANK, batch=batch, rng=generator(0))


def assert_same(actual, expected):
    """Assert that two arrays have one type, dtype and shape, and are equal up to rounding."""
    assert type(actual) is type(expected)
    assert actual.dtype == expected.dtype
    assert tuple(actual.shape) == tuple(expected.shape)
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), **CLOSE)


@flavors
@batches
def test_numpy_takes_the_full_matrix(flavor, batch):
    Z = point(flavor, batch)
    full = Z.dense().numpy()
    assert_same(np.asarray(Z), full)
    assert_same(Z.to_numpy(), full)
    assert_same(np.array(Z, dtype=np.complex64), full.astype(np.complex64))
    assert_same(np.abs(Z), np.abs(full))
    assert np.linalg.norm(Z) == pytest.approx(np.linalg.norm(full))
    assert len(Z) == Z.shape[0]
    assert_same(np.asarray(Z.T), full.swapaxes(-1, -2))


def test_numpy_cannot_have_it_without_a_copy():
    with pytest.raises(ValueError, match="copy"):
        np.asarray(point(PSD), copy=False)


@pytest.mark.parametrize("make", [lambda X: X.conj(), lambda X: X.requires_grad_(), lambda X: X.mT.clone().mT])
def test_numpy_takes_factors_in_any_state(make):
    X = normal(5, 2, dtype=torch.complex128, rng=generator(0))
    Z = LowRank(make(X.clone()), torch.eye(2, dtype=torch.complex128), normal(4, 2, dtype=torch.complex128))
    full = Z.dense().detach().resolve_conj().numpy()
    assert_same(np.asarray(Z), full)
    assert_same(Z @ np.ones((4, 2)), full @ np.ones((4, 2)))
    assert_same(Z.T.to_numpy(), full.T)


@flavors
@batches
@libraries
def test_products_have_the_type_of_the_other_factor(flavor, batch, is_numpy):
    Z = point(flavor, batch)
    V, W = normal(Z.shape[1], 3, dtype=Z.dtype), normal(3, Z.shape[0], dtype=Z.dtype)
    full = Z.dense()
    if is_numpy:
        V, W, full = V.numpy(), W.numpy(), full.numpy()
    assert_same(Z @ V, full @ V)
    assert_same(W @ Z, W @ full)
    assert_same(Z @ V[:, 0], full @ V[:, 0])
    assert_same(W[0] @ Z, W[0] @ full)
    assert_same((Z @ Z.T).dense(), Z.dense() @ Z.dense().mT)


@pytest.mark.parametrize(
    "V",
    [
        np.ones(4, dtype=">f8"),
        np.ones(8)[::-2],
        np.broadcast_to(1.0, (4, 2)),
        np.ones((4, 2), dtype=np.int32),
        np.ones((4, 2), dtype=np.complex64),
        np.ones((2, 4), order="F").T,
    ],
    ids=["big-endian", "reversed", "read-only", "integer", "complex", "transposed"],
)
def test_products_take_arrays_as_they_are(V):
    Z = point(RECTANGULAR)
    product = Z @ V
    assert isinstance(product, np.ndarray)
    np.testing.assert_allclose(product, Z.to_numpy() @ V, rtol=0, atol=1e-14)


@flavors
@batches
@libraries
def test_sums_and_differences(flavor, batch, is_numpy):
    Z = point(flavor, batch)
    other = normal(*Z.shape, dtype=Z.dtype)
    full = Z.dense()
    if is_numpy:
        other, full = other.numpy(), full.numpy()
    for combine in (operator.add, operator.sub):
        assert_same(combine(Z, other), combine(full, other))
        assert_same(combine(other, Z), combine(other, full))
        assert isinstance(combine(Z, Z.scaled(0.5)), LowRank)
        assert_same(combine(Z, Z.scaled(0.5)).dense(), combine(Z.dense(), Z.dense() / 2))


def test_unsigned_numbers_are_subtracted_without_wrapping():
    Z = point(RECTANGULAR)
    ones = np.ones(Z.shape, dtype=np.uint8)
    assert_same(Z - ones, Z.to_numpy() - 1)
    assert_same(Z - ones.astype(bool), Z.to_numpy() - 1)


@pytest.mark.parametrize("two", [2, 2.0, np.float64(2), np.float32(2), Fraction(2)], ids=repr)
def test_multiples_stay_in_factors(two):
    Z = point(RECTANGULAR)
    for multiple, factor in ((two * Z, 2), (Z * two, 2), (Z / two, 0.5), (-Z, -1)):
        assert isinstance(multiple, LowRank)
        assert_same(multiple.dense(), factor * Z.dense())


def test_real_and_complex_matrices_go_together():
    Z, C = point(RECTANGULAR), point(RECTANGULAR).to(dtype=torch.complex128)
    for total in (Z + C, C + Z):
        assert isinstance(total, LowRank)
        assert_same(total.dense(), 2 * C.dense())
    assert (Z.T @ C).dtype == torch.complex128


@pytest.mark.parametrize("other", ["text", None, 1j, object()], ids=["text", "None", "1j", "object"])
def test_other_things_are_a_type_error(other):
    for combine in (operator.add, operator.sub, operator.mul, operator.matmul, operator.truediv):
        with pytest.raises(TypeError):
            combine(point(PSD), other)


def test_other_libraries_get_their_own_products():
    Z = point(RECTANGULAR)
    product = Z @ scipy.sparse.eye_array(4)
    np.testing.assert_allclose(np.asarray(product), Z.to_numpy(), **CLOSE)


@pytest.mark.parametrize(
    "wrong", [np.ones((3, 2)), np.ones(3), torch.ones(3, 2), np.array(1.0)], ids=lambda wrong: str(tuple(wrong.shape))
)
def test_a_factor_of_another_size_is_refused_in_one_line(wrong):
    with pytest.raises(InputError, match="needed 4 rows on the right"):
        point(RECTANGULAR) @ wrong


INDICES = [
    (0, 1),
    (-1, -1),
    2,
    (slice(None), 1),
    (slice(1, 4), slice(None, None, -1)),
    (slice(0, 0), 0),
    ([0, 2, -1], [1, 3, 0]),
    ([[0], [1]], [1, 2]),
    (slice(None), [[0, 1], [2, 3]]),
    (3, [0, 0]),
    np.array([3, 1], dtype=np.int8),
    [],
    np.arange(6) % 2 == 0,
    ([True, False] * 3, slice(2)),
    (slice(None), np.array([True, False, True, False])),
    (np.arange(6) > 3, np.arange(4) > 1),
    np.add.outer(np.arange(6), np.arange(4)) % 3 == 0,
    (np.uint8(1), np.int64(2)),
    ...,
    (..., 1),
    (1, ...),
    (2, ..., 3),
]


@batches
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_means_what_it_means_to_numpy(index, batch):
    Z = point(RECTANGULAR, batch)
    full = Z.to_numpy()
    expected = np.stack([one[index] for one in full.reshape(-1, *Z.shape)])
    actual = Z[index]
    assert_same(actual, torch.from_numpy(expected.reshape((*batch, *expected.shape[1:]))))
    as_tensors = tuple(map(tensor_of, index)) if isinstance(index, tuple) else tensor_of(index)
    assert_same(Z[as_tensors], actual)


def tensor_of(part):
    return part if isinstance(part, slice | int) or part is ... else torch.from_numpy(np.asarray(part))


@pytest.mark.parametrize(
    "index",
    [6, -7, (0, 4), ([0, 9], 0), (0, 0, 0), None, "a", 1.5, ([0, 1], [0, 1, 2]), np.ones(5, dtype=bool), (..., ...)],
    ids=str,
)
def test_an_index_outside_is_one_line(index):
    with pytest.raises(IndexError) as error:
        point(RECTANGULAR)[index]
    assert str(error.value).startswith("needed ")
    assert "\n" not in str(error.value)


def test_rows_can_be_looped_over():
    Z = point(RECTANGULAR)
    rows = list(Z)
    assert len(rows) == 6
    assert_same(torch.stack(rows), Z.dense())


def test_a_large_matrix_is_never_formed():
    # Ten million rows and columns: the full matrix would take 800 TB.
    side = 10**7
    X = torch.zeros(side, 1)
    X[3], X[-1] = 2.0, 3.0
    Z = LowRank(X, torch.ones(1, 1))
    assert float(Z[3, -1]) == 6.0
    assert Z[[3, 0], [3, 0]].tolist() == [4.0, 0.0]
    assert float((Z - Z.scaled(0.5))[-1, 3]) == 3.0
    assert float((Z @ np.ones(side, dtype=np.float32))[3]) == 10.0
    assert len(repr(Z)) < 100
