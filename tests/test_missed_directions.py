"""Probes beside a point: they change no step, and show what the point misses as a dense decomposition does."""

import pytest
import torch

from cases.draws import generator
from cases.flavors import ALL_FLAVORS, PSD
from test_conjugate import near_point
from test_solvers import gaussian_problem, run
from wnsense.recovery.evidence.spectral_rank import outstanding
from wnsense.recovery.rank_adaptation import RankAdaptation
from wnsense.recovery.recovery_checkpoint import RecoveryCheckpoint
from wnsense.recovery.session import Budget, Session
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective

flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)


@flavors
def test_probes_change_no_step_and_cost_no_application(flavor):
    objective = SensingObjective(gaussian_problem(flavor))
    point = near_point(objective, flavor)
    without = run(ConjugateWN(), objective, point, 6)
    beside = run(ConjugateWN(probes=2), objective, point, 6)
    assert beside.applications == without.applications
    torch.testing.assert_close(beside.evaluation.left, without.evaluation.left, rtol=1e-9, atol=1e-11)
    assert float(beside.evaluation.point.distance(without.evaluation.point)) < 1e-10
    assert without.evaluation.beyond is None


@flavors
def test_a_direction_that_is_missed_shows_as_large_as_the_residual_holds_it(flavor):
    """At the best fit of rank 1 the probes turn to the largest part of -(I - X X^H) R (I - Y Y^H)."""
    objective = SensingObjective(gaussian_problem(flavor))
    truth = objective.from_user(objective.problem.truth)
    at = run(ConjugateWN(probes=2), objective, truth.truncate(1), 40).evaluation
    v = objective.calibration.balance_transpose(at.balanced)
    R = objective.problem.operator.adjoint(v)
    outside = [torch.eye(len(Q), dtype=Q.dtype) - Q @ Q.mH for Q in (at.point.X, at.point.right)]
    values = torch.linalg.svdvals(-outside[0] @ R @ outside[1])
    torch.testing.assert_close(at.beyond.singular_values()[0], values[0], rtol=1e-4, atol=0)
    assert float((at.point.X.mH @ at.beyond.X).abs().max()) < 1e-12
    assert float((at.point.right.mH @ at.beyond.right).abs().max()) < 1e-12


def test_there_is_no_room_beside_a_point_of_full_width():
    operator = GaussianSensing.draw(60, 4, kind=Kind.PSD, generator=generator())
    objective = SensingObjective(Problem.measure(operator, low_rank(4, 4, generator=generator(1))))
    start = objective.from_user(objective.problem.truth)
    assert run(ConjugateWN(probes=2), objective, start, 2).evaluation.beyond is None
    assert run(ConjugateWN(probes=2), objective, start.truncate(3), 2).evaluation.beyond.width == 1


@flavors
@pytest.mark.parametrize("width", [1, 2])
def test_what_is_missed_stands_out_and_noise_does_not(flavor, width):
    operator = GaussianSensing.draw(
        900,
        (16, 16) if not flavor.kind.is_symmetric else 16,
        kind=flavor.kind,
        dtype=flavor.dtype(),
        generator=generator(3),
    )
    truth = low_rank(operator.shape, 2, 10.0, kind=flavor.kind, dtype=flavor.dtype(), generator=generator(4))
    objective = SensingObjective(Problem.measure(operator, truth))
    start = objective.from_user(truth).truncate(width)
    # Not at the answer itself, where there is nothing to see.
    start = start.plus(near_point(objective, flavor, rank=width)).scaled(0.5).truncate(width)
    for steps in (4, 6):
        at = run(ConjugateWN(probes=2), objective, start, steps).evaluation
        assert outstanding(objective, at, operator.count) == (1 if width == 1 else 0)


def adaptation(truth: LowRank, n: int, working: int, noise: float = 0.0) -> tuple[RankAdaptation, Session]:
    operator = GaussianSensing.draw(n, truth.shape[0], kind=Kind.PSD, generator=generator(5))
    problem = Problem.measure(operator, truth, noise=noise, generator=generator(6))
    session = Session(problem, Budget(), RecoveryCheckpoint(problem, (), None))
    return RankAdaptation(session, SensingObjective(problem), 1e-10, n, working, working, 0.1), session


@pytest.mark.parametrize("kappa", [1.0, 1e2, 1e5])
def test_rank_follows_what_is_missed_up_to_an_exact_fit(kappa):
    truth = low_rank(20, 3, kappa, kind=Kind.PSD, generator=generator(7))
    course, session = adaptation(truth, 600, 8)
    point = course.objective.from_user(truth).truncate(1).scaled(0.5)
    at = course.run(point)
    assert float(at.misfit) < 1e-9
    assert at.point.width == 3
    widths = [int(trace["rank"][0]) for trace in session.traces]
    assert widths == sorted(widths)


@pytest.mark.parametrize("working", [1, 2, 5])
def test_it_ends_under_noise_and_never_above_the_working_rank(working):
    truth = low_rank(20, 3, 10.0, kind=Kind.PSD, generator=generator(8))
    course, session = adaptation(truth, 600, working, noise=0.05)
    at = course.run(course.objective.from_user(truth).truncate(1))
    assert at.point.width <= working
    assert max(int(trace["rank"].max()) for trace in session.traces) <= working
    assert len(session.traces) < 8


def test_a_surplus_direction_is_dropped_at_a_gap():
    truth = low_rank(20, 2, 1.0, kind=PSD.kind, generator=generator(9))
    course, session = adaptation(truth, 600, 6)
    wide = course.objective.from_user(truth).plus(low_rank(20, 2, kind=PSD.kind, generator=generator(10)).scaled(0.3))
    course.level = 1e-6
    at = course.run(wide)
    assert int(session.traces[0]["rank"][0]) == 4
    assert at.point.width == 2
