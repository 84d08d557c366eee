"""Recovery from measurements of which some are grossly wrong."""

import pytest
import torch

import wnsense as wn
from cases.draws import generator
from wnsense.checks import InputError

pytestmark = pytest.mark.usefixtures("as_users_run")

KINDS = {
    "gaussian-psd": (wn.GaussianSensing, "psd", 20, 400),
    "gaussian-rectangular": (wn.GaussianSensing, "rectangular", (16, 12), 420),
    "raw-rank-one": (wn.RankOneSensing, "psd", 20, 450),
    "paired-hermitian": (wn.operators.PairedRankOneSensing, "hermitian", 14, 450),
}


def problem(name: str, *, seed=0, noise=0.0, wrong=0.05, size=10.0):
    """The problem, its measurements with gross errors in some, and which these are."""
    ensemble, kind, sides, n = KINDS[name]
    rng = generator(seed)
    truth = wn.low_rank(sides, 2, 3.0, kind=kind, generator=rng)
    given = wn.Problem.measure(ensemble.draw(n, sides, kind=kind, generator=rng), truth, noise, generator=rng)
    y = given.measurements.clone()
    places = torch.randperm(n, generator=rng)[: round(wrong * n)]
    strength = 1 + torch.rand(len(places), generator=rng, dtype=y.dtype)
    signs = torch.where(torch.rand(len(places), generator=rng) < 0.5, -1.0, 1.0).to(y.dtype)
    y[places] += size * y.square().mean().sqrt() * strength * signs
    mask = torch.zeros(n, dtype=torch.bool)
    mask[places] = True
    return given, y, mask


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("wrong", [0.05, 0.1])
@pytest.mark.fast(wrong=[0.1])
def test_gross_errors_are_found_and_left_out(name, wrong):
    given, y, mask = problem(name, wrong=wrong)
    plain = wn.recover(given.operator, y, truth=given.truth)
    assert plain.status != wn.Status.CONVERGED
    found = wn.recover_robustly(given.operator, y, truth=given.truth)
    assert found.recovery.status == wn.Status.CONVERGED
    assert found.recovery.rank == 2
    assert found.recovery.relative_error <= 1e-8
    assert torch.equal(found.outliers, mask)
    # All judges but those that are wrong themselves.
    assert found.agreeing >= 1 - 2.5 * wrong
    assert found.applications > found.recovery.applications
    assert found.rounds > 1


@pytest.mark.parametrize("name", ["gaussian-psd", "raw-rank-one"])
def test_under_noise_too_errors_cost_little(name):
    given, y, mask = problem(name, noise=0.01)
    found = wn.recover_robustly(given.operator, y, truth=given.truth)
    clean = wn.recover(given.operator, given.measurements, truth=given.truth)
    assert found.recovery.status == wn.Status.REACHED_NOISE_FLOOR
    assert found.recovery.rank == 2
    # A tenth judges, a twentieth is wrong.
    assert found.recovery.relative_error <= 1.5 * clean.relative_error
    assert bool(found.outliers[mask].all())
    # Normal noise passes four deviations once in 16,000 times; a median of few is a little off.
    assert int(found.outliers[~mask].sum()) <= 4


def test_where_nothing_is_wrong_nothing_is_left_out():
    given, _, _ = problem("gaussian-psd", wrong=0.0)
    found = wn.recover_robustly(given.operator, given.measurements, truth=given.truth)
    assert found.recovery.status == wn.Status.CONVERGED
    assert not bool(found.outliers.any())
    assert found.agreeing == 1.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("hopeless", ["noise", "shuffled"])
@pytest.mark.fast("noise-0", "shuffled-1")
def test_choosing_what_to_believe_makes_nothing_true(hopeless, seed):
    given, _, _ = problem("gaussian-psd", seed=seed)
    rng = generator(seed + 50)
    y = given.measurements
    y = (
        torch.randn(len(y), generator=rng, dtype=y.dtype)
        if hopeless == "noise"
        else y[torch.randperm(400, generator=rng)]
    )
    found = wn.recover_robustly(given.operator, y, seed=seed)
    assert not found.recovery.status.is_success


def test_a_budget_is_of_all_rounds_together():
    given, y, _ = problem("gaussian-psd")
    found = wn.recover_robustly(given.operator, y, max_applications=60)
    assert found.recovery.status == wn.Status.OUT_OF_BUDGET
    assert found.rounds == 1
    assert found.applications <= 80


def test_what_cannot_be_judged_is_refused():
    operator = wn.GaussianSensing.draw(29, 4, generator=generator(0))
    with pytest.raises(InputError, match="at least 30 measurements"):
        wn.recover_robustly(operator, torch.ones(29, dtype=torch.float64))
    operator = wn.GaussianSensing.draw(50, 4, generator=generator(0))
    with pytest.raises(InputError, match="finite"):
        wn.recover_robustly(operator, torch.full((50,), torch.nan, dtype=torch.float64))
    with pytest.raises(InputError, match="50"):
        wn.recover_robustly(operator, torch.ones(49, dtype=torch.float64))


def test_the_warning_of_few_test_rows_is_true_where_all_agree():
    rng = generator()
    operator = wn.GaussianSensing.draw(40, 6, generator=rng)
    given = wn.Problem.measure(operator, wn.low_rank(6, 1, generator=rng))
    found = wn.recover_robustly(given)
    assert found.recovery.status == wn.Status.NO_LOW_RANK_FIT
    assert found.agreeing == 1
    assert found.recovery.warnings[-1] == (
        "100% of the measurements that were used in no round agree with the matrix, too few to confirm it"
    )
