"""The benchmark: what is measured and kept, what is tuned on, and what the tables and profiles say of rows."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cases.commands import assert_refused
from wnsense.checks import InputError
from wnsense.lab.bench.bench_picture import PhaseMap, phase_picture, profile, profiles_picture
from wnsense.lab.bench.bench_run import GridRun, make_row
from wnsense.lab.bench.cells import Cell, cell_problem, oracle_error
from wnsense.lab.bench.comparison import (
    compare_cells,
    group_rows,
    median_to,
    performance_ratios,
    phase_maps,
    success,
    summarize_ratios,
)
from wnsense.lab.bench.contestants import CONTESTANTS, RECOVER, Configuration
from wnsense.lab.bench.grid import GRIDS, Grid
from wnsense.lab.bench.grid_files import read_facts
from wnsense.lab.bench.grid_run import GridFiles, facts, run_grid
from wnsense.lab.bench.publication import publish
from wnsense.lab.bench.rows import COLUMNS, NEVER, Key, Purpose, Row, as_csv, read_rows, write_rows
from wnsense.lab.bench.summary import summary
from wnsense.sensing.kinds import Kind
from wnsense.solvers.catalogue import BASELINES
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.scaled_gradient import ScaledGD

pytestmark = pytest.mark.usefixtures("as_users_run")

SMALL = Cell("gaussian", Kind.PSD, 12, 1, 1, 1.0, 5.0)
NOISY = replace(SMALL, noise=0.01)
# Two cells, a method that is tuned, one that is not, and recover().
TINY = Grid(
    "tiny", (SMALL, NOISY), seeds=(0, 1), tuning_seeds=(7,), methods=(RECOVER, "svp", "conjugate-wn"), budget=500
)


# The first of its cells, for what needs a grid to be run again.
FIRST = replace(TINY, cells=(SMALL,))


def timeless(rows):
    """Rows without what no two runs share."""
    return [
        replace(row, seconds=0.0, seconds_to=tuple(0.0 if s < NEVER else s for s in row.seconds_to)) for row in rows
    ]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The rows of the tiny grid, run without interruption in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        return run_grid(TINY, tmp_path_factory.mktemp("tiny"))


def of_the_first_cell(rows):
    return [row for row in rows if row.key.cell == SMALL]


def row_of(cell=SMALL, seed=0, method="svp", purpose=Purpose.DEFAULT, spent=(10.0, 20.0, 30.0), **fields) -> Row:
    """A made-up row."""
    setting = None if method == RECOVER else CONTESTANTS[method].default
    parameters = fields.pop("parameters", "{}" if setting is None else setting.parameters)
    seconds = tuple(s / 100 for s in spent)
    key = Key(cell, seed, method, purpose, parameters)
    return replace(Row(key, "converged", 1, 1e-12, 30, 0.3, tuple(spent), seconds), **fields)


# ------------------------------------------------------------------------------------------------ one run


def test_every_baseline_and_every_other_method_takes_part():
    assert {name for name, contestant in CONTESTANTS.items() if contestant.is_baseline} == set(BASELINES)
    for name, contestant in CONTESTANTS.items():
        if contestant.is_baseline:
            assert isinstance(contestant.default.solver, BASELINES[name])
            # What is published is what the class has for it.
            assert contestant.default.solver == BASELINES[name]()
            assert all(isinstance(setting.solver, BASELINES[name]) for setting in contestant.tuning)
        parameters = [setting.parameters for setting in contestant.configurations]
        assert len(set(parameters)) == len(parameters)


@pytest.mark.parametrize("kind", [Kind.PSD, Kind.SYMMETRIC, Kind.RECTANGULAR])
@pytest.mark.parametrize("name", CONTESTANTS)
def test_methods_take_the_kinds_that_they_declare(name, kind):
    cell = replace(SMALL, kind=kind, cap=2)
    contestant = CONTESTANTS[name]
    run = GridRun(Key(cell, 0, name, Purpose.DEFAULT, ""), 40, contestant.default)
    if kind in contestant.kinds:
        assert make_row(run).applications > 0
    else:
        with pytest.raises(InputError):
            make_row(run)


@pytest.mark.parametrize("name", CONTESTANTS)
def test_a_start_is_as_wide_as_the_cap(name):
    objective = SensingObjective(cell_problem(replace(SMALL, cap=3), 0))
    for setting in CONTESTANTS[name].configurations:
        point, cost = setting.start.begin(objective, 3, 0)
        assert point.width == 3
        assert (cost > 0) == (setting.start.start == "spectral")


def test_a_row_agrees_with_the_run_made_by_hand():
    """Scaled gradient descent with the same start, stepped until the error is there."""
    setting = Configuration(ScaledGD())
    row = make_row(GridRun(Key(SMALL, 3, "scaledgd", Purpose.DEFAULT, setting.parameters), 400, setting))
    problem = SMALL.problem(3)
    objective = SensingObjective(problem, seed=3)
    start, cost = setting.start.begin(objective, 1, 3)
    state = setting.solver.start(objective, start)
    before = objective.calibration.applications + cost
    reached = {}
    while len(reached) < 3:
        error = float(objective.to_user(state.evaluation.point).distance(problem.truth) / problem.truth.norm())
        for accuracy in (1e-3, 1e-6, 1e-10):
            if error <= accuracy:
                reached.setdefault(accuracy, before + state.applications)
        state = setting.solver.step(objective, state)
    assert row.applications_to == tuple(reached.values())
    assert row.status == "converged"
    assert row.rank == 1
    assert row.error <= 1e-11
    assert row.applications >= row.applications_to[2]
    assert 0 < row.seconds_to[0] < row.seconds_to[1] < row.seconds_to[2] <= row.seconds


def test_recover_is_measured_without_being_told_anything():
    row = make_row(GridRun(Key(SMALL, 0, RECOVER, Purpose.DEFAULT, "{}"), 600, None))
    again = make_row(GridRun(Key(replace(SMALL, cap=5), 0, RECOVER, Purpose.DEFAULT, "{}"), 600, None))
    assert row.status == "converged"
    assert row.rank == 1
    assert row.error <= 1e-10
    assert list(row.applications_to) == sorted(row.applications_to)
    assert row.applications_to[2] <= row.applications <= 600
    assert again.applications_to == row.applications_to


def test_nothing_counts_that_was_reached_beyond_the_budget():
    whole = make_row(GridRun(Key(SMALL, 0, "svp", Purpose.DEFAULT, ""), 600, CONTESTANTS["svp"].default))
    budget = int(whole.applications_to[1]) - 1
    cut = make_row(GridRun(Key(SMALL, 0, "svp", Purpose.DEFAULT, ""), budget, CONTESTANTS["svp"].default))
    assert cut.status == "out_of_budget"
    assert cut.applications_to[0] == whole.applications_to[0]
    assert cut.applications_to[1:] == (NEVER, NEVER)


def test_a_run_that_leaves_for_good_is_a_row_and_no_error():
    setting = Configuration(ScaledGD(20.0))
    row = make_row(GridRun(Key(SMALL, 0, "scaledgd", Purpose.TUNING, setting.parameters), 600, setting))
    assert row.status == "diverged"
    assert row.applications_to == (NEVER, NEVER, NEVER)


def test_a_factorization_that_fails_is_a_diverged_run(monkeypatch):
    def fail(self, objective, state):
        torch.linalg.cholesky(-torch.eye(2))

    monkeypatch.setattr(ScaledGD, "step", fail)
    setting = Configuration(ScaledGD())
    row = make_row(GridRun(Key(SMALL, 0, "scaledgd", Purpose.DEFAULT, setting.parameters), 600, setting))
    assert (row.status, row.error, row.rank) == ("diverged", math.inf, 0)
    assert row.applications > 0


def test_under_noise_the_error_is_held_against_least_squares_from_the_truth(tiny):
    noisy = [row for row in tiny if row.key.cell == NOISY]
    assert noisy
    for row in noisy:
        assert row.oracle_ratio == pytest.approx(row.error / oracle_error(NOISY, row.key.seed))
        if row.key.purpose is not Purpose.TUNING:
            # All end at a least-squares fit of this rank to all rows, as the oracle does, or close by.
            assert 0.8 < row.oracle_ratio < 1.5
    assert all(row.oracle_ratio is None for row in tiny if row.key.cell == SMALL)


# --------------------------------------------------------------------------------------------------- the table


def test_rows_come_back_from_csv_as_they_were(tmp_path):
    rows = sorted(
        [row_of(), row_of(NOISY, 1, RECOVER, spent=(10.0, NEVER, NEVER), oracle_ratio=1.25, error=math.inf)],
        key=lambda row: row.key,
    )
    path = tmp_path / "table.csv"
    write_rows(path, reversed(rows))
    assert read_rows(path) == rows
    with path.open(newline="") as file:
        records = list(csv.DictReader(file))
    assert tuple(records[0]) == COLUMNS
    assert records[1]["applications_to_1e-10"] == ""
    assert json.loads(records[0]["parameters"])["step_size"] == 0.75
    assert records[0]["measurements"] == "60"


def test_the_table_that_is_kept_is_what_was_returned(tiny, tmp_path):
    write_rows(tmp_path / "again.csv", tiny)
    assert read_rows(tmp_path / "again.csv") == tiny
    per_cell = 2 * 3 + 4 + 2
    assert len(tiny) == 2 * per_cell


class Interrupting:
    """Told of progress, it asks to stop after so many runs."""

    def __init__(self, after):
        self.left = after
        self.calls = 0

    def __call__(self, words, done, total):
        self.calls += 1
        if self.calls > self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("grid", "after"), [(FIRST, 9), pytest.param(TINY, 20, marks=pytest.mark.slow)])
def test_an_interrupted_grid_goes_on_and_gives_the_same_table(tiny, tmp_path, grid, after):
    rows = of_the_first_cell(tiny) if grid is FIRST else tiny
    with pytest.raises(KeyboardInterrupt):
        run_grid(grid, tmp_path, progress=Interrupting(after))
    kept = read_rows(GridFiles(tmp_path, grid).table)
    assert after <= len(kept) < len(rows)
    resumed = run_grid(grid, tmp_path)
    assert timeless(resumed) == timeless(rows)
    # What was kept was not run again: its seconds are the same too.
    assert {row.key: row for row in resumed}.items() >= {row.key: row for row in kept}.items()


def test_a_torn_line_is_dropped_and_run_again(tiny, tmp_path):
    store = GridFiles(tmp_path, TINY)
    store.write(tiny)
    whole = store.table.read_bytes()
    store.table.write_bytes(whole[:-20])
    assert read_rows(store.table) == tiny[:-1]
    assert timeless(run_grid(TINY, tmp_path)) == timeless(tiny)
    assert len(store.table.read_text().splitlines()) == len(tiny) + 1


def test_a_table_that_is_complete_is_not_run_again(tiny, tmp_path, monkeypatch):
    GridFiles(tmp_path, TINY).write(tiny)
    monkeypatch.setattr("wnsense.lab.bench.grid_run.make_row", lambda run: pytest.fail("it was"))
    assert run_grid(TINY, tmp_path) == tiny


def test_only_methods_that_are_named_are_run_anew(tiny, tmp_path):
    rows = of_the_first_cell(tiny)
    GridFiles(tmp_path, FIRST).write([replace(row, seconds=99.0) for row in rows])
    again = run_grid(FIRST, tmp_path, anew=["svp"])
    assert timeless(again) == timeless(rows)
    assert all((row.seconds == 99.0) == (row.key.method != "svp") for row in again)
    with pytest.raises(InputError, match="needed methods of recover, svp, conjugate-wn, got gd"):
        run_grid(FIRST, tmp_path, anew=["gd"])


def test_a_table_of_another_grid_or_version_is_refused(tiny, tmp_path):
    store = GridFiles(tmp_path, TINY)
    store.write(tiny)
    with pytest.raises(InputError, match=r"needed a table with fingerprint .* name another directory"):
        run_grid(replace(TINY, budget=501), tmp_path)
    known = json.loads(store.facts.read_text())
    known["versions"]["torch"] = "1.0"
    store.facts.write_text(json.dumps(known))
    with pytest.raises(InputError, match="needed a table with versions"):
        run_grid(TINY, tmp_path)
    store.facts.unlink()
    with pytest.raises(InputError, match="needed the description of the table"):
        run_grid(TINY, tmp_path)


def test_a_damaged_line_is_told_by_its_number(tiny, tmp_path):
    path = tmp_path / "table.csv"
    lines = as_csv(tiny).splitlines(keepends=True)
    path.write_text("".join([*lines[:3], "nonsense\n", *lines[3:]]))
    with pytest.raises(InputError, match="line 4"):
        read_rows(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns of the benchmark"):
        read_rows(path)


def test_processes_side_by_side_give_the_rows_of_one(tiny, tmp_path):
    assert timeless(run_grid(FIRST, tmp_path, jobs=2)) == timeless(of_the_first_cell(tiny))


# ---------------------------------------------------------------------------------------------------- tuning


def test_what_counts_and_what_is_tuned_on_are_kept_apart():
    with pytest.raises(InputError, match=r"needed tuning seeds that are not among .*, got \[1\] in both"):
        replace(TINY, tuning_seeds=(1,))
    for grid in (*GRIDS.values(), TINY):
        runs = list(grid.first_runs())
        assert len({run.key for run in runs}) == len(runs)
        for run in runs:
            tuning = run.key.purpose is Purpose.TUNING
            assert (run.key.seed in grid.tuning_seeds) == tuning
            assert (run.key.seed in grid.seeds) != tuning


def tuning_rows(results, seeds=(7,)):
    """Made-up runs of the settings of svp on tuning seeds: applications to each accuracy, and the error."""
    settings = CONTESTANTS["svp"].configurations
    return [
        row_of(seed=seed, purpose=Purpose.TUNING, spent=spent, error=error, parameters=setting.parameters)
        for setting, (spent, error) in zip(settings, results, strict=True)
        for seed in seeds
    ]


N = NEVER


@pytest.mark.parametrize(
    ("results", "best"),
    [
        ([((9, 20, 40), 0), ((9, 20, 30), 0), ((1, 2, N), 0), ((1, 2, 31), 0)], 1),
        # None gets to 1e-10: the least to 1e-6.
        ([((9, N, N), 0), ((9, 20, N), 0), ((9, 19, N), 0), ((1, N, N), 0)], 2),
        # Equal at 1e-10: the least to 1e-6, then to 1e-3.
        ([((9, 20, 40), 0), ((8, 20, 40), 0), ((9, 21, 40), 0), ((1, 22, 40), 0)], 1),
        # None gets anywhere: the least error; all alike: as published.
        ([((N, N, N), 0.3), ((N, N, N), 0.2), ((N, N, N), 0.1), ((N, N, N), math.inf)], 2),
        ([((9, 20, 40), 0)] * 4, 0),
    ],
)
def test_the_best_setting_is_that_of_the_strictest_accuracy_that_tells(results, best):
    grid = replace(TINY, cells=(SMALL,))
    assert grid.best_configurations(tuning_rows(results)) == {(SMALL, "svp"): CONTESTANTS["svp"].configurations[best]}


def test_tuning_takes_medians_over_tuning_seeds_and_sees_no_other_row():
    grid = replace(TINY, cells=(SMALL,))
    results = [((9, 20, 40), 0), ((9, 20, 30), 0), ((9, 20, 50), 0), ((9, 20, 60), 0)]
    rows = tuning_rows(results)
    # Rows that count say the contrary, and are not heard.
    others = [
        row_of(seed=seed, purpose=purpose, spent=(1, 1, 1 + i), parameters=setting.parameters)
        for i, setting in enumerate(reversed(CONTESTANTS["svp"].configurations))
        for seed in (0, 1)
        for purpose in (Purpose.DEFAULT, Purpose.TUNED)
    ]
    assert grid.best_configurations(rows + others) == grid.best_configurations(rows)
    # One failure of two makes a median infinite.
    failed = replace(rows[1], key=rows[1].key._replace(seed=8), applications_to=(9, 20, N))
    assert grid.best_configurations([*rows, failed])[SMALL, "svp"] == CONTESTANTS["svp"].configurations[0]


def test_tuned_rows_are_of_the_chosen_setting(tiny):
    chosen = TINY.best_configurations(tiny)
    tuned = [row for row in tiny if row.key.purpose is Purpose.TUNED]
    assert {row.key.seed for row in tuned} == set(TINY.seeds)
    for row in tuned:
        assert row.key.parameters == chosen[row.key.cell, row.key.method].parameters


# --------------------------------------------------------------------------------------- tables and profiles

FEW = replace(SMALL, oversampling=2.0)
OTHER = replace(SMALL, condition=100.0)


def hand_made():
    """Three cells and three seeds: recover(), two baselines, published and tuned."""
    spent = {
        (SMALL, RECOVER, Purpose.DEFAULT): (50, 60, 70),
        (SMALL, "svp", Purpose.DEFAULT): (100, 120, 400),
        (SMALL, "svp", Purpose.TUNED): (80, 90, 100),
        (SMALL, "lmm", Purpose.DEFAULT): (110, 130, N),
        (SMALL, "lmm", Purpose.TUNED): (110, 130, N),
        # recover() gets there in one of three seeds only, the best baseline in all.
        (OTHER, RECOVER, Purpose.DEFAULT): (50, N, N),
        (OTHER, "svp", Purpose.DEFAULT): (N, N, N),
        (OTHER, "svp", Purpose.TUNED): (200, 210, 220),
        (FEW, RECOVER, Purpose.DEFAULT): (90, 100, 110),
        (FEW, "svp", Purpose.DEFAULT): (N, N, N),
        (FEW, "svp", Purpose.TUNED): (N, N, 100),
    }
    return [
        row_of(cell, seed, method, purpose, spent=(1.0, 2.0, at))
        for (cell, method, purpose), of in spent.items()
        for seed, at in enumerate(of)
    ]


def test_comparisons_of_a_hand_made_table():
    first, other, few = sorted(compare_cells(hand_made()), key=lambda c: (c.cell.oversampling == 2, c.cell.condition))
    assert (first.cell, other.cell, few.cell) == (SMALL, OTHER, FEW)
    assert first.recover.applications == 60
    assert (first.default.method, first.default.applications) == ("svp", 120)
    assert (first.tuned.method, first.tuned.applications) == ("svp", 90)
    assert first.default_ratio == pytest.approx(60 / 120)
    assert first.tuned_ratio == pytest.approx(60 / 90)
    assert (first.success, first.best_success) == (1, 1)
    assert (other.default.method, other.default_ratio) == ("", None)
    assert other.tuned_ratio == math.inf
    assert (other.success, other.best_success) == (pytest.approx(1 / 3), 1)
    # One success in three is no median.
    assert few.tuned_ratio is None
    plenty = summarize_ratios([first, other])
    assert (plenty.cells, plenty.median_default, plenty.median_tuned) == (2, 0.5, math.inf)
    assert plenty.largest == other
    assert summarize_ratios([first]).median_tuned == pytest.approx(2 / 3)
    assert summarize_ratios([few]).cells == 0


def test_the_page_says_what_the_comparisons_say():
    page = summary(hand_made(), facts(TINY))
    assert "| gaussian psd | 12 | 1 | 1 | 1 | 5 | 60 | 100% | svp 120 | svp 90 | 0.5 | 0.667 |" in page
    assert (
        "| gaussian psd | 12 | 1 | 1 | 100 | 5 | never | 33% | - | svp 220 | - | infinite |".replace("220", "210")
        in page
    )
    assert "n / freedom 5: 33% against 100%" in page
    assert "below that of the best baseline: 1\n" in page
    line = next(line for line in page.splitlines() if line.startswith("| svp | tuned"))
    # Success to 1e-10 in 3, 3 and 1 of 3 seeds; the medians of cells are 90, 210 and never.
    assert "| 78% | 210 |" in line
    assert "Under noise" not in page


def test_an_answer_is_exact_if_both_its_rank_and_its_error_are():
    found = ((1, 1e-12), (2, 1e-12), (1, 0.5), (2, 0.5))
    answers = [row_of(seed=seed, method=RECOVER, rank=rank, error=error) for seed, (rank, error) in enumerate(found)]
    others = [row_of(), row_of(seed=5, method=RECOVER, status="stagnated")]
    page = summary(answers + others, facts(TINY))
    assert "Of 4 runs that recover() called converged, 1 have the rank r_A and an error below" in page


def test_medians_and_success_count_failures():
    rows = group_rows(hand_made())[FEW, "svp", Purpose.TUNED]
    assert median_to(rows) == math.inf
    assert success(rows) == pytest.approx(1 / 3)
    assert success(rows, 0) == 1


def test_the_page_has_errors_under_noise(tiny):
    page = summary(tiny, facts(TINY))
    noise = page.split("## Under noise")[1]
    assert "| gaussian psd, cap 1, noise 0.01 |" in noise
    for line in noise.splitlines():
        if line.startswith("| recover"):
            assert 0.8 < float(line.split("|")[3]) < 1.5
            break
    else:
        pytest.fail("no line of recover()")


def test_performance_ratios_by_hand():
    ratios = performance_ratios(hand_made(), Purpose.DEFAULT)
    # Problems, a cell with a seed each, that some method solves: three, one and three.
    assert sorted(ratios[RECOVER]) == [1.0] * 7
    assert sorted(ratios["svp"]) == [2.0, 2.0, 400 / 70, N, N, N, N]
    assert sorted(ratios["lmm"])[:3] == [pytest.approx(130 / 60), pytest.approx(2.2), N]
    tuned = performance_ratios(hand_made(), Purpose.TUNED)
    assert len(tuned[RECOVER]) == 9
    assert sorted(tuned[RECOVER])[:6] == [*[1.0] * 6]
    assert max(ratio for ratio in tuned[RECOVER] if ratio < N) == pytest.approx(1.1)
    assert sorted(tuned["svp"])[:4] == [1.0, 1.0, 1.0, pytest.approx(100 / 70)]


def test_profile_by_hand():
    tau, share = profile([1.0, 3.0, N, 2.0, 1.0], 8.0)

    def at(value):
        return share[np.searchsorted(tau, value, side="right") - 1]

    assert [at(t) for t in (1.0, 1.9, 2.0, 2.9, 3.0, 8.0)] == pytest.approx([0.4, 0.4, 0.6, 0.6, 0.8, 0.8])
    nowhere = profile([N, 9.0], 8.0)
    assert nowhere[1].tolist() == [0.0, 0.0]
    assert profile([], 8.0)[1].tolist() == [0.0, 0.0]


def test_markers_lie_on_the_profile():
    figure = profiles_picture({"a": performance_ratios(hand_made(), Purpose.DEFAULT)})
    curves = [line for line in figure.axes[0].get_lines() if len(line.get_xdata())]
    drawn = {line.get_color(): line for line in curves if line.get_linestyle() != "None"}
    marked = [line for line in curves if line.get_linestyle() == "None"]
    assert len(marked) == len(drawn) == 3
    for marks in marked:
        curve = drawn[marks.get_color()]
        assert len(marks.get_xdata()) > 0
        for x, y in marks.get_xydata():
            assert y == curve.get_ydata()[curve.get_xdata() <= x][-1]


def test_phase_maps_are_shares_of_seeds_by_cell():
    maps = phase_maps(hand_made(), accuracy=2)
    assert maps["svp"] == {SMALL: 1.0, OTHER: 0.0, FEW: 0.0}
    assert maps[RECOVER][OTHER] == pytest.approx(1 / 3)
    assert list(maps) == [RECOVER, "svp", "lmm"] or list(maps) == [RECOVER, "lmm", "svp"]


def test_pictures_show_every_method_and_leave_nothing_unnamed():
    figure = profiles_picture({"a": performance_ratios(hand_made(), Purpose.DEFAULT), "b": {RECOVER: [1.0]}})
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert "applications" in axes.get_xlabel()
        assert "share" in axes.get_ylabel()
    labels = [line.get_label() for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")]
    assert sorted(labels) == ["LMM", "SVP", "recover(), rank unknown"]
    shares = np.array([[0.0, 1.0], [np.nan, 0.4]])
    figure = phase_picture({RECOVER: PhaseMap((1.5, 2.0), (1, 2), shares), "svp": PhaseMap((1.5, 2.0), (1, 2), shares)})
    first = figure.axes[0]
    assert sorted(text.get_text() for text in first.texts) == ["0", "100", "40"]
    np.testing.assert_array_equal(first.images[0].get_array().filled(np.nan), shares)


# --------------------------------------------------------------------------------------------- the grids


def test_grids_are_what_they_are_for():
    full = GRIDS["full"]
    assert len(set(full.cells)) == len(full.cells)
    assert {cell.condition for cell in full.cells} >= {1.0, 1e2, 1e5}
    assert {cell.oversampling for cell in full.cells} >= {1.5, 2.5, 4.0, 10.0, 30.0}
    assert {cell.cap // cell.rank for cell in full.cells} == {1, 3}
    assert any(cell.noise for cell in full.cells)
    assert len(full.seeds) >= 5
    for grid in GRIDS.values():
        assert all(cell.is_possible for cell in grid.cells)
    assert {cell.rank for cell in GRIDS["transition"].cells} == {1, 2, 3, 4, 5, 6}


def test_grids_of_recover_alone_say_what_it_said(tmp_path):
    """On cells as those of the grids near the limit and under noise, smaller and fewer."""
    cells = (replace(SMALL, oversampling=5.0), replace(SMALL, oversampling=12.0, noise=0.05))
    grid = Grid("mine", cells, seeds=(0, 1, 2), methods=("recover",), budget=400)
    assert all(GRIDS[name].is_of_recover_alone for name in ("limit", "noise"))
    rows = run_grid(grid, tmp_path)
    [page] = publish(grid, rows, {"grid": "mine"}, tmp_path)
    exact, noisy = [line for line in page.read_text().splitlines() if line.startswith("| gaussian")]
    assert "converged x 3 | 3 of 3" in exact
    assert "reached_noise_floor x 3 | 3 of 3" in noisy
    ratios = sorted(row.oracle_ratio for row in rows if row.oracle_ratio is not None)
    assert f"| {ratios[1]:.3g} |" in noisy
    assert "Of 3 runs that recover() called converged, 3 have" in page.read_text()


def test_coordinates_that_a_matrix_does_not_have_are_not_drawn():
    assert not replace(SMALL, ensemble="dct", oversampling=30.0).is_possible
    assert replace(SMALL, oversampling=30.0).is_possible
    with pytest.raises(InputError, match=r"needed an ensemble of gaussian, .*, got 'gauss'"):
        replace(SMALL, ensemble="gauss")


QUICK = GRIDS["quick"]
# What the fast suite runs of it: recover() beside the two baselines that come closest to it.
PART_OF_QUICK = replace(QUICK, seeds=QUICK.seeds[:1], methods=(RECOVER, "lmm", "risro"))


@pytest.fixture(
    scope="module", params=[PART_OF_QUICK, pytest.param(QUICK, marks=pytest.mark.slow)], ids=["part", "whole"]
)
def quick(tmp_path_factory, request):
    """The directory of the quick grid or a part of it, run in this process without run-time checks, and published."""
    out = tmp_path_factory.mktemp("quick")
    grid = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        patch.setitem(GRIDS, "quick", grid)
        rows = run_grid(grid, out)
        publish(grid, rows, read_facts(GridFiles(out, grid).facts), out)
        yield out


def test_recover_needs_fewer_applications_than_any_baseline_on_the_quick_grid(quick):
    comparisons = compare_cells(read_rows(quick / "bench_quick.csv"))
    assert len(comparisons) == len(GRIDS["quick"].cells)
    for of in comparisons:
        assert of.success == 1
        assert of.default_ratio < 0.85
        assert of.tuned_ratio < 1


def test_the_files_of_the_quick_grid_are_whole(quick):
    out = quick
    assert sorted(path.name for path in out.iterdir()) == [f"bench_quick.{end}" for end in ("csv", "json", "md", "png")]
    rows = read_rows(out / "bench_quick.csv")
    grid = GRIDS["quick"]
    assert rows == sorted(rows, key=lambda row: row.key)
    assert {run.key for run in grid.first_runs()} <= {row.key for row in rows}
    known = json.loads((out / "bench_quick.json").read_text())
    assert known["fingerprint"] == grid.fingerprint
    assert (out / "bench_quick.md").read_text() == summary(rows, known)


def test_a_grid_of_several_ranks_is_published_as_maps(tmp_path):
    ranks = tuple(replace(SMALL, rank=rank, cap=rank, oversampling=n) for rank in (1, 2) for n in (1.5, 4.0))
    grid = Grid("small-maps", ranks, seeds=(0,), methods=(RECOVER, "svp"), budget=200)
    page, picture = publish(grid, run_grid(grid, tmp_path), facts(grid), tmp_path)
    assert "svp" in page.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")


# ------------------------------------------------------------------------------------------------- the command


def test_bad_input_is_one_line(wnsense, tmp_path):
    assert_refused(wnsense("bench", "--grid", "huge", "--out", tmp_path), "huge", "transition")
    assert_refused(wnsense("bench", "--jobs", "0", "--out", tmp_path), "--jobs of at least 1", "0")
    assert_refused(wnsense("bench", "--rerun", "newton", "--out", tmp_path), "--rerun of recover", "newton")
    occupied = tmp_path / "file"
    occupied.write_text("")
    assert_refused(wnsense("bench", "--out", occupied / "below"), "needed a directory to write to")
    (tmp_path / "bench_quick.csv").write_text("a,b\n")
    assert_refused(wnsense("bench", "--out", tmp_path), "needed the description of the table")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench_quick.csv", "file"]


def test_the_command_says_what_it_found_and_where_it_is(wnsense, quick):
    outcome = wnsense("bench", "--jobs", "1", "--out", quick)
    assert (outcome.code, outcome.err) == (0, "")
    for name in ("bench_quick.csv", "bench_quick.md", "bench_quick.png"):
        assert str(quick / name) in outcome.out
    assert "n at least 3 degrees of freedom, 3 cells" in outcome.out


def test_an_interrupted_command_says_how_to_go_on(wnsense, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("wnsense.lab.bench.grid_run.make_row", stop)
    outcome = wnsense("bench", "--jobs", "1", "--out", tmp_path)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err.startswith("wnsense: interrupted; finished rows are kept in ")
    assert outcome.err.count("\n") == 1
    assert read_rows(tmp_path / "bench_quick.csv") == []
