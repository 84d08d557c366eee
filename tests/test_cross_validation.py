"""Verdicts where rows are few: an answer that the rows determine is a success, and no other one is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cases.draws import generator, normal
from wnsense import RankOneSensing, Status, recover
from wnsense.linalg import random_normal
from wnsense.recovery.cross_validation import cross_validated, is_unsurpassed
from wnsense.recovery.evidence.hold_out import Prediction
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.evidence.verdict import is_significant
from wnsense.recovery.last_fit import plain_least_squares
from wnsense.recovery.rank_fit import RankFit, explains_signal
from wnsense.recovery.recovery_checkpoint import RecoveryCheckpoint
from wnsense.recovery.recovery_settings import Settings
from wnsense.recovery.session import Budget, Session, resized
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective

pytestmark = pytest.mark.usefixtures("as_users_run")
SETTINGS = Settings(ConjugateWN(), None, 1e-10, 0)
DRAWS = {
    "dense psd": lambda n, rng: GaussianSensing.draw(n, 16, kind="psd", generator=rng),
    "dense rectangular": lambda n, rng: GaussianSensing.draw(n, (14, 12), kind="rectangular", generator=rng),
    "entries": lambda n, rng: EntrySensing.draw(n, 24, kind="psd", generator=rng),
    "rank-one": lambda n, rng: RankOneSensing.draw(n, 16, generator=rng),
    "pauli": lambda n, rng: PauliSensing.draw(n, 4, generator=rng),
}


def posed(ensemble: str, rank: int, rows: float, *, noise: float, condition: float = 2.0, seed: int = 0) -> Problem:
    """Return a problem with some rows for each degree of freedom."""
    rng = generator(seed)
    sample = DRAWS[ensemble](1, rng)
    operator = DRAWS[ensemble](round(rows * sample.degrees_of_freedom(rank)), rng)
    size = operator.shape[0] if operator.kind.is_symmetric else operator.shape
    truth = low_rank(size, rank, condition, kind=operator.kind, generator=rng)
    measured = Problem.measure(operator, truth, noise, generator=rng)
    return Problem(operator, measured.measurements, truth)


def counted(qubits: int, rank: int, strings: int, shots: int, seed: int) -> Problem:
    """Return relative frequencies of Pauli strings, the identity not among them, in a random state."""
    rng = generator(seed)
    operator = PauliSensing.draw(strings, qubits, with_identity=False, generator=rng)
    A = random_normal((2**qubits, rank), generator=rng, dtype=operator.dtype)
    state = LowRank(A / A.norm(), torch.eye(rank, dtype=operator.dtype)).orthonormal()
    chances = ((1 + operator.measure(state) / operator.scale) / 2).clamp(0, 1).numpy()
    frequencies = 2 * np.random.default_rng(seed).binomial(shots, chances) / shots - 1
    return Problem(operator, operator.scale * torch.from_numpy(frequencies), state)


def oracle(problem: Problem, rank: int | None = None) -> RankFit:
    """Return least squares of all rows from the truth, or from a part of it."""
    objective = plain_least_squares(SensingObjective(problem))
    start = objective.from_user(problem.truth)
    start = start if rank is None else resized(start, rank)
    stop = Stop(residual=1e-12, stagnation=5, gain=1e-3, max_steps=300)
    answer = solve(objective, ConjugateWN(), start, stop=stop).answer
    return RankFit(objective, objective.evaluate(objective.from_user(answer)), problem.operator.count)


def oracle_error(problem: Problem) -> float:
    fit = oracle(problem)
    return float(fit.objective.to_user(fit.at.point).distance(problem.truth) / problem.truth.norm())


def session_of(problem: Problem) -> Session:
    return Session(problem, Budget(), RecoveryCheckpoint(problem, (), None))


# ------------------------------------------------------------------------------------------------- whole recoveries


@pytest.mark.parametrize(
    ("qubits", "rank", "strings", "shots"),
    [(3, 1, 63, 1000), (3, 2, 63, 4000), (3, 1, 40, 4000), (4, 2, 140, 4000), (5, 1, 205, 2000)],
)
def test_a_counted_state_that_is_right_is_a_success(qubits, rank, strings, shots):
    problem = counted(qubits, rank, strings, shots, seed=3)
    recovery = recover(problem)
    assert recovery.relative_error <= 1.5 * oracle_error(problem)
    assert recovery.status is Status.REACHED_NOISE_FLOOR
    assert recovery.evidence.score > THRESHOLDS.significance


@pytest.mark.parametrize("ensemble", ["dense psd", "dense rectangular", "pauli"])
def test_few_noisy_rows_that_determine_the_matrix_give_a_success(ensemble):
    problem = posed(ensemble, 2, 2.4, noise=0.02)
    recovery = recover(problem)
    assert recovery.relative_error <= 1.5 * oracle_error(problem)
    assert recovery.status is Status.REACHED_NOISE_FLOOR


@pytest.mark.parametrize(("rows", "noise"), [(0.8, 0.0), (0.98, 1e-3)])
@pytest.mark.parametrize("ensemble", ["dense psd", "dense rectangular", "pauli"])
def test_a_rank_below_that_of_undetermined_matrices_is_no_success(ensemble, rows, noise):
    # Rank 1 explains 90% and is determined by the rows. What it leaves is another direction, and looks like noise.
    recovery = recover(posed(ensemble, 2, rows, noise=noise, condition=4.0, seed=1))
    assert not recovery.status.is_success


# ------------------------------------------------------------------------------------------------------- the stages


@pytest.mark.parametrize("ensemble", ["dense psd", "dense rectangular", "rank-one", "pauli"])
def test_all_rows_are_evidence_where_they_determine_the_matrix(ensemble):
    problem = posed(ensemble, 1, 3.0, noise=0.02)
    evidence = cross_validated(session_of(problem), oracle(problem), SETTINGS)
    assert evidence is not None
    assert is_significant(evidence)


@pytest.mark.parametrize("ensemble", DRAWS)
def test_a_fit_of_pure_noise_has_no_evidence(ensemble):
    problem = posed(ensemble, 1, 1.6, noise=0.0)
    rng = generator(5)
    problem = replace(problem, measurements=normal(problem.operator.count, rng=rng))
    evidence = cross_validated(session_of(problem), oracle(problem), SETTINGS)
    assert evidence is None or not is_significant(evidence)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("ensemble", DRAWS)
def test_a_larger_rank_is_tried_on_all_rows(ensemble, rank):
    problem = posed(ensemble, 2, 1.6, noise=0.01)
    assert is_unsurpassed(session_of(problem), oracle(problem, rank), SETTINGS) == (rank == 2)


def test_a_rank_that_explains_everything_is_not_tried():
    problem = posed("dense psd", 1, 1.7, noise=0.01)
    session = session_of(problem)
    assert not is_unsurpassed(session, oracle(problem), SETTINGS)
    assert session.applications == 0


# ------------------------------------------------------------------------------------------------------ the numbers


@pytest.mark.parametrize(("rows", "ratio", "is_signal"), [(60, 0.05, True), (60, 0.9, False), (44, 0.05, False)])
def test_few_rows_left_to_noise_make_a_comparison_careful(rows, ratio, is_signal):
    # Rank 2 of side 22 has 43 degrees of freedom: at 44 rows one row is left, and noise often explains all but 5%.
    problem = Problem(
        GaussianSensing.draw(rows, 22, kind=Kind.PSD, generator=generator(2)), normal(rows, rng=generator(3))
    )
    objective = SensingObjective(problem)

    def fit(rank: int, size: float) -> RankFit:
        at = objective.evaluate(low_rank(22, rank, kind=Kind.PSD, generator=generator(4)))
        return RankFit(objective, replace(at, residual=size**0.5 * objective.target), rows)

    assert explains_signal(fit(1, 1.0), fit(2, ratio)) is is_signal
    assert not explains_signal(fit(1, 1.0), fit(2, ratio), surrogate=ratio)


def test_evidence_of_groups_is_that_of_all_their_rows():
    measured, misfit = normal(30, rng=generator(1)), 0.1 * normal(30, rng=generator(2))
    parts = [Prediction(measured[part], misfit[part]) for part in (slice(0, 7), slice(7, 30))]
    assert Prediction.joined(parts).evidence() == Prediction(measured, misfit).evidence()
