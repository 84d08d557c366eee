"""Studies beyond the paper: what they hold fixed, what they show of made-up courses, and tiny ones run for good."""

import dataclasses

import numpy as np
import pytest
import torch

import wnsense as wn
from cases.draws import generator
from cases.presented import caption, findings, pictures
from wnsense.checks import InputError
from wnsense.lab.studies.curves import picture as paper
from wnsense.lab.studies.curves.beyond import BEYOND_STUDIES
from wnsense.lab.studies.curves.random_problem import drawn
from wnsense.lab.studies.curves.specification import CurveCase, CurveEnsemble, CurveRun, Rows, StepSizes
from wnsense.lab.studies.curves.study import curve_study
from wnsense.lab.studies.curves.table import CURVE_TABLES
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.registry import STUDY_FOLDERS
from wnsense.lab.studies.study_methods import StudyMethod
from wnsense.linalg import symmetric_part
from wnsense.sensing.kinds import Kind

pytestmark = pytest.mark.usefixtures("as_users_run")


def test_all_are_in_the_catalogue():
    assert set(BEYOND_STUDIES) < set(STUDY_FOLDERS)


def facts_of(name: str, fact: str) -> set:
    return {getattr(curve.run.case, fact, None) or getattr(curve.run, fact) for curve in BEYOND_STUDIES[name].paper}


def test_they_go_as_far_as_they_say():
    assert max(facts_of("beyond-condition", "condition")) == 1e6
    widths = facts_of("beyond-rank", "width")
    assert min(widths) == 3  # r_A
    assert max(widths) == 20  # m
    assert facts_of("beyond-ensembles", "ensemble") == set(CurveEnsemble)
    assert facts_of("beyond-kinds", "kind") == set(Kind)
    assert facts_of("beyond-cone", "magnitude_set") == set(wn.solvers.MagnitudeSet)
    for name in set(BEYOND_STUDIES) - {"beyond-cone"}:
        methods = {curve.run.method for curve in BEYOND_STUDIES[name].paper}
        assert methods == set(StudyMethod)


@pytest.mark.parametrize("ensemble", CurveEnsemble)
def test_every_ensemble_is_drawn_with_its_truth(ensemble):
    objective = drawn(CurveCase(8, 2, 3.0, 30, ensemble=ensemble))
    truth = objective.problem.truth
    residual = objective.residual(objective.from_user(truth))
    assert float(residual.abs().max()) < 1e-12
    assert objective.problem.operator.shape == (8, 8)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("rows", Rows)
def test_every_kind_is_drawn_in_every_form_of_rows(kind, rows):
    objective = drawn(CurveCase(6, 2, 3.0, 100, kind=kind, rows=rows))
    operator = objective.problem.operator
    assert operator.kind is kind
    assert operator.count == (100 if rows is Rows.ALL else operator.dimension)
    assert float(objective.residual(objective.from_user(objective.problem.truth)).abs().max()) < 1e-12


# ------------------------------------------------------------------------------------------------ where Theta may be


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_projections_are_the_nearest_elements_of_their_sets(dtype):
    rng = generator(0)
    Theta = symmetric_part(torch.randn(3, 4, 4, generator=rng, dtype=dtype))
    assert torch.equal(wn.solvers.MagnitudeSet.SYMMETRIC.project(Theta), Theta)
    kept = wn.solvers.MagnitudeSet.PSD.project(Theta)
    values = torch.linalg.eigvalsh(Theta)
    assert torch.linalg.eigvalsh(kept).min() > -1e-14
    # Moreau: what was taken away is negative semidefinite and orthogonal to what is left.
    away = Theta - kept
    assert torch.linalg.eigvalsh(away).max() < 1e-14
    assert float(torch.einsum("bij,bji->b", away, kept).abs().max()) < 1e-14
    torch.testing.assert_close(torch.linalg.matrix_norm(away) ** 2, values.clamp(max=0).square().sum(-1))
    diagonal = wn.solvers.MagnitudeSet.DIAGONAL.project(Theta)
    assert torch.equal(diagonal, torch.diag_embed(Theta.diagonal(dim1=-2, dim2=-1)))


@pytest.mark.parametrize("magnitude_set", wn.solvers.MagnitudeSet)
def test_theta_stays_in_its_set_and_finds_the_matrix(magnitude_set):
    objective = drawn(CurveCase(8, 2, 2.0, 300))
    start = wn.solvers.haar_start(objective, 4, generator=generator(1))
    solver = wn.solvers.WeightNormalizedGD(magnitude_set=magnitude_set)
    result = wn.running.solve(objective, solver, start, stop=wn.running.Stop(residual=1e-8, max_steps=2_000))
    assert result.status is wn.Status.CONVERGED
    assert float(result.answer.distance(objective.problem.truth)) < 1e-6
    state = solver.start(objective, start)
    least, off = 0.0, 0.0
    for _ in range(5):
        state = solver.step(objective, state)
        Theta = state.evaluation.point.Theta
        least = min(least, float(torch.linalg.eigvalsh(Theta).min()))
        off = max(off, float((Theta - Theta.diagonal().diag()).abs().max()))
    assert (least < -1e-3) == (magnitude_set is not wn.solvers.MagnitudeSet.PSD)
    assert (off == 0) == (magnitude_set is wn.solvers.MagnitudeSet.DIAGONAL)


def test_a_set_without_meaning_is_refused():
    objective = drawn(CurveCase(6, 2, 3.0, 100, kind=Kind.RECTANGULAR))
    start = wn.solvers.haar_start(objective, 4, generator=generator(1))
    with pytest.raises(InputError, match="a symmetric kind for Theta kept psd"):
        wn.solvers.WeightNormalizedGD(magnitude_set=wn.solvers.MagnitudeSet.PSD).start(objective, start)


# ------------------------------------------------------------------------------------------------ tables and pictures


def tiny(name: str, *, steps: int, keep, case=None):
    """A study with few curves and steps, as far as `keep` lets them."""
    study = BEYOND_STUDIES[name]
    curves = []
    for curve in study.quick:
        if not keep(curve):
            continue
        run = dataclasses.replace(curve.run, steps=steps, seeds=(0, 1))
        run = dataclasses.replace(run, case=dataclasses.replace(run.case, **(case or {})))
        tuning = dataclasses.replace(curve.tuning, grid=curve.tuning.grid[:1])
        curves.append(dataclasses.replace(curve, run=run, tuning=tuning))
    return dataclasses.replace(study, quick=tuple(curves))


def made(study, tmp_path):
    return curve_study(study).run(tmp_path, Scale.QUICK)


def test_what_is_needed_is_counted_and_what_is_not_reached_is_told(tmp_path):
    methods = {StudyMethod.GD, StudyMethod.PRECONDITIONED_WN}
    study = tiny("beyond-condition", steps=80, keep=lambda curve: curve.run.method in methods)
    table = made(study, tmp_path)
    by = {(c.head.method, c.label): c for c in CURVE_TABLES.read(table).entries}
    ours = by["preconditioned-wn", "kappa = 10000"]
    level = 0.01 / 1e8
    at = int(np.argmax(ours.median <= level))
    assert ours.cost_to_find_all == ours.applications[at]
    assert ours.median[at - 1] > level
    assert by["gd", "kappa = 10000"].cost_to_find_all is None
    gd, pwn = findings(table)
    assert gd.holds is pwn.holds is None
    assert "in 4 of 4 settings" in pwn.text
    assert "kappa = 10000 not in 162" in gd.text
    [figure] = pictures(table).values()
    figure.canvas.draw()
    left, right = figure.axes
    assert left.get_xlabel() == right.get_xlabel() == "condition number of A"
    assert left.get_xscale() == "log"
    assert "beside the paper" in caption(table)


def test_settings_that_are_no_numbers_stand_side_by_side(tmp_path):
    study = tiny("beyond-kinds", steps=5, keep=lambda c: True)
    table = made(study, tmp_path)
    told = {(c.head.method, c.label) for c in CURVE_TABLES.read(table).entries}
    # Y Y^T is never indefinite: GD and its relatives do not take part there.
    assert ("wn", "symmetric") in told
    assert ("gd", "symmetric") not in told
    [figure] = pictures(table).values()
    figure.canvas.draw()
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == [str(kind) for kind in Kind]


def test_the_cone_is_left_and_found_again(tmp_path):
    study = tiny("beyond-cone", steps=500, keep=lambda c: True, case={"condition": 2.0, "measurements": 2_000})
    table = made(study, tmp_path)
    relaxed, kept, diagonal = CURVE_TABLES.read(table).entries
    assert (relaxed.least.min(axis=0) < -1e-3).all()
    assert (kept.least > -1e-15).all()
    assert np.isfinite(diagonal.least).all()
    harmless, left, _ = findings(table)
    assert harmless.holds
    assert left.text.startswith("with Theta symmetric Z leaves the cone in 2 of 2 runs")
    figure = paper.pictures(CURVE_TABLES.read(table))[""]
    figure.canvas.draw()
    assert "eigenvalue" in figure.axes[1].get_ylabel()


def test_a_method_keeps_its_marks_whoever_else_takes_part():
    run = CurveRun(CurveCase(6, 2, 3.0, 100), StudyMethod.PRECGD, 3, StepSizes(0.5, damping=0.1), (0,), 10)
    assert run.step_sizes.text(run.method) == "eta 0.5, c 0.1"
    assert StepSizes(0.5, damping=0.01).text(StudyMethod.SCALEDGD_LAMBDA) == "eta 0.5, lambda 0.01"
    assert StepSizes(1.0, 2.0, 0.3).text(StudyMethod.PRECONDITIONED_WN) == "eta 1, mu 2, c 0.3"
