"""The runs of a recovery by name and solver: nothing is made by another solver than the result says."""

import numpy as np
import pytest
import torch

from wnsense.recovery.recover import recover
from wnsense.recovery.session import Session
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.catalogue import BASELINES, SOLVERS, solver_name

# Rows at which a rank 2 of size 16, with 31 degrees of freedom, takes the growth alone, or the search too.
MANY, FEW = 200, 45


def problem(count, noise):
    rng = torch.Generator().manual_seed(3)
    truth = low_rank(size=16, rank=2, generator=rng)
    posed = Problem.measure(GaussianSensing.draw(count, 16, generator=rng), truth, noise, generator=rng)
    return Problem(posed.operator, posed.measurements)


@pytest.fixture
def runs(monkeypatch):
    """The names and solvers of the runs that are made, noted where they are made."""
    runs = []
    run = Session.run

    def noted(self, objective, solver, point, stop, stage, **words):
        runs.append((stage, solver_name(solver)))
        return run(self, objective, solver, point, stop, stage, **words)

    monkeypatch.setattr(Session, "run", noted)
    return runs


@pytest.mark.parametrize("name", [*SOLVERS, *BASELINES])
@pytest.mark.parametrize(("count", "noise"), [(MANY, 0.0), (MANY, 0.02), (FEW, 0.0)])
def test_each_run_is_named_with_the_solver_that_made_it(name, count, noise, runs):
    recovery = recover(problem(count, noise), solver=name, max_applications=600)
    assert [(stage.name, stage.solver) for stage in recovery.stages] == runs
    assert recovery.solver == name
    assert recovery.steps == sum(stage.steps for stage in recovery.stages)
    grown = [stage for stage in recovery.stages if stage.task == "growth"]
    assert grown
    assert {stage.solver for stage in grown} == {name}
    others = {(task, solver) for solver, tasks in recovery.other_solvers.items() for task in tasks}
    assert others == {(stage.task, stage.solver) for stage in recovery.stages if stage.solver != name}
    for task, solver in others:
        assert task in str(recovery) or name == "conjugate-wn"
        assert solver in recovery.facts()["other_solvers"]


def test_the_trace_counts_the_stages():
    recovery = recover(problem(FEW, 0.0))
    numbers = recovery.trace["stage"].astype(int)
    assert np.unique(numbers).tolist() == list(range(len(recovery.stages)))
    for number, stage in enumerate(recovery.stages):
        assert recovery.trace["step"][numbers == number].max() == stage.steps
        assert set(recovery.trace["rank"][numbers == number]) == {stage.rank}


def test_a_recovery_that_ended_early_names_the_stages_so_far():
    recovery = recover(problem(MANY, 0.02), solver="gd", callback=lambda at: at.step == 2)
    assert [stage.solver for stage in recovery.stages] == ["gd"]
    assert recovery.other_solvers == {}
