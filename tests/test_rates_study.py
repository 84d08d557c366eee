"""The study of Table 1: what is run for each row, steps counted, its run, pictures and captions."""

import dataclasses

import numpy as np
import pytest
import torch

from cases.presented import caption, findings, pictures
from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.rates import run as running
from wnsense.lab.studies.rates.cases import TABLE_1_STUDY
from wnsense.lab.studies.rates.measure import RateCourse, UnbalancedGD, measure, objective_of
from wnsense.lab.studies.rates.specification import Analysis, RateMethod, RatePlan, RateRun, RateSetting, RateStart
from wnsense.lab.studies.rates.study import rate_study
from wnsense.lab.studies.rates.table import RATE_TABLES
from wnsense.sensing.kinds import Kind
from wnsense.solvers.starts import gaussian_start
from wnsense.theory.convergence_forms import FactorModel
from wnsense.theory.published_rates import TABLE_1

pytestmark = pytest.mark.usefixtures("as_users_run")

SETTING = RateSetting(8, 2, 4, 2.0, 400)
TINY = dataclasses.replace(
    TABLE_1_STUDY, quick=RatePlan((SETTING,), (0.5, 1.0), (101,), (0, 1), 60, 400, (1e-2, 1e-4, 1e-8))
)
RUNS = (len(TABLE_1) - 1) * 3


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny study, uninterrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        return rate_study(TINY).run(tmp_path_factory.mktemp("tiny"), Scale.QUICK)


def test_every_row_of_the_table_is_there_once_with_its_own_method():
    analyses = TABLE_1_STUDY.analyses
    assert [of.row for of in analyses] == list(range(len(TABLE_1)))
    words = {
        RateMethod.GD: "gradient descent",
        RateMethod.UNBALANCED: "gradient descent",
        RateMethod.SCALED: "ScaledGD",
        RateMethod.DAMPED: "ScaledGD(lambda)",
        RateMethod.PRECONDITIONED: "PrecGD",
        RateMethod.AGN: "approximated Gauss-Newton",
        RateMethod.WN: "weight-normalized gradient descent",
    }
    for of in analyses:
        if of.method is None:
            assert of.reason
            continue
        assert of.rate.method.startswith(words[of.method])
        assert (of.kind is Kind.RECTANGULAR) == (of.rate.model is FactorModel.RECTANGULAR)
        width = RateRun(of, SETTING, 1.0, (0,), 1).width
        assert width == (4 if of.rate.overparameterized else 2)
    assert {of.method for of in analyses} == {*RateMethod, None}


def test_what_cannot_be_run_is_refused():
    with pytest.raises(InputError, match="a method, or the reason"):
        Analysis(0, None)
    with pytest.raises(InputError, match="a row from 0 to 11"):
        Analysis(12, RateMethod.GD)
    with pytest.raises(InputError, match="working rank"):
        dataclasses.replace(SETTING, rank=9)


def test_unbalanced_factors_stay_as_they_are_drawn():
    """Two steps of gradient descent on L Q^T, written out."""
    objective = objective_of(SETTING, Kind.RECTANGULAR, 0.0)
    start = gaussian_start(objective, 4, magnitude=0.1, generator=torch.Generator().manual_seed(0))
    solver = UnbalancedGD(0.5)
    state = solver.start(objective, start)
    L, Q = 0.1**0.5 * start.X, 0.1**0.5 * start.Y
    assert float((L.mT @ L - Q.mT @ Q).norm()) > 0.05
    for _ in range(2):
        R = objective.evaluate(type(start)(L, torch.eye(4, dtype=L.dtype), Q))
        L, Q = L - 0.5 * R.left, Q - 0.5 * R.right
        state = solver.step(objective, state)
    assert torch.allclose(state.evaluation.point.X, L, atol=1e-12)
    assert torch.allclose(state.evaluation.point.right, Q, atol=1e-12)


def test_steps_are_counted_to_the_first_row_below_a_level():
    error = np.array([[1.0, 1.0], [0.1, 0.5], [0.001, 0.2], [0.01, 0.1]])
    course = RateCourse(np.array([0, 5, 10, 15]), error, 2, diverged=False, seconds=0.0)
    np.testing.assert_array_equal(course.steps_to(0.1), [5, 15])
    np.testing.assert_array_equal(course.steps_to(0.05), [10, np.nan])


def test_a_step_size_with_which_a_start_diverges_is_told():
    run = RateRun(Analysis(0, RateMethod.GD), SETTING, 30.0, (0, 1), 200)
    assert measure(run, RateMethod.GD).diverged
    tame = RateRun(Analysis(0, RateMethod.GD), SETTING, 0.5, (0, 1), 20)
    assert not measure(tame, RateMethod.GD).diverged


def test_an_interrupted_study_goes_on_and_repeats_no_finished_run(tiny, tmp_path, monkeypatch):
    made = []

    def counted(run, method):
        made.append(run)
        if len(made) == 8:
            raise KeyboardInterrupt
        return measure(run, method)

    monkeypatch.setattr(running, "measure", counted)
    with pytest.raises(KeyboardInterrupt):
        rate_study(TINY).run(tmp_path, Scale.QUICK)
    again = rate_study(TINY).run(tmp_path, Scale.QUICK)
    assert not set(made[:7]) & set(made[8:])
    assert len(made) == RUNS + 1
    assert again.header == tiny.header
    for name, array in tiny.arrays.items():
        if name not in {"spent_seconds", "peak_memory"}:
            np.testing.assert_array_equal(again.arrays[name], array)


def test_the_step_size_is_the_best_of_the_grid(tiny):
    for row in tiny.header["rows"]:
        tried = [np.inf if steps is None else steps for steps in row["tried"]]
        if np.isfinite(tried).any():
            assert row["step_size"] == TINY.quick.step_sizes[int(np.argmin(tried))]


def test_surplus_makes_gradient_descent_sublinear_and_weight_normalization_is_linear(tiny):
    [rows] = RATE_TABLES.read(tiny).counted
    by_row = {row.head.row: row for row in rows}
    assert by_row[0].is_linear() is not False
    assert by_row[1].is_linear() is False
    assert by_row[11].is_linear() is not False
    assert by_row[11].reached(2) is not None
    assert by_row[1].reached(2) is None
    assert by_row[11].head.applications == 4
    assert by_row[1].head.applications == 2


def test_captions_and_verdicts_are_made_of_the_table(tiny):
    text = caption(tiny)
    assert "not implemented" in text
    assert "arXiv 2510.01175" in text
    verdicts = {of.text.split(",")[0]: of.holds for of in findings(tiny)}
    assert verdicts["row 2"] is True
    assert verdicts["row 12"] is True
    # Under noise nothing is held against anybody.
    assert verdicts["row 6"] is None
    step = np.arange(1, 401, 4)
    swapped = {
        **tiny.arrays,
        "0_1_step": step,
        "0_1_error": np.exp(-0.01 * step)[:, None] * np.ones(2),
        "0_11_step": step,
        "0_11_error": (1.0 / step)[:, None] * np.ones(2),
    }
    verdicts = {of.text.split(",")[0]: of.holds for of in findings(Table(tiny.header, swapped))}
    assert verdicts["row 2"] is False
    assert verdicts["row 12"] is False
    with pytest.raises(InputError, match="study of rates"):
        RATE_TABLES.read(Table({}, {}))


def test_pictures_name_their_axes_and_rows(tiny):
    drawn = pictures(tiny)
    assert set(drawn) == {"", "-curves"}
    labels = [text.get_text() for text in drawn[""].axes[0].get_yticklabels()]
    assert len(labels) == len(TABLE_1)
    for figure in drawn.values():
        assert all(axes.get_xlabel() for axes in figure.axes)
        figure.canvas.draw()


def test_every_start_is_one_of_the_words():
    assert {of.start for of in TABLE_1_STUDY.analyses} == set(RateStart)
