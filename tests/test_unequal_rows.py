"""Rows that differ in size by decades: exact answers do not depend on it, and noise is weighed as the rows tell."""

import pytest
import torch

import wnsense as wn
from cases.draws import generator
from cases.watched import watched
from wnsense import operators
from wnsense.sensing.combining.equal_rows import effective_share, equal_rows

NOISE = 0.01
RANK = 2


def dense(count, size, kind, rng):
    m1, m2 = size if isinstance(size, tuple) else (size, size)
    dtype = torch.complex128 if kind == "hermitian" else torch.float64
    return operators.DenseSensing.from_matrices(torch.randn(count, m1, m2, generator=rng, dtype=dtype), kind)


def entries(count, size, kind, rng):
    drawn = operators.EntrySensing.draw(count, size, kind=kind, generator=rng)
    return operators.EntrySensing.from_places(drawn.rows, drawn.columns, size, kind, imaginary=drawn.imaginary)


def rank_one(count, size, kind, rng):
    dtype = torch.complex128 if kind == "hermitian" else torch.float64
    if isinstance(size, tuple):
        left, right = (torch.randn(count, side, generator=rng, dtype=dtype) for side in size)
        return operators.RectangularRankOneSensing.from_vectors(left, right)
    return operators.RankOneSensing.from_vectors(torch.randn(count, size, generator=rng, dtype=dtype), kind)


def functions(count, size, kind, rng):
    inner = dense(count, size, kind, rng)
    return operators.from_functions(
        lambda Z: (
            inner.measure(wn.LowRank(Z, torch.eye(Z.shape[-1], dtype=Z.dtype), torch.eye(Z.shape[-1]).to(Z)))
            if kind == "rectangular"
            else inner.measure(wn.LowRank(torch.eye(len(Z)).to(Z), (Z + Z.mH) / 2))
        ),
        inner.adjoint,
        n=count,
        size=size,
        kind=kind,
        dtype=inner.dtype,
    )


ENSEMBLES = {"dense": (dense, 12), "entries": (entries, 30), "rank-one": (rank_one, 16)}
KINDS = ("psd", "symmetric", "hermitian", "rectangular")


def of_all(function):
    """Run a test for all ensembles and kinds; the fast suite takes two kinds."""
    for name, values in (("ensemble", ENSEMBLES), ("kind", KINDS)):
        function = pytest.mark.parametrize(name, values)(function)
    return pytest.mark.fast(kind=("psd", "rectangular"))(function)


def posed(ensemble, kind, share=5.0, seed=0):
    """Return an operator, a matrix of rank 2, its measurements, numbers of one size each, and normal errors."""
    make, side = ENSEMBLES.get(ensemble, (functions, 10))
    size = (side, side + 3) if kind == "rectangular" else side
    rng = generator(seed)
    truth = wn.low_rank(size, RANK, 2.0, kind=kind, generator=rng)
    count = int(share * wn.Space.from_size(size, kind).degrees_of_freedom(RANK))
    operator = make(count, size, kind, rng)
    y = operator.measure(truth)
    errors = torch.randn(count, generator=rng, dtype=y.dtype) * (NOISE * y.square().mean().sqrt())
    return operator, truth, y, errors, rng


def spread(count, decades, rng):
    """Return numbers whose logarithms are spread evenly over some decades."""
    return 10 ** (decades * (torch.rand(count, generator=rng, dtype=torch.float64) - 0.5))


def assert_exact(recovery):
    assert recovery.status == wn.Status.CONVERGED
    assert recovery.rank == RANK
    assert recovery.relative_error < 1e-8
    assert not recovery.warnings


@of_all
@pytest.mark.parametrize("decades", [6, 16])
def test_an_exact_answer_does_not_depend_on_weights(ensemble, kind, decades):
    operator, truth, y, _, rng = posed(ensemble, kind)
    assert_exact(wn.recover(operator, y, weights=spread(len(y), decades, rng), truth=truth))


@of_all
def test_an_exact_answer_does_not_depend_on_units(ensemble, kind):
    operator, truth, y, _, rng = posed(ensemble, kind)
    units = spread(len(y), 6, rng)
    assert_exact(wn.recover(operators.row_weighted(operator, units), units * y, truth=truth))


@of_all
def test_noise_in_proportion_to_units_costs_nothing(ensemble, kind):
    operator, truth, y, errors, rng = posed(ensemble, kind)
    units = spread(len(y), 6, rng)
    recovery = wn.recover(operators.row_weighted(operator, units), units * (y + errors), truth=truth)
    plain = wn.recover(operator, y + errors, truth=truth)
    assert recovery.status == plain.status == wn.Status.REACHED_NOISE_FLOOR
    assert recovery.rank == RANK
    # The norms of the rows differ by chi-square, whose weights cost a little.
    assert recovery.relative_error < 1.5 * plain.relative_error
    assert any("differ in size" in warning and "weights=" in warning for warning in recovery.warnings)


@of_all
def test_errors_of_one_size_are_weighed_alike_whatever_the_units(ensemble, kind):
    operator, truth, y, errors, rng = posed(ensemble, kind)
    units = spread(len(y), 2, rng)
    recovery = wn.recover(operators.row_weighted(operator, units), units * y + errors, truth=truth)
    assert recovery.status == wn.Status.REACHED_NOISE_FLOOR
    # Rows over their units have errors up to ten times as large.
    wrong = wn.recover(operator, y + errors / units, truth=truth)
    assert recovery.relative_error < wrong.relative_error / 2
    assert not any("differ in size" in warning for warning in recovery.warnings)


@of_all
def test_errors_that_weights_state_are_weighed_by_them(ensemble, kind):
    operator, truth, y, errors, rng = posed(ensemble, kind, share=6.0)
    deviations = spread(len(y), 3, rng)
    recovery = wn.recover(operator, y + deviations * errors, weights=deviations**-2, truth=truth)
    assert recovery.status == wn.Status.REACHED_NOISE_FLOOR
    unweighted = wn.recover(operator, y + deviations * errors, truth=truth)
    assert recovery.relative_error < unweighted.relative_error / 5
    assert not any("do not follow" in warning for warning in recovery.warnings)
    # The same weights for errors of one size.
    doubted = wn.recover(operator, y + errors, weights=deviations**-2, truth=truth)
    assert any("do not follow the weights" in warning for warning in doubted.warnings)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_of_rows_of_functions_are_measured_where_measurements_spread(kind):
    operator, truth, y, errors, rng = posed("functions", kind)
    units = spread(len(y), 6, rng)
    scaled = operators.row_weighted(operator, units)
    assert_exact(wn.recover(scaled, units * y, truth=truth))
    assert wn.recover(scaled, units * (y + errors), truth=truth).relative_error < 2 * NOISE
    equal = equal_rows(wn.Problem(scaled, units * y), has_weights=False, seed=0)
    assert equal is not None
    assert equal.applications > 0
    ratio = equal.sizes / (units * scaled.operator.measure(truth).square().mean().sqrt())
    assert float(ratio.log().std()) < 0.5
    assert equal_rows(wn.Problem(operator, y), has_weights=False, seed=0) is None


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: operators.RankOneSensing.from_vectors(torch.randn(200, 8, generator=rng, dtype=torch.float64)),
        lambda rng: operators.GaussianSensing.draw(200, 8, generator=rng),
        lambda rng: operators.PairedRankOneSensing.draw(200, 8, generator=rng),
        lambda rng: operators.EntrySensing.draw(30, 8, generator=rng),
        lambda rng: operators.PauliSensing.draw(50, 3, generator=rng),
        lambda rng: operators.CodedDiffractionSensing.draw(6, 16, law="ternary", generator=rng),
    ],
)
def test_rows_of_one_size_stay_as_they_are_without_an_application(draw):
    operator = draw(generator(3))
    point = wn.low_rank(operator.shape[0], 2, kind=str(operator.kind), generator=generator(4))
    y = operator.measure(point)

    def refuse():
        raise AssertionError("an application")

    seen = watched(operator, refuse)
    if operator.second_moment is not None:
        assert equal_rows(wn.Problem(seen, y), has_weights=False, seed=0) is None
    assert equal_rows(wn.Problem(operator, y), has_weights=False, seed=0) is None


@of_all
def test_rows_of_one_size_are_an_equivalent_problem(ensemble, kind):
    operator, truth, y, _, rng = posed(ensemble, kind)
    units, weights = spread(len(y), 6, rng), spread(len(y), 4, rng)
    for problem in (
        wn.Problem(operator, y, truth, weights=weights),
        wn.Problem(operators.row_weighted(operator, units), units * y, truth),
    ):
        equal = equal_rows(problem, has_weights=problem.weights is not None, seed=0)
        assert equal is not None
        assert equal.problem.weights is None
        torch.testing.assert_close(equal.problem.operator.measure(truth), equal.problem.measurements)
        norms = equal.problem.operator.row_norms()
        torch.testing.assert_close(norms / norms[0], torch.ones_like(norms), rtol=1e-3, atol=0)


def test_rows_left_out_stay_out_and_rows_that_measure_nothing_do_no_harm():
    operator, truth, y, _, rng = posed("dense", "psd")
    weights = spread(len(y), 12, rng)
    weights[:5] = 0
    y[:5] = 100.0
    assert_exact(wn.recover(operator, y, weights=weights, truth=truth))
    units = spread(len(y), 6, rng)
    units[5:8] = 0
    operator = operators.row_weighted(operator, units)
    assert_exact(wn.recover(operator, units * y, weights=(weights > 0).to(y), truth=truth))


@pytest.mark.parametrize("ensemble", ENSEMBLES)
@pytest.mark.parametrize("kind", ["psd", "rectangular"])
def test_units_are_no_evidence(ensemble, kind):
    # Sizes that prediction and measurement share would correlate them.
    operator, _, y, _, rng = posed(ensemble, kind)
    y = y[torch.randperm(len(y), generator=rng)].abs()
    units = spread(len(y), 4, rng)
    recovery = wn.recover(operators.row_weighted(operator, units), units * y, max_applications=1500)
    assert not recovery.status.is_success


def test_the_effective_share_is_that_of_kish():
    assert effective_share(torch.full((7,), 3.0)) == pytest.approx(1)
    assert effective_share(torch.tensor([1.0, 0.0, 1e-9, 1e-9])) == pytest.approx(1 / 3)
    assert effective_share(torch.tensor([1e200, 1e200, 0.0], dtype=torch.float64)) == pytest.approx(1)
