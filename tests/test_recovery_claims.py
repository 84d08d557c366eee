"""The claims of recover() at their stated sizes, a seed or two of each; benchmarks/recovery.py has ten."""

import pytest
import torch

import wnsense as wn

pytestmark = pytest.mark.usefixtures("as_users_run")

KINDS = ["psd", "symmetric", "hermitian", "rectangular"]


def measured(draw, kind, condition, seed, n=1080, noise=0.0):
    generator = torch.Generator().manual_seed(seed)
    truth = wn.low_rank(60, 3, condition, kind=kind, generator=generator)
    return wn.Problem.measure(draw(n, 60, kind=kind, generator=generator), truth, noise, generator=generator)


CASES = [(wn.GaussianSensing.draw, kind) for kind in KINDS]
CASES += [(wn.RankOneSensing.draw, "psd"), (wn.PairedRankOneSensing.draw, "psd")]


@pytest.mark.parametrize("bound", [None, 3])
@pytest.mark.parametrize("condition", [1.0, 100.0, 1e4])
@pytest.mark.parametrize(("draw", "kind"), CASES)
def test_an_exact_answer_is_found_with_its_rank(draw, kind, condition, bound):
    problem = measured(draw, kind, condition, seed=0)
    found = wn.recover(problem.operator, problem.measurements, truth=problem.truth, max_rank=bound)
    assert found.status == wn.Status.CONVERGED
    assert found.rank == 3
    assert found.relative_error is not None
    assert found.relative_error < 1e-8


@pytest.mark.parametrize("condition", [1.0, 10.0])
@pytest.mark.parametrize(("draw", "kind"), CASES)
def test_too_few_measurements_are_told(draw, kind, condition):
    problem = measured(draw, kind, condition, seed=0, n=90)
    assert wn.recover(problem.operator, problem.measurements).status == wn.Status.TOO_FEW_MEASUREMENTS


@pytest.mark.parametrize(("draw", "kind"), CASES)
def test_measurements_in_the_wrong_order_fit_nothing(draw, kind):
    problem = measured(draw, kind, 10.0, seed=0)
    order = torch.randperm(1080, generator=torch.Generator().manual_seed(1000))
    assert wn.recover(problem.operator, problem.measurements[order]).status == wn.Status.NO_LOW_RANK_FIT


@pytest.mark.parametrize(("draw", "kind"), CASES)
def test_noise_of_one_percent_is_met_as_by_a_fit_begun_at_the_truth(draw, kind):
    problem = measured(draw, kind, 10.0, seed=0, noise=0.01)
    found = wn.recover(problem.operator, problem.measurements, truth=problem.truth)
    objective = wn.SensingObjective(problem)
    stop = wn.Stop(stagnation=3, gain=1e-8, max_steps=100)
    oracle = wn.solve(objective, wn.GaussNewton(), objective.from_user(problem.truth), stop=stop)
    assert found.status == wn.Status.REACHED_NOISE_FLOOR
    assert found.rank == 3
    assert found.relative_error <= 1.2 * float(oracle.matrix.distance(problem.truth) / problem.truth.norm())
