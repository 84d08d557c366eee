"""Smoothed fits: the choice of the smoothing by held-out rows, and recoveries of matrices only nearly of low rank."""

import pytest
import torch

import wnsense as wn
from cases.draws import generator
from wnsense.checks import InputError
from wnsense.lab.bench.cells import cell_problem, oracle_error
from wnsense.lab.bench.grid import GRIDS
from wnsense.recovery.evidence.hold_out import fitted_mask
from wnsense.recovery.session import zero_matrix
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.level_search import LevelSearch
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.reweighted import ReweightedWN

EPS = torch.finfo(torch.float64).eps


def decaying(draw, *, kind, size, n, power=1.0, seed=0) -> wn.Problem:
    """Return a problem whose matrix has the singular values `1 / k^power`."""
    shape = (size, size) if kind == "rectangular" else size
    values = 1 / torch.arange(1, size + 1, dtype=torch.float64) ** power
    truth = wn.low_rank(shape, size, kind=kind, spectrum=values, generator=generator(seed))
    return wn.Problem.measure(draw(n, shape, kind=kind, generator=generator(seed + 1)), truth)


def objective_of(problem, held_out=60) -> SensingObjective:
    return SensingObjective(problem, fitted_mask(torch.ones_like(problem.measurements), held_out, 0))


def least_squares(problem, rank, start) -> float:
    """Return the relative error of least squares of one rank, over all rows."""
    objective = SensingObjective(problem)
    stop = Stop(residual=1e-12, stagnation=10, gain=1e-3, max_steps=300)
    answer = solve(objective, ConjugateWN(), objective.from_user(start.truncate(rank)), stop=stop).answer
    return float(answer.distance(problem.truth) / problem.truth.norm())


def test_the_answer_is_the_point_that_predicts_held_out_rows_best():
    problem = decaying(wn.operators.EntrySensing.draw, kind="rectangular", size=50, n=1000)
    objective = objective_of(problem)
    state = LevelSearch().start(objective, zero_matrix(problem.operator))
    plain = ReweightedWN().start(objective, zero_matrix(problem.operator))
    misfits = [float(objective.holdout_misfit(plain.evaluation.residual))]
    while not state.is_at_rest:
        before = plain.evaluation
        state, plain = LevelSearch().step(objective, state), ReweightedWN().step(objective, plain)
        assert torch.equal(state.evaluation.residual, plain.evaluation.residual)
        assert state.applications == plain.applications
        if plain.evaluation is not before:
            misfits.append(float(objective.holdout_misfit(plain.evaluation.residual)))
    assert float(objective.holdout_misfit(state.answer.residual)) == min(misfits)
    # It ends after two reweightings that predict no better.
    assert misfits.index(min(misfits)) == len(misfits) - 3


def test_a_matrix_of_low_rank_is_reached_exactly():
    truth = wn.low_rank(30, 2, generator=generator(1))
    problem = wn.Problem.measure(wn.GaussianSensing.draw(250, 30, generator=generator(2)), truth)
    objective = objective_of(problem, 40)
    result = solve(objective, LevelSearch(), zero_matrix(problem.operator), stop=Stop(residual=1e-12, max_steps=100))
    assert result.status is wn.Status.CONVERGED
    assert float(result.answer.distance(truth) / truth.norm()) <= 1e-10


def test_a_smoothing_needs_held_out_rows():
    problem = decaying(wn.GaussianSensing.draw, kind="psd", size=10, n=40)
    with pytest.raises(InputError, match="held-out rows"):
        LevelSearch().start(SensingObjective(problem), zero_matrix(problem.operator))
    with pytest.raises(ValueError, match="no rows are held out"):
        SensingObjective(problem).holdout_misfit(problem.measurements)


def test_the_held_out_misfit_has_no_part_along_the_traces():
    problem = decaying(wn.operators.RankOneSensing.draw, kind="psd", size=12, n=200)
    objective = objective_of(problem, 50)
    held = objective.fitted == 0
    traces = problem.operator.vectors.square().sum(-1)[held]
    residual = torch.randn(200, dtype=torch.float64, generator=generator(3))
    rest = residual[held] - traces * (residual[held] @ traces) / (traces @ traces)
    assert float(objective.holdout_misfit(residual)) == pytest.approx(float(rest.norm()), rel=1e3 * EPS)
    # The traces stand for a multiple of the identity.
    identity = wn.LowRank(torch.eye(12, dtype=torch.float64), torch.eye(12, dtype=torch.float64))
    measured = problem.operator.measure(identity)
    assert float(objective.holdout_misfit(measured)) <= 1e3 * EPS * float(measured.norm())


def test_a_given_smoothing_is_kept():
    problem = decaying(wn.operators.EntrySensing.draw, kind="psd", size=40, n=400)
    objective = SensingObjective(problem)
    state = ReweightedWN(level=0.05).start(objective, zero_matrix(problem.operator))
    for _ in range(6):
        assert state.level == 0.05
        assert float(state.evaluation.point.singular_values()[-1]) > 0.05
        state = ReweightedWN(level=0.05).step(objective, state)


def test_negative_eigenvalues_of_a_psd_unknown_do_not_end_the_smoothing():
    """The least-norm matrix that fits has as many negative eigenvalues as the noise; they show its size."""
    problem = decaying(wn.operators.EntrySensing.draw, kind="psd", size=40, n=300)
    objective = SensingObjective(problem)
    assert ReweightedWN().start(objective, zero_matrix(problem.operator)).level > 1e-3


@pytest.mark.parametrize(
    ("draw", "kind", "size", "n"),
    [
        (wn.operators.EntrySensing.draw, "rectangular", 80, 1884),
        (wn.operators.EntrySensing.draw, "psd", 80, 948),
        (wn.GaussianSensing.draw, "psd", 40, 702),
    ],
)
def test_a_spectrum_that_decays_is_recovered_better_than_by_least_squares_of_one_rank(draw, kind, size, n):
    problem = decaying(draw, kind=kind, size=size, n=n, power=1.0, seed=1)
    recovery = wn.recover(problem)
    assert recovery.judged_rank is not None
    assert recovery.judged_rank < recovery.rank
    error = float(recovery.matrix.distance(problem.truth) / problem.truth.norm())
    assert error <= 0.9 * least_squares(problem, recovery.judged_rank, recovery.matrix)
    assert recovery.facts()["judged_rank"] == recovery.judged_rank


def test_low_rank_under_noise_is_not_smoothed():
    truth = wn.low_rank(40, 3, generator=generator(1))
    operator = wn.GaussianSensing.draw(500, 40, generator=generator(2))
    noisy = wn.Problem.measure(operator, truth, noise=0.1, generator=generator(3))
    recovery = wn.recover(operator, noisy.measurements)
    assert recovery.status is wn.Status.REACHED_NOISE_FLOOR
    assert recovery.rank == recovery.judged_rank == 3


def test_a_bound_on_the_rank_excludes_a_smoothed_fit():
    problem = decaying(wn.operators.EntrySensing.draw, kind="rectangular", size=60, n=1200)
    recovery = wn.recover(problem, max_rank=3)
    assert recovery.rank == recovery.judged_rank <= 3


def test_a_smoothed_recovery_is_resumed_bit_for_bit(tmp_path):
    problem = decaying(wn.operators.EntrySensing.draw, kind="rectangular", size=80, n=1884, seed=1)
    whole = wn.recover(problem)
    assert whole.judged_rank != whole.rank
    path = tmp_path / "run"
    stages = []

    def stop_in_the_choice(progress) -> bool:
        stages.append(progress.stage)
        return stages.count("choice of a smoothing") == 6

    part = wn.recover(problem, checkpoint=path, callback=stop_in_the_choice)
    assert part.status is wn.Status.STOPPED_BY_USER
    again = wn.recover(problem, checkpoint=path, resume=True)
    assert torch.equal(again.matrix.X, whole.matrix.X)
    assert again.applications == whole.applications


def test_the_answer_keeps_the_smoothing_of_the_search():
    """A level at the least singular value, where the spectrum has a gap, would leave one direction of three."""
    grid = GRIDS["noise"]
    cell = next(c for c in grid.cells if c.ensemble == "rank-one" and c.noise == 0.1 and c.oversampling == 3)
    problem = cell_problem(cell, 1)
    recovery = wn.recover(problem.operator, problem.measurements, seed=1)
    error = float(recovery.matrix.distance(problem.truth) / problem.truth.norm())
    assert error < 1.3 * oracle_error(cell, 1)
