"""A recovery takes a whole problem in place of an operator and measurements."""

from dataclasses import replace

import pytest
import torch

import wnsense as wn


@pytest.fixture(scope="module")
def problem() -> wn.Problem:
    rng = torch.Generator().manual_seed(0)
    truth = wn.low_rank(12, 2, generator=rng)
    operator = wn.GaussianSensing.draw(150, 12, generator=rng)
    weights = torch.rand(150, generator=rng, dtype=torch.float64) + 0.5
    return replace(wn.Problem.measure(operator, truth, 0.01, generator=rng), weights=weights)


@pytest.mark.parametrize("noise_level", [None, 0.01])
def test_a_whole_problem_is_recovered_like_its_parts(problem, noise_level):
    problem = replace(problem, noise_level=noise_level)
    whole = wn.recover(problem)
    parts = wn.recover(
        problem.operator,
        problem.measurements,
        noise_level=noise_level,
        weights=problem.weights,
        truth=problem.truth,
    )
    assert torch.equal(whole.matrix.X, parts.matrix.X)
    assert (whole.status, whole.applications) == (parts.status, parts.applications)
    assert whole.relative_error == parts.relative_error


def test_arguments_replace_those_of_the_problem(problem):
    ones = torch.ones_like(problem.measurements)
    replaced = wn.recover(replace(problem, noise_level=None), noise_level=0.5, weights=ones)
    expected = wn.recover(replace(problem, noise_level=0.5, weights=None))
    assert replaced.status is expected.status
    assert replaced.rank == expected.rank
    other = wn.low_rank(12, 1, generator=torch.Generator().manual_seed(1))
    assert wn.recover(problem, truth=other).relative_error > 0.1


def test_a_whole_problem_is_recovered_robustly_like_its_parts(problem):
    whole = wn.recover_robustly(problem)
    parts = wn.recover_robustly(problem.operator, problem.measurements, weights=problem.weights, truth=problem.truth)
    assert torch.equal(whole.recovery.matrix.X, parts.recovery.matrix.X)
    assert torch.equal(whole.outliers, parts.outliers)


@pytest.mark.parametrize("recover", [wn.recover, wn.recover_robustly])
def test_measurements_are_given_exactly_once(problem, recover):
    with pytest.raises(wn.InputError, match="needed a problem alone, got measurements besides; give the operator"):
        recover(problem, problem.measurements)
    with pytest.raises(wn.InputError, match="needed measurements with an operator, got none; give them, or a whole"):
        recover(problem.operator)
