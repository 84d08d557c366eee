"""Growth of the rank: what it fits, when it ends, and how two ranks are compared."""

from dataclasses import replace

import pytest
import torch

from cases.draws import generator, normal
from cases.flavors import FOUR_KINDS
from wnsense.checks import InputError
from wnsense.recovery.evidence.hold_out import fitted_mask
from wnsense.recovery.evidence.spectral_rank import residual_directions
from wnsense.recovery.exact_search import reweighted
from wnsense.recovery.growth import grow
from wnsense.recovery.rank_fit import RankFit, is_better
from wnsense.recovery.recovery_checkpoint import RecoveryCheckpoint
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import Budget, Session
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective

pytestmark = pytest.mark.usefixtures("as_users_run")
SETTINGS = Settings(ConjugateWN(), None, 1e-10, 0)


def gaussian(kind=Kind.PSD, rank=3, kappa=10.0, n=600, noise=0.0, m=20) -> Problem:
    size = m if kind.is_symmetric else (m, m - 2)
    operator = GaussianSensing.draw(n, size, kind=kind, generator=generator(5))
    truth = low_rank(size, rank, kappa, kind=kind, generator=generator(7))
    return Problem.measure(operator, truth, noise, generator=generator(6))


def session_of(problem: Problem) -> Session:
    return Session(problem, Budget(), RecoveryCheckpoint(problem, (), None))


def grown(problem: Problem, held: int = 60, settings: Settings = SETTINGS):
    mask = fitted_mask(torch.ones_like(problem.measurements), held, 0) if held else None
    objective, session = SensingObjective(problem, mask), session_of(problem)
    start, _ = residual_directions(objective, -objective.target, 1, seed=0)
    return grow(session, objective, start, problem.operator.count - held, settings), session


@pytest.mark.parametrize("held", [0, 60])
@pytest.mark.parametrize("kappa", [1.0, 1e2, 1e5])
@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
def test_the_rank_grows_from_one_to_an_exact_fit(flavor, kappa, held):
    growth, session = grown(gaussian(flavor.kind, kappa=kappa, n=900), held)
    ranks = [fit.rank for fit in growth.fits]
    assert ranks[0] == 1
    assert ranks == sorted(ranks)
    assert growth.best is growth.fits[-1]
    assert growth.best.is_exact(1e-10)
    # Directions come singly or in pairs here, so that the last step may pass the rank by one.
    assert growth.best.rank in {3, 4}
    assert int(session.trace()["rank"].max()) == ranks[-1]


def test_under_noise_the_rank_that_predicts_best_is_left():
    growth, _ = grown(gaussian(noise=0.05))
    assert growth.best.rank == 3
    # One larger rank has been tried in vain: its direction did not stand out.
    assert {fit.rank for fit in growth.fits} == {1, 2, 3, 4}
    # The fit that is left has been led further than the one that the growth passed.
    assert growth.best.residual <= min(fit.residual for fit in growth.fits if fit.rank == 3)


def test_a_known_noise_level_ends_the_growth_where_it_is_reached():
    growth, _ = grown(gaussian(noise=0.05), held=0)
    assert growth.best.rank == 3
    assert growth.best.is_noise
    assert max(fit.rank for fit in growth.fits) == 3


@pytest.mark.parametrize("max_rank", [1, 2])
def test_a_bound_is_exceeded_by_two_ranks_that_show_what_it_excludes(max_rank):
    growth, _ = grown(gaussian(rank=8, n=1200), settings=replace(SETTINGS, max_rank=max_rank))
    assert max(fit.rank for fit in growth.fits) == max_rank + 2


def test_of_noise_nothing_grows_to_a_fit():
    problem = Problem(gaussian().operator, normal(600, rng=generator(3)))
    growth, _ = grown(problem)
    assert len({fit.rank for fit in growth.fits}) <= 4
    assert growth.best.held > 0.9


def fit_of(problem: Problem, rank: int, mask: torch.Tensor | None) -> RankFit:
    """A fit by truncation of the truth, whose residual is known without a run."""
    objective = SensingObjective(problem, mask)
    rows = problem.operator.count if mask is None else int(mask.sum())
    return RankFit(objective, objective.evaluate(objective.from_user(problem.truth).truncate(rank)), rows)


def test_a_larger_rank_is_better_by_fit_or_by_prediction():
    problem = gaussian(rank=3, kappa=4.0)
    mask = fitted_mask(torch.ones_like(problem.measurements), 60, 0)
    for given in (None, mask):
        one, two, three = (fit_of(problem, rank, given) for rank in (1, 2, 3))
        assert is_better(one, two)
        assert is_better(two, three)
        # An exact fit is surpassed by nothing; a smaller rank must have the smaller residual.
        assert not is_better(three, replace(three, at=two.at))
        assert not is_better(two, one)
        assert is_better(replace(three, at=two.at), three)


def test_the_overfit_ratio_is_one_for_noise_and_large_for_an_overfit():
    problem = gaussian(noise=0.1)
    mask = fitted_mask(torch.ones_like(problem.measurements), 60, 0)
    fit = fit_of(problem, 3, mask)
    left = 1 - problem.operator.degrees_of_freedom(3) / 540
    assert fit.overfit == pytest.approx(left * fit.held / fit.residual)
    assert fit.rows == 540
    assert (fit.freedom, fit.next_freedom) == (57, 74)
    squeezed = replace(fit, at=replace(fit.at, residual=torch.where(mask > 0, 0.1 * fit.at.residual, fit.at.residual)))
    assert squeezed.overfit == pytest.approx(10 * fit.overfit)


def test_reweighting_finds_what_few_rows_determine():
    """1.3 times as many rows as degrees of freedom."""
    problem = gaussian(rank=2, n=52)
    objective = SensingObjective(problem)
    fit = reweighted(session_of(problem), objective, 52, None, SETTINGS, attempts=range(4), climbs=True)
    assert fit.rank == 2
    error = objective.to_user(fit.at.point).distance(problem.truth) / problem.truth.norm()
    assert float(error) < 1e-8


def test_reweighting_gives_up_on_noise():
    problem = Problem(gaussian(n=60).operator, normal(60, rng=generator(4)))
    session = session_of(problem)
    assert reweighted(session, SensingObjective(problem), 60, None, SETTINGS, attempts=range(4), climbs=True) is None
    # Four starts and a climb, each of which comes to rest.
    assert len(session.traces) == 5


def test_reweighting_keeps_the_bound():
    problem = gaussian(rank=3, n=200)
    assert (
        reweighted(session_of(problem), SensingObjective(problem), 200, 2, SETTINGS, attempts=range(1), climbs=True)
        is None
    )
    with pytest.raises(InputError, match="max_rank between 1 and 20, got 21"):
        reweighted(session_of(problem), SensingObjective(problem), 200, 21, SETTINGS, attempts=range(1), climbs=True)


@pytest.mark.parametrize("seed", range(3))
def test_entries_of_many_rows_grow_to_the_right_rank(seed):
    """The easy problem that a wide start ends wrongly on: 12 times as many entries as degrees of freedom."""
    operator = EntrySensing.draw(12 * 3 * (300 - 3), (150, 150), kind=Kind.RECTANGULAR, generator=generator(seed))
    truth = low_rank((150, 150), 3, 10.0, kind=Kind.RECTANGULAR, generator=generator(seed + 9))
    growth, session = grown(Problem.measure(operator, truth), held=900)
    assert (growth.best.rank, growth.best.is_exact(1e-10)) == (3, True)
    assert session.applications <= 150
