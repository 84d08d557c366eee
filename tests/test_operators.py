"""The laws of operators, for every entry of the shared list, and what single ensembles promise besides."""

import math

import pytest
import torch

from cases.draws import generator, hermitian, normal, random_point
from cases.flavors import ALL_FLAVORS, COMPLEX_RECTANGULAR, HERMITIAN, QUADRATIC
from cases.operator_laws import assert_laws_hold, assert_within, fast_laws, measured_literally, orders, refusal
from cases.operators import OPERATORS, factor_norms
from cases.orders import DEVICES, Order
from wnsense.checks import InputError
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank

CASES = [pytest.param(case, flavor, id=f"{case.name}-{flavor}") for case in OPERATORS for flavor in case.flavors]


@pytest.mark.parametrize(("case", "flavor"), CASES)
def test_all_laws_hold(case, flavor):
    """Every law in the largest size; every size and precision with one flavor. The rest is in the full product."""
    for order in orders(case, flavor):
        assert_laws_hold(case, order, fast_laws(case, flavor, order))


# ------------------------------------------------------------------------------------------------- ensembles

DRAWN = [
    pytest.param(case, flavor, id=f"{case.name}-{flavor}")
    for case in OPERATORS
    for flavor in case.flavors
    if case.independent and case.make(Order(flavor, 1, (2, 2)))[0].second_moment is not None
]


@pytest.mark.parametrize(("case", "flavor"), DRAWN)
def test_declared_second_moment_is_that_of_a_large_draw(case, flavor):
    """M*M(Z) is the mean of n i.i.d. terms n y_i M_i: each entry within 5 standard errors of alpha Z + beta Tr(Z) I."""
    n, shape = 100_000, (3, 3) if flavor.kind.is_symmetric else (3, 2)
    operator, M = case.make(Order(flavor, n, shape))
    point = random_point(flavor, shape, 2)
    Z = point.dense()
    alpha, beta = operator.second_moment
    expected = alpha * Z
    if flavor.kind.is_symmetric:
        expected = expected + beta * Z.trace() * torch.eye(3)

    terms = n * measured_literally(M, Z)[:, None, None] * M
    parts = (torch.real, torch.imag) if flavor.is_complex else (torch.real,)
    largest = 0.0
    for part in parts:
        mean, error = part(terms).mean(0), part(terms).std(0) / math.sqrt(n)
        assert ((mean - part(expected)).abs() <= 5 * error + 1e-12).all()
        largest = max(largest, float(error.max()))
    # Were the errors large, anything would pass.
    assert 5 * largest < 0.2 * float(torch.linalg.vector_norm(expected))


@pytest.mark.parametrize(("case", "flavor"), DRAWN)
def test_a_seed_names_a_draw(case, flavor):
    first, again = (case.make(Order(flavor, 5, (3, 3)))[1] for _ in range(2))
    assert torch.equal(first, again)
    other = Order(flavor, 5, (3, 3))
    other.rng.manual_seed(8)
    assert not torch.equal(case.make(other)[1], first)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ensemble", [GaussianSensing, RankOneSensing, PairedRankOneSensing])
def test_a_seed_means_the_same_on_every_device(ensemble, device):
    on_cpu = ensemble.draw(7, 3, generator=generator(3))
    there = ensemble.draw(7, 3, generator=generator(3), device=device)
    assert there.device.type == device
    v = torch.ones(7, dtype=torch.float64)
    assert_within(there.adjoint(v.to(device)).cpu(), on_cpu.adjoint(v), 1e-14)


def test_paper_normalization_of_the_gaussian_ensemble():
    """M_i = sym(G_i)/sqrt(n) has diagonal entries of variance 1/n and others of 1/(2n), independent."""
    n = 40_000
    operator = GaussianSensing.draw(n, 3, generator=generator())
    variance = n * operator.kind.unpack(operator.rows, (3, 3), is_complex=False).square().mean(0)
    expected = (1 + torch.eye(3, dtype=torch.float64)) / 2
    # The variance of n squares of normal numbers of variance s is 2 s^2 / n.
    assert ((variance - expected).abs() <= 5 * expected * math.sqrt(2 / n)).all()


@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
def test_paired_measurements_of_multiples_of_the_identity_have_mean_zero(flavor):
    operator = PairedRankOneSensing.draw(20_000, 4, kind=flavor.kind, generator=generator())
    traces = operator.traces()
    assert abs(float(traces.mean())) <= 5 * float(traces.std()) / math.sqrt(20_000)


def test_rank_one_measurements_of_psd_matrices_are_not_negative():
    operator = RankOneSensing.draw(50, 5, generator=generator())
    F = normal(5, 2)
    assert (operator.measure(LowRank(F, torch.eye(2, dtype=torch.float64))) >= 0).all()


@pytest.mark.parametrize("flavor", [HERMITIAN, COMPLEX_RECTANGULAR], ids=str)
def test_matrices_that_are_lazily_conjugated_are_taken(flavor):
    M = normal(5, 4, 4, dtype=torch.complex128)
    lazy = M.conj()
    assert lazy.is_conj()
    operator = DenseSensing.from_matrices(lazy, flavor.kind)
    eager = lazy.resolve_conj()
    expected = hermitian(eager) if flavor is HERMITIAN else eager
    assert_within(operator.adjoint(torch.eye(5, dtype=torch.float64)), expected, 1e-15 * float(M.abs().max()))


def test_real_matrices_measure_hermitian_unknowns_by_their_symmetric_part():
    M = normal(5, 4, 4)
    operator = DenseSensing.from_matrices(M, "hermitian")
    point = random_point(HERMITIAN, (4, 4), 2)
    expected = measured_literally(hermitian(M).to(torch.complex128), point.dense())
    assert_within(operator.measure(point), expected, 1e-14 * float(M.norm()) * factor_norms(point))


def test_packing_in_blocks_changes_nothing(monkeypatch):
    M = normal(7, 3, 3)
    whole = DenseSensing.from_matrices(M).rows
    monkeypatch.setattr("wnsense.sensing.ensembles.dense._BLOCK_ENTRIES", 20)
    assert torch.equal(DenseSensing.from_matrices(M).rows, whole)


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_packing_keeps_inner_products_and_is_undone(flavor):
    shape = (5, 5) if flavor.kind.is_symmetric else (5, 3)
    first, second = (random_point(flavor, shape, 3, rng=generator(s)).dense() for s in (1, 2))
    kind = flavor.kind
    a, b = kind.pack(first), kind.pack(second)
    assert a.shape == (kind.dimension(shape, is_complex=flavor.is_complex),)
    bound = 25 * torch.finfo(torch.float64).eps * float(first.norm() * second.norm())
    assert_within(a @ b, (first.conj() * second).sum().real, bound)
    assert_within(kind.unpack(a, shape, is_complex=flavor.is_complex), first, 1e-15 * float(first.abs().max()))


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_degrees_of_freedom_are_the_dimension_of_the_tangent_space(flavor, rank):
    shape = (4, 4) if flavor.kind.is_symmetric else (5, 4)
    point = random_point(flavor, shape, rank)
    X, Theta, Y = point.X, point.Theta, point.right

    def basis(like):
        units = torch.eye(like.numel(), dtype=torch.float64).reshape(-1, *like.shape).to(like.dtype)
        return torch.cat([units, 1j * units]) if like.is_complex() else units

    if flavor.kind.is_symmetric:
        dS, dX = hermitian(basis(Theta)), basis(X)
        tangents = [X @ dS @ X.mH, dX @ Theta @ X.mH + X @ Theta @ dX.mH]
    else:
        tangents = [X @ basis(Theta) @ Y.mH, basis(X) @ Theta @ Y.mH, X @ Theta @ basis(Y).mH]
    J = flavor.kind.pack(torch.cat(tangents))
    expected = flavor.kind.degrees_of_freedom(shape, rank, is_complex=flavor.is_complex)
    assert int(torch.linalg.matrix_rank(J, rtol=1e-10)) == expected


def test_degrees_of_freedom_of_an_operator():
    operator = GaussianSensing.draw(3, (6, 4), kind="rectangular", dtype=torch.complex128)
    assert (operator.dimension, operator.degrees_of_freedom(2)) == (48, 32)


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: GaussianSensing.draw(0, 3), "at least one measurement", "0"),
        (lambda: GaussianSensing.draw(5, 0), "sides of at least 1", "(0, 0)"),
        (lambda: GaussianSensing.draw(5, (3, 4)), "square shape for kind psd", "3 x 4"),
        (lambda: GaussianSensing.draw(5, 3, dtype=torch.complex128), "real dtype for kind psd", "torch.complex128"),
        (lambda: GaussianSensing.draw(5, 3, kind="hermitian", dtype=torch.float64), "complex dtype", "torch.float64"),
        (lambda: RankOneSensing.draw(0, 3), "positive number of measurements and size", "0 and 3"),
        (lambda: PairedRankOneSensing.draw(5, 0), "positive number of measurements and size", "5 and 0"),
        (lambda: RankOneSensing.draw(5, 3, kind="rectangular"), "symmetric kind for quadratic", "rectangular"),
        (
            lambda: RankOneSensing.from_vectors(normal(5, 3), Kind.HERMITIAN),
            "complex dtype for kind hermitian",
            "torch.float64",
        ),
        (
            lambda: RankOneSensing.from_vectors(normal(5, 3, dtype=torch.complex128)),
            "real dtype for kind psd",
            "torch.complex128",
        ),
        (lambda: RankOneSensing.from_vectors(normal(0, 3)), "at least one measurement", "none"),
        (lambda: DenseSensing.from_rows(normal(0, 6), (3, 3)), "at least one measurement", "none"),
        (lambda: DenseSensing.from_rows(normal(5, 7), (3, 3)), "6 numbers in a packed psd measurement", "7"),
        (lambda: DenseSensing.from_rows(normal(5, 7), (3, 3), Kind.HERMITIAN), "9 numbers in a packed hermitian", "7"),
        (
            lambda: DenseSensing.from_rows(normal(5, 7), (3, 2), Kind.RECTANGULAR),
            "6 numbers in a packed rectangular",
            "7",
        ),
        (lambda: DenseSensing.from_rows(normal(5, 6), (3, 4)), "square shape for kind psd", "3 x 4"),
        (lambda: DenseSensing.from_matrices(normal(5, 3, 4)), "square matrices for kind psd", "3 x 4"),
        (lambda: DenseSensing.from_matrices(torch.ones(5, 9)), "matrices of size n x m1 x m2", "5 x 9"),
        (
            lambda: DenseSensing.from_matrices(normal(5, 3, 3, dtype=torch.complex128)),
            "a real dtype for kind psd",
            "torch.complex128",
        ),
        (
            lambda: PairedRankOneSensing.from_vectors(normal(5, 3), normal(5, 3).float()),
            "vectors_minus of torch.float64",
            "torch.float32",
        ),
    ],
)
def test_what_no_operator_can_be_made_of_is_refused(make, needed, came):
    with pytest.raises(InputError, match=refusal(needed, came)):
        make()


def test_an_unknown_kind_names_itself():
    with pytest.raises(ValueError, match="triangular"):
        GaussianSensing.draw(5, 3, kind="triangular")
