"""The samples study: bisection, what counts as recovered, its run, picture and captions."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from cases.presented import caption, findings, pictures
from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.samples import measure as measuring
from wnsense.lab.studies.samples import run as running
from wnsense.lab.studies.samples.cases import SAMPLES_STUDY
from wnsense.lab.studies.samples.measure import (
    _stored_in_full,
    counts_to_try,
    draw_problem,
    isometry_constant,
    recovers,
    smallest_success,
)
from wnsense.lab.studies.samples.specification import CountSearch, Effort, IsometrySearch, Recoverer, SampleCase
from wnsense.lab.studies.samples.study import sample_study
from wnsense.lab.studies.samples.table import SAMPLE_TABLES
from wnsense.lab.studies.theorem_cases import Varied

pytestmark = pytest.mark.usefixtures("as_users_run")

CASE = SampleCase(size=8, rank=4, true_rank=2, condition=1.5)
EFFORT = Effort(1.4, 0.5, 200, 1e-5)


@pytest.mark.parametrize("least", range(12))
def test_bisection_finds_where_success_begins(least):
    tried = [3 * k + 5 for k in range(11)]
    asked = []

    def succeeds(count):
        asked.append(count)
        return count >= 3 * least + 5

    found = smallest_success(tried, succeeds)
    assert found == 3 * least + 5 if least < 11 else np.isnan(found)
    # Twelve answers are possible.
    assert len(asked) <= 4
    assert len(set(asked)) == len(asked)


def test_counts_go_from_the_information_limit_to_beyond_every_symmetric_matrix():
    tried = counts_to_try(CASE, 1.4)
    assert tried[0] == CASE.information_limit == 2 * (16 - 2 + 1) // 2
    assert tried[-1] >= 1.5 * CASE.unknowns == 54
    assert all(1 < b / a <= 1.4 * (1 + 1 / a) for a, b in pairwise(tried))


@pytest.mark.parametrize("recoverer", Recoverer)
def test_few_measurements_do_not_recover_and_many_do(recoverer):
    sought = CountSearch(CASE, recoverer, 0, EFFORT)
    assert not recovers(sought, CASE.information_limit - 5)
    assert recovers(sought, 2 * CASE.unknowns)


def test_a_wrong_matrix_that_fits_is_no_recovery(monkeypatch):
    """Algorithm 1 interpolates below the information limit: the residual says nothing."""
    statuses = []
    solve = measuring.solve

    def watched(*args, **named):
        result = solve(*args, **named)
        statuses.append(str(result.status))
        return result

    monkeypatch.setattr(measuring, "solve", watched)
    assert not recovers(CountSearch(CASE, Recoverer.WN, 0, dataclasses.replace(EFFORT, steps=2_000)), 8)
    assert statuses == ["converged"]


def test_rows_stored_in_full_measure_the_same():
    problem = draw_problem(CASE, 30, 1)
    full = _stored_in_full(problem)
    assert type(full.operator) is not type(problem.operator)
    assert torch.allclose(full.operator.measure(problem.truth), problem.measurements, rtol=1e-12)
    # What is large stays packed.
    large = draw_problem(dataclasses.replace(CASE, size=64), 40, 1)
    assert _stored_in_full(large) is large


def test_the_isometry_is_that_of_all_rows():
    many, few = (isometry_constant(IsometrySearch(CASE, count, 0, 3)) for count in (20_000, 60))
    assert 0 < many < 0.2 < few
    assert IsometrySearch(CASE, 60, 0, 3).rank == 7
    assert IsometrySearch(dataclasses.replace(CASE, rank=7), 60, 0, 3).rank == 8


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(InputError, match="a rank above the true rank 2"):
        dataclasses.replace(CASE, rank=2)
    with pytest.raises(InputError, match="at least 2"):
        dataclasses.replace(CASE, true_rank=1)
    with pytest.raises(InputError, match="coordinate"):
        CASE.value(Varied.STEP_SIZE)


@pytest.mark.parametrize("scale", Scale)
def test_every_sweep_varies_what_it_says_and_nothing_else(scale):
    plan = SAMPLES_STUDY.plan(scale)
    names = {Varied.SIZE: "size", Varied.RANK: "rank", Varied.TRUE_RANK: "true_rank", Varied.CONDITION: "condition"}
    for sweep in plan.sweeps:
        cases = [dataclasses.asdict(case) for case in sweep.cases]
        assert {name for name in cases[0] if len({case[name] for case in cases}) > 1} == {names[sweep.varied]}
        assert sweep.values == sorted(set(sweep.values))
        if sweep.varied is Varied.RANK:
            assert sweep.recoverers == (Recoverer.WN,)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The quick study with every search answered by a law: twice the degrees of freedom, and 9/8 of it for seed 1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        patch.setattr(running, "smallest_count", lambda sought: sought.case.information_limit * (2 + sought.seed / 4))
        patch.setattr(running, "isometry_constant", lambda sought: 30 / sought.count**0.5)
        return sample_study(SAMPLES_STUDY).run(tmp_path_factory.mktemp("samples"), Scale.PAPER)


def test_captions_and_verdicts_are_made_of_the_table(table):
    study = SAMPLE_TABLES.read(table)
    assert [sweep.facts.varied for sweep in study.entries] == ["m", "r", "r_A"]
    told = findings(table)
    assert told[0].holds
    assert "orders of magnitude more" in told[0].text
    text = caption(table)
    assert "(2.25)" in text
    [size] = [of for of in told if of.text.startswith("WN, Algorithm 1 against m")]
    assert size.holds
    greedy = {**table.arrays, "0_wn": table.arrays["0_wn"] * study.entries[0].values[:, None] ** 9}
    [size] = [of for of in findings(Table(table.header, greedy)) if of.text.startswith("WN, Algorithm 1 against m")]
    assert not size.holds
    lost = {**table.arrays, "0_wn": np.full_like(table.arrays["0_wn"], 1e30)}
    assert not findings(Table(table.header, lost))[0].holds


def test_the_picture_names_its_axes(table):
    [figure] = pictures(table).values()
    assert all(axes.get_xlabel() for axes in figure.axes)
    assert figure.axes[0].get_yscale() == "log"
    figure.canvas.draw()


def test_searches_are_kept_and_not_repeated(tmp_path, monkeypatch):
    made = []

    def counted(sought):
        made.append(sought)
        if len(made) == 4:
            raise KeyboardInterrupt
        return 100.0

    monkeypatch.setattr(running, "smallest_count", counted)
    monkeypatch.setattr(running, "isometry_constant", lambda sought: 0.5)
    with pytest.raises(KeyboardInterrupt):
        sample_study(SAMPLES_STUDY).run(tmp_path, Scale.QUICK)
    first = made[:3]
    sample_study(SAMPLES_STUDY).run(tmp_path, Scale.QUICK)
    assert not set(first) & set(made[4:])
    assert made[3] == made[4]
    total = len(made)
    sample_study(SAMPLES_STUDY).run(tmp_path, Scale.QUICK)
    assert len(made) == total


@pytest.mark.slow
def test_the_quick_study_needs_far_fewer_than_the_bound(tmp_path):
    table = sample_study(SAMPLES_STUDY).run(tmp_path, Scale.QUICK)
    assert findings(table)[0].holds
    for sweep in SAMPLE_TABLES.read(table).entries:
        for found in sweep.counts.values():
            assert (found >= sweep.limits[:, None]).all()
