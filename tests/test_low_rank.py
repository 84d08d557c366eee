"""LowRank against dense matrices, in each form and over a few sizes."""

import math
import re
from collections.abc import Callable

import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, COMPLEX_RECTANGULAR, HERMITIAN, PSD, RECTANGULAR, Flavor
from wnsense.checks import InputError
from wnsense.linalg import frobenius_norm, haar_frame
from wnsense.sensing.low_rank import LowRank

EPS = torch.finfo(torch.float64).eps
# Ranks below, at and above the size: the factors may have more columns than rows.
SIZES = [(1, 1, 1), (6, 4, 2), (5, 5, 5), (4, 3, 7)]
BATCHES = [(), (3,), (2, 2)]

flavors = pytest.mark.parametrize("flavor", [f for f in ALL_FLAVORS if f != PSD], ids=str)
symmetric_flavors = pytest.mark.parametrize(
    "flavor", [f for f in ALL_FLAVORS if f != PSD and f.kind.is_symmetric], ids=str
)
sizes = pytest.mark.parametrize(("m1", "m2", "rank"), SIZES)
batches = pytest.mark.parametrize("batch", BATCHES, ids=str)


def all_points(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test for each flavor, size and batch."""
    return flavors(sizes(batches(test)))


def point(flavor: Flavor, m1: int, m2: int, rank: int, batch=(), *, seed=0) -> LowRank:
    shape = (m1, m1) if flavor.kind.is_symmetric else (m1, m2)
    return random_point(flavor, shape, rank, batch=batch, rng=generator(seed))


def rounding(*points: LowRank) -> float:
    """Machine epsilon x the terms of the longest sum x the norms of the factors of the largest matrix involved."""
    terms = 4 * (sum(points[0].shape) + sum(p.width for p in points))
    sizes = [frobenius_norm(p.X).max() * frobenius_norm(p.Theta).max() * frobenius_norm(p.right).max() for p in points]
    return EPS * terms * float(sum(sizes))


def assert_within(actual, expected, bound: float):
    assert actual.shape == expected.shape
    assert float((actual - expected).abs().max()) <= bound


@all_points
def test_products_with_factors(flavor, m1, m2, rank, batch):
    Z = point(flavor, m1, m2, rank, batch)
    dense = Z.dense()
    assert_within(dense, Z.X @ Z.Theta @ Z.right.mH, 0.0)
    V = normal(*batch, Z.shape[1], 3, dtype=Z.dtype)
    assert_within(Z @ V, dense @ V, rounding(Z) * float(V.norm()))
    assert_within(Z.mH.dense(), dense.mH, rounding(Z))


@all_points
def test_norms_and_inner_products(flavor, m1, m2, rank, batch):
    Z, W = point(flavor, m1, m2, rank, batch), point(flavor, m1, m2, 2, batch, seed=1)
    dense, other = Z.dense(), W.dense()
    bound = rounding(Z, W)
    assert_within(Z.norm(), frobenius_norm(dense), bound)
    assert_within(
        Z.inner(W), (dense.conj() * other).sum((-2, -1)).real, bound * float(frobenius_norm(other).max() + 1) * 4
    )
    assert_within(Z.distance(W), frobenius_norm(dense - other), bound)


@all_points
def test_sums_and_multiples(flavor, m1, m2, rank, batch):
    Z, W = point(flavor, m1, m2, rank, batch), point(flavor, m1, m2, 2, batch, seed=1)
    bound = rounding(Z, W)
    assert_within(Z.plus(W).dense(), Z.dense() + W.dense(), bound)
    assert_within(Z.minus(W).dense(), Z.dense() - W.dense(), bound)
    assert_within(Z.scaled(-2.5).dense(), -2.5 * Z.dense(), 3 * bound)
    assert Z.plus(W).is_symmetric == flavor.kind.is_symmetric
    factors = torch.arange(1.0, 1 + math.prod(batch), dtype=torch.float64).reshape(batch)
    assert_within(Z.scaled(factors).dense(), factors[..., None, None] * Z.dense(), float(factors.max()) * bound)


@pytest.mark.parametrize("flavor", [HERMITIAN, RECTANGULAR, COMPLEX_RECTANGULAR], ids=str)
@batches
def test_trace(flavor, batch):
    """Of square matrices, rectangular by kind or not; the core is not diagonal, nor symmetric in the latter case."""
    Z = point(flavor, 5, 5, 3, batch)
    assert_within(Z.trace(), torch.diagonal(Z.dense(), dim1=-2, dim2=-1).sum(-1), 5 * rounding(Z))


def test_a_symmetric_and_a_rectangular_matrix_are_compared():
    Z = point(HERMITIAN, 5, 5, 2)
    W = point(COMPLEX_RECTANGULAR, 5, 5, 3)
    assert_within(Z.distance(W), frobenius_norm(Z.dense() - W.dense()), rounding(Z, W))
    assert not Z.plus(W).is_symmetric


@flavors
def test_each_of_a_batch_is_compared_with_one_matrix(flavor):
    Z, truth = point(flavor, 5, 4, 2, (3,)), point(flavor, 5, 4, 3, seed=1)
    expected = frobenius_norm(Z.dense() - truth.dense())
    assert_within(Z.distance(truth), expected, rounding(Z, truth))
    assert_within(truth.distance(Z), expected, rounding(Z, truth))
    inner = (Z.dense().conj() * truth.dense()).sum((-2, -1)).real
    assert_within(Z.inner(truth), inner, rounding(Z, truth) * float(truth.norm()))


@flavors
@pytest.mark.parametrize("difference", [1e-12, 1e-6])
def test_a_small_distance_is_not_lost_in_large_norms(flavor, difference):
    """||Z - Z'||^2 expanded as a sum of three terms would lose everything below 1e-8."""
    Z, D = point(flavor, 30, 20, 3), point(flavor, 30, 20, 2, seed=1)
    Z, D = Z.scaled(1 / float(Z.norm())), D.scaled(difference / float(D.norm()))
    near = Z.plus(D)
    assert abs(float(Z.distance(near)) - difference) <= rounding(Z, near) < 1e-3 * 1e-8
    # The bound above is generous by what the factors' norms exceed the product's; the promise is machine precision.
    assert abs(float(Z.distance(near)) - difference) <= 100 * EPS


@all_points
def test_orthonormal_form_is_the_same_matrix(flavor, m1, m2, rank, batch):
    Z = point(flavor, m1, m2, rank, batch)
    form = Z.orthonormal()
    bound = rounding(Z)
    assert_within(form.dense(), Z.dense(), bound)
    for frame in (form.X, form.right):
        identity = torch.eye(frame.shape[-1], dtype=Z.dtype).expand(*batch, -1, -1)
        assert_within(frame.mH @ frame, identity, 20 * m1 * EPS)
    values = torch.diagonal(form.Theta, dim1=-2, dim2=-1)
    assert torch.equal(torch.diag_embed(values), form.Theta)
    assert (values.abs().diff(dim=-1) <= bound).all()
    if not flavor.kind.is_symmetric:
        assert (values.real >= 0).all()


@all_points
def test_framed_form_is_the_same_matrix(flavor, m1, m2, rank, batch):
    Z = point(flavor, m1, m2, rank, batch)
    form = Z.framed()
    assert_within(form.dense(), Z.dense(), rounding(Z))
    for frame in (form.X, form.right):
        identity = torch.eye(frame.shape[-1], dtype=Z.dtype).expand(*batch, -1, -1)
        assert_within(frame.mH @ frame, identity, 20 * m1 * EPS)
    assert form.is_symmetric == flavor.kind.is_symmetric
    again = form.framed()
    for before, after in ((form.X, again.X), (form.Theta, again.Theta), (form.right, again.right)):
        assert_within(after, before, 20 * m1 * EPS * max(1.0, float(before.norm())))


@all_points
def test_singular_values(flavor, m1, m2, rank, batch):
    Z = point(flavor, m1, m2, rank, batch)
    expected = torch.linalg.svdvals(Z.dense())
    actual = Z.singular_values()
    count = min(expected.shape[-1], actual.shape[-1])
    assert count == min(*Z.shape, rank)
    assert_within(actual[..., :count], expected[..., :count], rounding(Z))
    assert (expected[..., count:] <= rounding(Z)).all()


@symmetric_flavors
@sizes
@batches
def test_eigenvalues(flavor, m1, m2, rank, batch):
    Z = point(flavor, m1, m2, rank, batch)
    actual = Z.eigenvalues()
    assert actual.shape[-1] == min(m1, rank)
    assert not actual.is_complex()
    assert (actual.abs().diff(dim=-1) <= rounding(Z)).all()
    padded = torch.cat([actual, torch.zeros(*batch, m1 - actual.shape[-1], dtype=torch.float64)], -1)
    assert_within(padded.sort(dim=-1).values, torch.linalg.eigvalsh(Z.dense()), rounding(Z))


@flavors
@batches
@pytest.mark.parametrize("keep", [1, 2, 4])
def test_truncation_is_the_best_approximation(flavor, batch, keep):
    """Eckart-Young: what is lost are the smallest singular values, and the kept part is that of an SVD."""
    Z = point(flavor, 6, 5, 4, batch)
    T = Z.truncate(keep)
    U, values, Vh = torch.linalg.svd(Z.dense(), full_matrices=False)
    best = (U[..., :keep] * values[..., None, :keep].to(Z.dtype)) @ Vh[..., :keep, :]
    gap = float((values[..., keep - 1] - values[..., keep]).min())
    # Singular subspaces are known to machine epsilon times the norm over the gap.
    assert_within(T.dense(), best, rounding(Z) * max(1.0, float(values.max()) / gap))
    assert T.width == keep
    lost = values[..., keep:].square().sum(-1).sqrt()
    assert_within(T.distance(Z), lost, 10 * rounding(Z))


def test_truncation_beyond_the_width_keeps_everything():
    Z = point(HERMITIAN, 6, 6, 2)
    assert Z.truncate(5).width == 2
    assert float(Z.truncate(5).distance(Z)) <= rounding(Z)


@symmetric_flavors
@batches
def test_positive_part_is_the_nearest_positive_semidefinite_matrix(flavor, batch):
    Z = point(flavor, 6, 6, 4, batch)
    values, vectors = torch.linalg.eigh(Z.dense())
    assert (values[..., 0] < 0).all()
    expected = (vectors * values.clamp(min=0).unsqueeze(-2)) @ vectors.mH
    P = Z.positive_part()
    gap = float(values.square().sum(-1).sqrt().max() / values.abs().sort(dim=-1).values[..., 2:].min())
    assert_within(P.dense(), expected, gap * rounding(Z))
    # Exactly, not to rounding: an answer of kind psd is psd.
    assert (torch.diagonal(P.Theta, dim1=-2, dim2=-1).real >= 0).all()


@flavors
def test_rank_counts_singular_values_above_the_tolerance(flavor):
    X = haar_frame(8, 4, generator=generator(), dtype=flavor.dtype())
    Theta = torch.diag(torch.tensor([1.0, 1e-3, 1e-9, 0], dtype=torch.float64)).to(flavor.dtype())
    Y = None if flavor.kind.is_symmetric else haar_frame(6, 4, generator=generator(1), dtype=flavor.dtype())
    Z = LowRank(X, Theta, Y)
    assert [Z.rank(), Z.rank(1e-2), Z.rank(1e-10)] == [2, 1, 3]
    # A multiple has the same rank, twice the same columns too.
    assert Z.scaled(1e-30).rank() == 2
    assert Z.plus(Z).rank() == 2
    assert Z.scaled(0.0).rank() == 0


def test_rank_of_a_batch_is_the_greatest():
    X = haar_frame(5, 2, batch=(2,), generator=generator())
    Theta = torch.diag_embed(torch.tensor([[1.0, 0], [1, 1]], dtype=torch.float64))
    assert LowRank(X, Theta).rank() == 2


def test_sides_of_different_widths():
    """Beside a Y of q columns, Theta is r x q."""
    Z = LowRank(normal(5, 2), normal(2, 3, rng=generator(1)), normal(4, 3, rng=generator(2)))
    assert Z.shape == (5, 4)
    assert_within(Z.orthonormal().dense(), Z.dense(), rounding(Z))
    assert Z.mH.shape == (4, 5)


def test_precision_is_changed_by_to():
    Z = point(COMPLEX_RECTANGULAR, 5, 4, 2)
    single = Z.to(dtype=torch.complex64)
    assert single.dtype == torch.complex64
    assert_within(single.dense().to(Z.dtype), Z.dense(), rounding(Z) * 2**29)
    assert Z.to(device="cpu").dtype == Z.dtype
    assert Z.to(device="meta").X.device.type == "meta"


@flavors
def test_everything_keeps_single_precision(flavor):
    dtype = flavor.dtype(torch.float32)
    Z = point(flavor, 5, 4, 2).to(dtype=dtype)
    results = [Z.mH, Z.scaled(2.0), Z.plus(Z), Z.minus(Z), Z.orthonormal(), Z.truncate(1)]
    assert {result.dtype for result in results} == {dtype}
    numbers = [Z.norm(), Z.inner(Z), Z.distance(Z), Z.singular_values()]
    assert {number.dtype for number in numbers} == {torch.float32}


def test_it_is_printed_without_its_entries():
    assert str(point(RECTANGULAR, 5, 4, 2)) == "5 x 4 matrix in 2 directions"
    assert str(point(HERMITIAN, 5, 5, 2, (2, 3))) == "2 x 3 batch of 5 x 5 matrix in 2 directions"


@pytest.mark.parametrize(
    ("action", "needed", "came"),
    [
        (lambda Z, R: Z @ normal(4, 1), "5 rows", "4"),
        (lambda Z, R: Z.inner(R), "the other matrix of size 5 x 5", "5 x 4"),
        (lambda Z, R: Z.plus(R), "the other matrix of size 5 x 5", "5 x 4"),
        (lambda Z, R: R.distance(Z), "the other matrix of size 5 x 4", "5 x 5"),
        (lambda Z, R: R.minus(Z), "the other matrix of size 5 x 4", "5 x 5"),
        (lambda Z, R: R.trace(), "a square matrix", "5 x 4"),
        (lambda Z, R: R.eigenvalues(), "a symmetric matrix", "a rectangular one; ask for singular_values()"),
        (lambda Z, R: R.positive_part(), "a symmetric matrix", "a rectangular one"),
        (lambda Z, R: Z.truncate(0), "the rank to keep between 1 and 5", "0"),
        (lambda Z, R: R.truncate(5), "the rank to keep between 1 and 4", "5"),
        (lambda Z, R: LowRank(Z.X, normal(3, 3)), "Theta beside factors 5 x 2 of size 2 x 2", "3 x 3"),
        (lambda Z, R: LowRank(R.X, normal(2, 3), R.Y), "beside factors 5 x 2 and 4 x 2 of size 2 x 2", "2 x 3"),
        (lambda Z, R: LowRank(Z.X, Z.Theta.expand(3, 2, 2)), "of size 2 x 2", "3 x 2 x 2"),
        (lambda Z, R: LowRank(R.X, R.Theta, R.X.expand(3, 5, 2)), "the batch of Y beside X 5 x 2 of size ()", "3"),
        (lambda Z, R: LowRank(Z.X, Z.Theta.float()), "X's torch.float64", "torch.float32 and torch.float64"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_what_does_not_fit_is_refused(action, needed, came):
    Z, R = point(PSD, 5, 5, 2), point(RECTANGULAR, 5, 4, 2)
    with pytest.raises(InputError, match=f"needed .*{re.escape(needed)}.*, got .*{re.escape(came)}"):
        action(Z, R)
