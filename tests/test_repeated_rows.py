"""Rows that repeat others are one row: for the hold-out, for every threshold, and for the answer."""

import math

import pytest
import torch

import wnsense as wn
from cases.draws import generator, random_point
from cases.flavors import ALL_FLAVORS
from wnsense.sensing import row_reductions
from wnsense.sensing.combining.repeated_rows import merge_repeated_rows
from wnsense.sensing.row_groups import row_groups

KINDS = ("psd", "symmetric", "rectangular")


def entries_of(kind, share, times, noise=0.0, side=30, rank=2):
    """Entries, `share` times as many as degrees of freedom, each measured some times, symmetric ones on both sides."""
    size = (side, side - 5) if kind == "rectangular" else side
    count = int(share * wn.Space.from_size(size, kind).degrees_of_freedom(rank))
    drawn = wn.EntrySensing.draw(count, size, kind=kind, generator=generator(0))
    rows, columns = drawn.rows.repeat(times), drawn.columns.repeat(times)
    if kind != "rectangular":
        is_odd = torch.arange(len(rows)) // count % 2 == 1
        rows, columns = torch.where(is_odd, columns, rows), torch.where(is_odd, rows, columns)
    operator = wn.EntrySensing.from_places(rows, columns, size, kind)
    truth = wn.low_rank(size, rank, 3.0, kind=kind, generator=generator(1))
    clean = drawn.measure(truth).div(drawn.weights).repeat(times)
    error = torch.randn(len(clean), generator=generator(2), dtype=clean.dtype)
    level = noise / (1 + noise * noise) ** 0.5
    return wn.Problem(operator, clean + noise * clean.square().mean().sqrt() * error, truth, level)


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_measurements_of_too_few_entries_are_too_few(kind):
    single, double = (wn.recover(entries_of(kind, 0.97, times, side=14)) for times in (1, 2))
    assert single.status == double.status == wn.Status.TOO_FEW_MEASUREMENTS
    assert torch.equal(single.matrix.dense(), double.matrix.dense())
    assert single.candidates == double.candidates


@pytest.mark.parametrize("kind", KINDS)
def test_many_copies_of_too_few_entries_are_no_noise_floor(kind):
    # The five copies of an entry, of which some were held out, predicted each other.
    problem = entries_of(kind, 0.97, 5, noise=0.1)
    assert wn.recover(problem.operator, problem.measurements).status == wn.Status.TOO_FEW_MEASUREMENTS


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_measurements_of_enough_entries_are_as_good_as_single_ones(kind):
    single, double = (wn.recover(entries_of(kind, 5.0, times)) for times in (1, 2))
    assert double.status == wn.Status.CONVERGED
    assert torch.equal(single.matrix.dense(), double.matrix.dense())
    assert double.measurements == 2 * single.measurements
    noisy = entries_of(kind, 5.0, 4, noise=0.1)
    recovery = wn.recover(noisy.operator, noisy.measurements, truth=noisy.truth)
    assert recovery.status == wn.Status.REACHED_NOISE_FLOOR
    # The mean of four measurements has half the noise, and the fit has a fifth as many unknowns as there are means.
    assert recovery.relative_error < 0.05
    assert recovery.relative_residual == pytest.approx(0.1, rel=0.1)


def test_copies_of_test_rows_are_in_no_round_of_a_robust_recovery():
    problem = entries_of("symmetric", 6.0, 2, noise=0.05)
    spoiled = problem.measurements.clone()
    spoiled[::19] += 20
    robust = wn.recover_robustly(problem.operator, spoiled)
    assert robust.recovery.rank == 2
    assert torch.equal(robust.outliers, spoiled != problem.measurements)
    # The correlation of 36 test rows, 0.907, is 7.6 deviations; with their copies it would be 11.
    assert robust.score <= 9


def test_too_few_different_rows_are_too_few_for_a_robust_recovery():
    one = entries_of("rectangular", 0.25, 1)
    assert one.operator.count < 30
    twice = entries_of("rectangular", 0.25, 2)
    with pytest.raises(wn.InputError, match="at least 30 measurements"):
        wn.recover_robustly(twice.operator, twice.measurements)


def test_contradictory_measurements_of_an_exact_mean_are_not_explained_exactly():
    problem = entries_of("rectangular", 5.0, 2)
    half = problem.operator.count // 2
    sign = torch.where(torch.arange(2 * half) < half, 1, -1)
    shift = 0.1 * sign * problem.measurements.square().mean().sqrt()
    recovery = wn.recover(problem.operator, problem.measurements + shift, truth=problem.truth)
    assert recovery.status == wn.Status.REACHED_NOISE_FLOOR
    assert recovery.relative_error < 1e-8
    assert recovery.relative_residual > 0.05


# ---------------------------------------------------------------------------------------------------- the problem


def repeated_entries(flavor, count=60, seed=3):
    """Entries drawn with repetition, on both sides of the diagonal, of weights of any sign and both parts."""
    rng = generator(seed)
    size = 5 if flavor.kind.is_symmetric else (5, 4)
    rows, columns = (torch.randint(side, (count,), generator=rng) for side in ((5, 5) if size == 5 else size))
    weights = torch.randn(count, generator=rng, dtype=torch.float64).to(flavor.dtype().to_real())
    imaginary = torch.rand(count, generator=rng) > 0.5 if flavor.dtype().is_complex else None
    return wn.EntrySensing.from_places(
        rows, columns, size, flavor.kind, flavor.dtype(), weights=weights, imaginary=imaginary
    )


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_the_merged_problem_has_the_given_objective_up_to_a_constant(flavor, is_weighted):
    operator = repeated_entries(flavor)
    y = torch.randn(operator.count, generator=generator(4), dtype=operator.real_dtype)
    weights = torch.rand(operator.count, generator=generator(5), dtype=operator.real_dtype) if is_weighted else None
    given = wn.Problem(operator, y, weights=weights)
    merged = merge_repeated_rows(given)
    assert merged.problem.operator.row_groups() is None
    assert merged.problem.operator.count < operator.count

    def squared(problem, point):
        w = torch.ones_like(problem.measurements) if problem.weights is None else problem.weights
        return float((w * (problem.operator.measure(point) - problem.measurements).square()).sum())

    size = float(((1 if weights is None else weights) * y.square()).sum())
    for seed in (6, 7):
        point = random_point(flavor, operator.shape, 2, rng=generator(seed))
        expected = squared(given, point)
        rounding = operator.count * torch.finfo(operator.real_dtype).eps * (expected + size)
        assert abs(squared(merged.problem, point) + merged.contradiction**2 * size - expected) <= rounding


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_rows_are_multiples_of_the_row_that_stands_for_their_group(flavor):
    operator = repeated_entries(flavor)
    groups = operator.row_groups()
    y = operator.measure(random_point(flavor, operator.shape, 3, rng=generator(8)))
    rounding = 10 * torch.finfo(operator.real_dtype).eps * float(y.abs().max())
    torch.testing.assert_close(groups.factors * y[groups.leading][groups.labels], y, rtol=0, atol=rounding)
    assert float(groups.factors.abs().max()) <= 1
    assert bool((groups.leading[1:] > groups.leading[:-1]).all())


def test_different_rows_are_left_alone():
    problem = entries_of("rectangular", 2.0, 1)
    assert problem.operator.row_groups() is None
    assert merge_repeated_rows(problem).problem is problem
    assert row_groups(torch.tensor([3, 1, 2]), torch.ones(3)) is None
    assert wn.GaussianSensing.draw(n=5, size=3, generator=generator(1)).row_groups() is None


def test_the_largest_row_stands_for_its_group():
    groups = row_groups(torch.tensor([7, 2, 7, 2, 5]), torch.tensor([1.0, 3.0, -2.0, 3.0, 0.0]))
    assert groups.leading.tolist() == [1, 2, 4]
    assert groups.labels.tolist() == [1, 0, 1, 0, 2]
    assert groups.factors.tolist() == [-0.5, 1, 1, 1, 1]
    assert groups.is_leading.tolist() == [False, True, True, False, True]
    leading = torch.tensor([True, False, True, False, False])
    assert groups.with_copies(leading).tolist() == [True, False, True, False, False]


def test_the_noise_level_of_means_is_that_of_their_noise():
    problem = entries_of("rectangular", 7.0, 9, noise=0.5)
    merged = merge_repeated_rows(problem).problem
    noise = merged.measurements - merged.operator.measure(problem.truth)
    level = float(row_reductions.norm(noise) / row_reductions.norm(merged.measurements))
    # The relative standard deviation of the norm of n normal numbers is 1 / sqrt(2 n).
    assert merged.noise_level == pytest.approx(level, rel=5 / math.sqrt(2 * merged.operator.count))
    assert wn.recover(problem).status == wn.Status.REACHED_NOISE_FLOOR
