"""Problems: noise of the stated level, matrices of the stated spectrum, and what is refused."""

import dataclasses
import math
import re

import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, HERMITIAN, PSD, QUADRATIC, RECTANGULAR, SYMMETRIC
from wnsense.checks import InputError
from wnsense.manifolds.stiefel import distance_to_stiefel
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.problem import Problem, low_rank, spectrum_values

EPS = torch.finfo(torch.float64).eps

flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)


def draw(flavor, rank=4, condition=100.0, **settings):
    size = 9 if flavor.kind.is_symmetric else (9, 7)
    return low_rank(size, rank, condition, kind=flavor.kind, dtype=flavor.dtype(), generator=generator(), **settings)


# ------------------------------------------------------------------------------------------- matrices drawn


@flavors
@pytest.mark.parametrize("spectrum", ["linear", "geometric"])
@pytest.mark.parametrize(("rank", "condition"), [(1, 1.0), (4, 1.0), (4, 100.0), (7, 1e6)])
def test_a_drawn_matrix_has_the_stated_rank_and_condition(flavor, spectrum, rank, condition):
    Z = draw(flavor, rank, condition, spectrum=spectrum)
    values = torch.linalg.svdvals(Z.dense())
    expected = spectrum_values(rank, condition, spectrum)
    assert (values[:rank] - expected).abs().max() <= 50 * EPS
    assert (values[rank:] <= 50 * EPS).all()
    assert Z.shape == ((9, 9) if flavor.kind.is_symmetric else (9, 7))
    assert Z.dtype == flavor.dtype()
    assert float(distance_to_stiefel(Z.X)) <= 100 * EPS


def test_spectrum_values_are_even_steps_or_even_ratios():
    linear, geometric = spectrum_values(4, 1000.0), spectrum_values(4, 1000.0, "geometric")
    assert linear.tolist() == pytest.approx([1, 0.667, 0.334, 0.001], rel=1e-13)
    assert geometric.tolist() == pytest.approx([1, 0.1, 0.01, 0.001], rel=1e-13)
    assert spectrum_values(1, 50.0).tolist() == spectrum_values(1, 50.0, "geometric").tolist() == [1]


def test_signs_are_those_of_the_kind():
    assert (draw(PSD).eigenvalues() > 0).all()
    assert (draw(HERMITIAN).eigenvalues() > 0).all()
    assert torch.sign(draw(SYMMETRIC).eigenvalues()).tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
def test_given_values_are_taken_as_they_are(flavor):
    values = torch.tensor([3.0, -2, 1] if flavor != PSD else [3.0, 2, 1], dtype=torch.float64)
    before = values.clone()
    Z = draw(flavor, rank=3, spectrum=values)
    assert (Z.eigenvalues() - before).abs().max() <= 100 * EPS
    assert torch.equal(values, before)


def test_a_seed_names_a_matrix():
    assert torch.equal(draw(PSD).X, draw(PSD).X)
    assert not torch.equal(low_rank(9, 4, kind="psd", generator=generator(1)).X, draw(PSD).X)


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: low_rank(5, 0), "the rank between 1 and 5", "0"),
        (lambda: low_rank(5, 6), "the rank between 1 and 5", "6"),
        (lambda: low_rank((5, 3), 4, kind="rectangular"), "the rank between 1 and 3", "4"),
        (lambda: low_rank((5, 3), 2), "a square shape for kind psd", "5 x 3"),
        (lambda: low_rank(0, 1), "sides of at least 1", "(0, 0)"),
        (lambda: low_rank(5, 2, 0.5), "a condition number of at least 1", "0.5"),
        (lambda: low_rank(5, 2, math.nan), "a condition number of at least 1", "nan"),
        (lambda: low_rank(5, 2, spectrum="cubic"), "the spectrum 'linear' or 'geometric'", "cubic"),
        (lambda: low_rank(5, 2, spectrum=normal(3)), "the spectrum of size 2", "3"),
        (lambda: low_rank(5, 2, spectrum=-torch.ones(2)), "values of at least 0 for kind psd", "a negative one"),
        (lambda: low_rank(5, 2, dtype=torch.complex128), "a real dtype for kind psd", "torch.complex128"),
        (lambda: spectrum_values(0, 1.0), "a rank of at least 1", "0"),
    ],
)
def test_matrices_that_do_not_exist_are_refused(make, needed, came):
    with pytest.raises(InputError, match=f"needed {re.escape(needed)}.*, got {re.escape(came)}"):
        make()


# ------------------------------------------------------------------------------------------------ measuring


def gaussian(flavor, n=40):
    size = 9 if flavor.kind.is_symmetric else (9, 7)
    return GaussianSensing.draw(n, size, kind=flavor.kind, dtype=flavor.dtype(), generator=generator(1))


@flavors
def test_without_noise_the_measurements_are_exact(flavor):
    operator, truth = gaussian(flavor), draw(flavor)
    problem = Problem.measure(operator, truth)
    assert torch.equal(problem.measurements, operator.measure(truth))
    assert problem.noise_level == 0
    assert problem.truth is truth


@pytest.mark.parametrize("noise", [0.01, 1.0])
def test_noise_has_the_stated_level_and_is_gaussian(noise):
    n = 40_000
    operator, truth = gaussian(PSD, n), draw(PSD)
    problem = Problem.measure(operator, truth, noise, generator=generator(2))
    clean = operator.measure(truth)
    error = (problem.measurements - clean) / (noise * clean.norm() / math.sqrt(n))
    # Mean, variance and kurtosis of n standard normal numbers, within 5 standard errors.
    assert abs(float(error.mean())) <= 5 / math.sqrt(n)
    assert abs(float(error.square().mean()) - 1) <= 5 * math.sqrt(2 / n)
    assert abs(float(error.pow(4).mean()) - 3) <= 5 * math.sqrt(96 / n)
    # The level that the problem states is ||noise|| / ||y||, both with the noise of this draw.
    drawn = float((problem.measurements - clean).norm() / problem.measurements.norm())
    assert problem.noise_level == pytest.approx(noise / math.sqrt(1 + noise**2), rel=1e-14)
    assert abs(drawn / problem.noise_level - 1) <= 5 * math.sqrt(2 / n)


def test_noise_comes_from_the_generator():
    operator, truth = gaussian(PSD), draw(PSD)
    first, again, other = (Problem.measure(operator, truth, 0.1, generator=generator(s)) for s in (2, 2, 3))
    assert torch.equal(first.measurements, again.measurements)
    assert not torch.equal(first.measurements, other.measurements)


def problem(**changes) -> Problem:
    return dataclasses.replace(Problem.measure(gaussian(PSD), draw(PSD)), **changes)


def with_entry(value: float, index: int = 3):
    y = normal(40)
    y[index] = value
    return y


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: problem(measurements=normal(39)), "the measurements of size 40", "39; one for each row"),
        (lambda: problem(measurements=normal(40, 1)), "the measurements of size 40", "40 x 1"),
        (lambda: problem(measurements=normal(40).float()), "measurements of torch.float64", "torch.float32"),
        (lambda: problem(measurements=normal(40) + 0j), "measurements of torch.float64", "torch.complex128"),
        (
            lambda: problem(measurements=torch.ones(40, dtype=torch.int64)),
            "measurements of torch.float64",
            "torch.int64",
        ),
        (
            lambda: problem(measurements=with_entry(math.nan)),
            "finite numbers in the measurements",
            "NaN or infinity in 1 of 40 entries, the first at index (3)",
        ),
        (
            lambda: problem(measurements=torch.zeros(40, dtype=torch.float64)),
            "measurements that are not all zero",
            "a zero",
        ),
        (lambda: problem(noise_level=-0.1), "a noise level that is finite and at least 0", "-0.1"),
        (lambda: problem(noise_level=math.nan), "a noise level that is finite and at least 0", "nan"),
        (lambda: problem(weights=normal(39)), "the weights of size 40", "39"),
        (lambda: problem(weights=torch.ones(40)), "weights of torch.float64", "torch.float32"),
        (lambda: problem(weights=with_entry(math.inf)), "finite numbers in the weights", "NaN or infinity in 1 of 40"),
        (lambda: problem(weights=with_entry(0).abs() - 0.01), "weights of at least 0", "a negative one"),
        (lambda: problem(weights=torch.zeros(40, dtype=torch.float64)), "at least one positive weight", "none"),
        (lambda: problem(truth=random_point(RECTANGULAR, (9, 7), 2)), "the truth of size 9 x 9", "9 x 7"),
        (lambda: Problem.measure(gaussian(PSD), draw(PSD), -1.0), "noise that is finite and at least 0", "-1.0"),
        (lambda: Problem.measure(gaussian(PSD), draw(RECTANGULAR)), "the matrix to measure of size 9 x 9", "9 x 7"),
    ],
)
def test_problems_that_make_no_sense_are_refused(make, needed, came):
    with pytest.raises(InputError, match=f"needed {re.escape(needed)}.*, got {re.escape(came)}"):
        make()
