"""Several runs over the same rows: what each gets is what it would get alone, and every sweep serves all that wait."""

from dataclasses import replace

import pytest
import torch

import wnsense as wn
from cases.draws import generator
from wnsense.checks import InputError
from wnsense.sensing.ensembles.gathered import gather
from wnsense.sensing.ensembles.packed import PackedSensing
from wnsense.sensing.ensembles.triangular import TriangularSensing
from wnsense.sensing.operator import RowDual


@pytest.fixture
def objective():
    truth = wn.low_rank(8, 2, condition=3.0, generator=generator(0))
    operator = TriangularSensing.draw(100, 8, generator=generator(1))
    return wn.solvers.SensingObjective(wn.Problem.measure(operator, truth))


@pytest.fixture
def sweeps(monkeypatch):
    """How many matrices each sweep took."""
    seen = []
    plain = TriangularSensing.sweep

    def counted(self, z, dual):
        seen.append(len(z))
        return plain(self, z, dual)

    monkeypatch.setattr(TriangularSensing, "sweep", counted)
    return seen


def run(objective, solver, width: int, steps: int, operator=None):
    if operator is not None:
        objective = wn.solvers.SensingObjective(
            replace(objective.problem, operator=operator), given=objective.calibration
        )
    start = wn.solvers.haar_start(objective, width, generator=generator(width))
    return wn.running.solve(objective, solver, start, stop=wn.running.Stop(residual=0.0, max_steps=steps))


JOBS = [
    (wn.solvers.WeightNormalizedGD(0.8), 3, 10),
    (wn.solvers.WeightNormalizedGD(0.8), 5, 10),
    (wn.solvers.GradientDescent(0.3), 4, 15),
    (wn.solvers.PreconditionedWN(), 4, 6),
]


def test_each_run_gives_what_it_gives_alone(objective, sweeps):
    jobs = [lambda operator, job=job: run(objective, *job, operator) for job in JOBS]
    together = gather(objective.problem.operator, jobs)
    # 1 + 2 k sweeps of each WN run, 1 + k of the others: as many as the longest needs, and none beside.
    assert len(sweeps) == 1 + 2 * 10
    assert sweeps == [4] * 7 + [3] * 9 + [2] * 5
    for job, result in zip(JOBS, together, strict=True):
        alone = run(objective, *job)
        assert result.steps == alone.steps
        torch.testing.assert_close(result.answer.dense(), alone.answer.dense(), rtol=0, atol=1e-12)


def test_the_outcome_does_not_depend_on_timing(objective):
    jobs = [lambda operator, job=job: run(objective, *job, operator).answer.dense() for job in JOBS]
    first = gather(objective.problem.operator, jobs)
    for _ in range(5):
        again = gather(objective.problem.operator, jobs)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_one_error_ends_no_other_and_is_raised(objective):
    ended = []

    def good(operator):
        ended.append(run(objective, *JOBS[0], operator))

    def bad(operator):
        run(objective, wn.solvers.GradientDescent(0.3), 3, 2, operator)
        raise InputError("it broke")

    with pytest.raises(InputError, match="it broke"):
        gather(objective.problem.operator, [good, bad])
    assert ended[0].steps == 10


def test_an_interruption_of_one_interrupts_all_at_their_last_whole_step(objective):
    statuses = []

    def job(operator):
        statuses.append(run(objective, wn.solvers.WeightNormalizedGD(0.8), 3, 10**6, operator).status)

    def interrupting(operator):
        run(objective, wn.solvers.GradientDescent(0.3), 3, 3, operator)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather(objective.problem.operator, [job, interrupting, job])
    assert statuses == [wn.Status.INTERRUPTED] * 2


def test_questions_of_another_target_are_refused(objective):
    target = objective.target

    def asking(factor: float):
        def ask(operator: PackedSensing):
            point = wn.solvers.haar_start(objective, 2, generator=generator(2))
            return operator.pull_back(point, RowDual(torch.ones_like(target), factor * target))

        return ask

    with pytest.raises(InputError, match="same weights and target"):
        gather(objective.problem.operator, [asking(1.0), asking(2.0)])
    assert len(gather(objective.problem.operator, [asking(1.0), asking(1.0)])) == 2
    assert gather(objective.problem.operator, []) == []
