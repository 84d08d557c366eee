"""The laws of operators, for every entry of the shared list, and what single ensembles promise besides."""

import dataclasses
import math
import re

import pytest
import torch

from cases.operators import OPERATORS, Bench, benches, factor_norms
from cases.orders import (
    ALL_FLAVORS,
    COMPLEX_RECTANGULAR,
    DEVICES,
    HERMITIAN,
    QUADRATIC,
    Order,
    generator,
    hermitian,
    normal,
    random_point,
)
from wnsense.checks import InputError
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import RowDual


def made(request) -> Bench:
    case, order = request.param
    # A copy, whose generator is fresh: no test depends on another.
    order = dataclasses.replace(order)
    return Bench(order, *case.make(order))


bench = pytest.fixture(params=benches(), name="bench")(made)
symmetric_bench = pytest.fixture(params=benches(lambda case, flavor: flavor.kind.is_symmetric), name="symmetric_bench")(
    made
)
data_bench = pytest.fixture(params=benches(lambda case, flavor: case.holds_data), name="data_bench")(made)


def measured_literally(M, Z):
    return torch.einsum("nij,...ij->...n", M.conj(), Z).real


def adjoint_literally(v, M):
    return torch.einsum("...n,nij->...ij", v.to(M.dtype), M)


def assert_within(actual, expected, bound: float):
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    distance = float((actual - expected).abs().max())
    assert distance <= bound, f"{distance} > {bound}"


def test_measurements_are_inner_products_with_the_matrices(bench):
    point = bench.point()
    expected = measured_literally(bench.matrices, point.dense())
    assert_within(bench.operator.measure(point), expected, bench.rounding(bench.matrices, factor_norms(point)))


def test_back_projection_of_unit_vectors_gives_the_matrices(bench):
    R = bench.operator.adjoint(torch.eye(bench.order.count, dtype=bench.order.real_dtype))
    assert_within(R, bench.matrices, bench.rounding(bench.matrices))


def test_adjoint_identity(bench):
    point, v = bench.point(), bench.vector()
    left = bench.operator.measure(point) @ v
    right = (bench.operator.adjoint(v).conj() * point.dense()).sum().real
    assert_within(left, right, bench.rounding(bench.matrices, v, factor_norms(point)))


def test_adjoint_identity_through_the_factors(bench):
    point, v = bench.point(), bench.vector()
    left = bench.operator.measure(point) @ v
    RY = bench.operator.adjoint_times(v, point.right)
    right = ((point.X @ point.Theta).conj() * RY).sum().real
    assert_within(left, right, bench.rounding(bench.matrices, v, factor_norms(point)))


def test_measuring_is_linear(bench):
    first, second = bench.point(), bench.point(rank=3)
    measure = bench.operator.measure
    expected = measure(first) - 3 * measure(second)
    bound = bench.rounding(bench.matrices, factor_norms(first) + 3 * factor_norms(second))
    # The sum has factors of its own, whose norms are larger than either's.
    both = first.plus(second.scaled(-3.0))
    assert_within(measure(both), expected, bound + bench.rounding(bench.matrices, factor_norms(both)))


def test_back_projecting_is_linear(bench):
    v, w = bench.vector(), bench.vector()
    adjoint = bench.operator.adjoint
    assert_within(
        adjoint(2 * v - w), 2 * adjoint(v) - adjoint(w), 4 * bench.rounding(bench.matrices, v.norm() + w.norm())
    )


def test_adjoint_times_is_the_matrix_times_a_factor(bench):
    v, V = bench.vector(), bench.factor(side=1)
    expected = adjoint_literally(v, bench.matrices) @ V
    assert_within(bench.operator.adjoint_times(v, V), expected, bench.rounding(bench.matrices, v, V))


def test_adjoint_transpose_times_is_the_conjugate_transpose_times_a_factor(bench):
    v, U = bench.vector(), bench.factor(side=0)
    expected = adjoint_literally(v, bench.matrices).mH @ U
    assert_within(bench.operator.adjoint_transpose_times(v, U), expected, bench.rounding(bench.matrices, v, U))


def test_dense_adjoint_is_adjoint_times_the_identity(bench):
    v = bench.vector()
    identity = torch.eye(bench.order.shape[1], dtype=bench.order.dtype)
    actual = bench.operator.adjoint(v)
    assert_within(actual, bench.operator.adjoint_times(v, identity), bench.rounding(bench.matrices, v))


def test_back_projection_is_hermitian_for_the_symmetric_kinds(symmetric_bench):
    v = symmetric_bench.vector()
    R = symmetric_bench.operator.adjoint(v)
    assert_within(R, R.mH, symmetric_bench.rounding(symmetric_bench.matrices, v))


@pytest.mark.parametrize("batch", [(3,), (2, 3)])
def test_a_batch_is_a_loop(bench, batch):
    operator, count = bench.operator, math.prod(batch)
    points, v = bench.point(batch=batch), bench.vector(batch)
    V, U = bench.factor(side=1, batch=batch), bench.factor(side=0, batch=batch)

    def loop(function, *arguments):
        flat = [a.flatten(0, len(batch) - 1) for a in arguments]
        return torch.stack([function(*(a[i] for a in flat)) for i in range(count)]).unflatten(0, batch)

    factors = (points.X, points.Theta) if points.Y is None else (points.X, points.Theta, points.Y)
    one_by_one = loop(lambda *f: operator.measure(LowRank(*f)), *factors)
    assert_within(operator.measure(points), one_by_one, bench.rounding(bench.matrices, factor_norms(points)))
    for function, arguments in (
        (operator.adjoint, (v,)),
        (operator.adjoint_times, (v, V)),
        (operator.adjoint_transpose_times, (v, U)),
    ):
        assert_within(function(*arguments), loop(function, *arguments), bench.rounding(bench.matrices, *arguments))


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_pulling_back_is_measuring_and_back_projecting_at_once(bench, batch, width):
    operator, point = bench.operator, bench.point(batch=batch)
    weight, target = bench.vector().abs(), bench.vector()
    for dual in (RowDual(weight), RowDual(weight, target), lambda y: weight * (y - y.mean(-1, keepdim=True))):
        back = operator.pull_back(point, dual, width=width)
        y = operator.measure(point)
        assert_within(back.measurements, y, bench.rounding(bench.matrices, factor_norms(point)))
        v = dual(y)
        scale = bench.rounding(bench.matrices, weight) * (
            float(bench.matrices.norm()) * factor_norms(point) + float(target.norm())
        )
        Y, X = point.right[..., :width], point.X[..., :width]
        assert_within(back.left, operator.adjoint_times(v, Y), scale * float(Y.norm()))
        assert (back.right is None) == point.is_symmetric
        if back.right is not None:
            assert_within(back.right, operator.adjoint_transpose_times(v, X), scale * float(X.norm()))


def test_traces_are_those_of_the_matrices(symmetric_bench):
    M, size = symmetric_bench.matrices, symmetric_bench.order.shape[0]
    expected = torch.einsum("nii->n", M).real
    assert_within(symmetric_bench.operator.traces(), expected, symmetric_bench.rounding(M, float(size)))


def test_it_says_what_it_is(bench):
    operator, order = bench.operator, bench.order
    assert (operator.kind, operator.shape, operator.count) == (order.flavor.kind, order.shape, order.count)
    assert (operator.dtype, operator.real_dtype) == (order.dtype, order.real_dtype)
    assert operator.is_complex == order.flavor.is_complex
    m1, m2 = order.shape
    assert str(operator).endswith(f": {order.count} measurements of a {order.flavor.kind} {m1} x {m2} matrix")


def test_dtypes_are_kept(bench):
    operator, order = bench.operator, bench.order
    v = bench.vector()
    assert operator.measure(bench.point()).dtype == order.real_dtype
    assert operator.adjoint(v).dtype == order.dtype
    assert operator.adjoint_times(v, bench.factor(side=1)).dtype == order.dtype
    assert operator.adjoint_transpose_times(v, bench.factor(side=0)).dtype == order.dtype


def test_nothing_is_made_on_another_device(data_bench):
    """On the meta device no number exists: whatever were made on the CPU on the way would be refused."""
    fields = {f.name: getattr(data_bench.operator, f.name) for f in dataclasses.fields(data_bench.operator) if f.init}
    tensors = {name: value.to("meta") for name, value in fields.items() if isinstance(value, torch.Tensor)}
    operator = dataclasses.replace(data_bench.operator, **tensors)
    assert operator.device.type == "meta"
    v, point = data_bench.vector().to("meta"), data_bench.point().to(device="meta")
    for result in (
        operator.measure(point),
        operator.adjoint(v),
        operator.adjoint_times(v, data_bench.factor(side=1).to("meta")),
        operator.adjoint_transpose_times(v, data_bench.factor(side=0).to("meta")),
    ):
        assert result.device.type == "meta"


# ------------------------------------------------------------------------------------------- what is refused


def refusal(needed: str, came: str) -> str:
    return f"needed .*{re.escape(needed)}.*, got .*{re.escape(came)}"


def test_a_point_of_another_shape_is_refused(bench):
    m1, m2 = bench.order.shape
    point = random_point(bench.order.flavor, (m1 + 1, m2 + 1), 1, dtype=bench.order.real_dtype)
    with pytest.raises(InputError, match=refusal(f"{m1} x {m2}", f"{m1 + 1} x {m2 + 1}")):
        bench.operator.measure(point)


def test_a_point_of_another_dtype_is_refused(bench):
    other = bench.order.flavor.dtype(torch.float32 if bench.order.real_dtype == torch.float64 else torch.float64)
    with pytest.raises(InputError, match=refusal(str(bench.order.dtype), str(other))):
        bench.operator.measure(bench.point().to(dtype=other))


def test_a_point_with_two_sides_is_refused_by_the_symmetric_kinds(symmetric_bench):
    point, kind = symmetric_bench.point(), symmetric_bench.operator.kind
    with pytest.raises(InputError, match=refusal(f"a symmetric matrix (X, Theta) for kind {kind}", "one with a Y")):
        symmetric_bench.operator.measure(LowRank(point.X, point.Theta, point.X))


def test_vectors_and_factors_of_other_sizes_are_refused(bench):
    operator, n = bench.operator, bench.order.count
    v, V, U = bench.vector(), bench.factor(side=1), bench.factor(side=0)
    longer = torch.cat([v, v])
    size = refusal(f"measurements of size {n}", str(2 * n))
    with pytest.raises(InputError, match=size):
        operator.adjoint(longer)
    with pytest.raises(InputError, match=size):
        operator.adjoint_times(longer, V)
    with pytest.raises(InputError, match=size):
        operator.adjoint_transpose_times(longer, U)
    for function, factor in ((operator.adjoint_times, V), (operator.adjoint_transpose_times, U)):
        rows = factor.shape[0]
        with pytest.raises(InputError, match=refusal(f"{rows} rows", str(2 * rows))):
            function(v, torch.cat([factor, factor]))


def test_vectors_and_factors_of_other_dtypes_are_refused(bench):
    operator, v, V = bench.operator, bench.vector(), bench.factor(side=1)
    other = torch.float32 if bench.order.real_dtype == torch.float64 else torch.float64
    with pytest.raises(InputError, match=refusal(str(v.dtype), str(other))):
        operator.adjoint(v.to(other))
    wrong = V.to(other.to_complex() if V.is_complex() else other)
    with pytest.raises(InputError, match=refusal(str(V.dtype), str(wrong.dtype))):
        operator.adjoint_times(v, wrong)


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
        (lambda: RankOneSensing(normal(5, 3), Kind.HERMITIAN), "complex dtype for kind hermitian", "torch.float64"),
        (lambda: RankOneSensing(normal(5, 3, dtype=torch.complex128)), "real dtype for kind psd", "torch.complex128"),
        (lambda: RankOneSensing(normal(0, 3)), "at least one measurement", "none"),
        (lambda: DenseSensing(normal(0, 6), (3, 3)), "at least one measurement", "none"),
        (lambda: DenseSensing(normal(5, 7), (3, 3)), "6 numbers in a packed psd measurement", "7"),
        (lambda: DenseSensing(normal(5, 7), (3, 3), Kind.HERMITIAN), "9 numbers in a packed hermitian", "7"),
        (lambda: DenseSensing(normal(5, 7), (3, 2), Kind.RECTANGULAR), "6 numbers in a packed rectangular", "7"),
        (lambda: DenseSensing(normal(5, 6), (3, 4)), "square shape for kind psd", "3 x 4"),
        (lambda: DenseSensing.from_matrices(normal(5, 3, 4)), "square matrices for kind psd", "3 x 4"),
        (lambda: DenseSensing.from_matrices(torch.ones(5, 3, 3, dtype=torch.int64)), "floating-point", "torch.int64"),
        (
            lambda: DenseSensing.from_matrices(normal(5, 3, 3, dtype=torch.complex128)),
            "a real dtype for kind psd",
            "torch.complex128",
        ),
        (
            lambda: PairedRankOneSensing(normal(5, 3), normal(5, 3).float()),
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
