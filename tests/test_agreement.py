"""Two recoveries from different rows and starts: the same matrix where there is one, and what is said where not."""

from dataclasses import replace

import pytest
import torch

from cases.draws import generator
from cases.flavors import FOUR_KINDS, PSD
from wnsense.checks import InputError
from wnsense.running.status import Status
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.problem import Problem, low_rank
from wnsense.trust.agreement import agreement

pytestmark = pytest.mark.usefixtures("as_users_run")


def posed(flavor, n, noise=0.0):
    rng = generator(2)
    size = 15 if flavor.kind.is_symmetric else (15, 12)
    truth = low_rank(size, 2, 5.0, kind=flavor.kind, generator=rng)
    return Problem.measure(GaussianSensing.draw(n, size, kind=flavor.kind, generator=rng), truth, noise, generator=rng)


@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
def test_where_one_matrix_fits_both_find_it(flavor):
    problem = posed(flavor, 400)
    said = agreement(problem)
    assert said.first.status is said.second.status is Status.CONVERGED
    assert said.same_verdict
    assert said.distance <= 1e-9
    assert (said.first.seed, said.second.seed) == (0, 1)
    assert said.applications == said.first.applications + said.second.applications
    other = replace(said, second=replace(said.second, status=Status.STAGNATED))
    assert not other.same_verdict
    assert str(other).startswith("One recovery has status converged, the other stagnated")
    assert str(said).startswith("Both recoveries have status converged, with rank 2. The matrices are the same")


def test_raw_rank_one_measurements_agree_too():
    rng = generator(4)
    problem = Problem.measure(RankOneSensing.draw(300, 15, generator=rng), low_rank(15, 2, generator=rng))
    assert agreement(problem).distance <= 1e-9


def test_under_noise_they_agree_to_what_other_rows_held_out_make():
    """The last fit is to all rows, whatever was held out: nearly the same least squares."""
    problem = posed(PSD, 400, noise=0.05)
    problem = Problem(problem.operator, problem.measurements, problem.truth)
    said = agreement(problem)
    assert said.first.status is said.second.status is Status.REACHED_NOISE_FLOOR
    assert said.distance <= said.first.relative_error
    assert "nearly the same" in str(said)


def test_where_nothing_decides_they_differ():
    """Fewer rows than degrees of freedom: two of the many matrices that fit."""
    rng = generator(0)
    truth = low_rank(15, 1, generator=rng)
    said = agreement(Problem.measure(GaussianSensing.draw(12, 15, generator=rng), truth))
    assert said.distance > 0.2
    assert "differ, so that at most one is right" in str(said)
    assert not said.first.status.is_success


def test_pure_noise_has_no_matrix_to_agree_on():
    problem = posed(PSD, 400)
    y = torch.randn(400, generator=generator(8), dtype=torch.float64)
    said = agreement(Problem(problem.operator, y))
    assert said.distance > 0.1
    assert said.first.status is said.second.status is Status.NO_LOW_RANK_FIT


def test_one_seed_is_no_second_opinion():
    with pytest.raises(InputError, match="two different seeds"):
        agreement(posed(PSD, 60), seeds=(3, 3))
