"""The grid of users: problems that are drawn, what counts as a success, what is told apart, what is kept."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cases.commands import assert_refused
from wnsense.checks import InputError
from wnsense.lab.bench.contestants import RECOVER
from wnsense.lab.bench.users.own_process import called_in_process, processes
from wnsense.lab.bench.users.user_cells import CellEnsemble, DrawnProblem, SpectrumLaw, UserCell
from wnsense.lab.bench.users.user_comparison import compare_user_cells
from wnsense.lab.bench.users.user_contestants import USER_METHODS
from wnsense.lab.bench.users.user_grid import USER_GRIDS
from wnsense.lab.bench.users.user_grid_run import UserFiles, run_user_grid
from wnsense.lab.bench.users.user_rows import USER_COLUMNS, UserKey, UserRow, read_user_rows, write_user_rows
from wnsense.lab.bench.users.user_run import UserRun, largest_value_error, make_user_row
from wnsense.lab.bench.users.user_summary import user_summary, user_totals
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank

pytestmark = pytest.mark.usefixtures("as_users_run")

EPSILON = torch.finfo(torch.float64).eps
ENTRIES = UserCell(CellEnsemble.REPAIRED, Kind.RECTANGULAR, (40, 30), 2, SpectrumLaw.LINEAR, 10.0, 1.5)
DECAYING = replace(ENTRIES, law=SpectrumLaw.INVERSE_SQUARE, condition=1.0)
INTENSITIES = UserCell(CellEnsemble.INTENSITIES, Kind.PSD, (20, 20), 1, SpectrumLaw.LINEAR, 1.0, 6.0)
GAUSSIAN = replace(INTENSITIES, ensemble=CellEnsemble.GAUSSIAN, oversampling=3.0)
PAULI = UserCell(CellEnsemble.PAULI, Kind.HERMITIAN, (16, 16), 1, SpectrumLaw.LINEAR, 1.0, 3.0)
SYMMETRIC = replace(ENTRIES, kind=Kind.SYMMETRIC, shape=(40, 40))
QUICK = USER_GRIDS["users-quick"]


def row_of(cell=ENTRIES, seed=0, method=RECOVER, **fields) -> UserRow:
    """A made-up row, of a success."""
    key = UserKey(cell, seed, method)
    told = method != RECOVER
    row = UserRow(key, told, "converged", True, cell.rank, 1e-10, 1e-9, None, True, 100, 1.0, 2.0)
    return replace(row, **fields)


# ------------------------------------------------------------------------------------------------ problems


@pytest.mark.parametrize("cell", [ENTRIES, SYMMETRIC, replace(SYMMETRIC, kind=Kind.PSD)], ids=lambda cell: cell.kind)
def test_repaired_entries_are_those_of_the_truth_and_enough_in_each_row(cell):
    drawn = cell.draw(3)
    operator, Z = drawn.problem.operator, drawn.truth.dense()
    assert operator.count == cell.measurements
    assert drawn.problem.measurements.numpy() == pytest.approx(
        Z[operator.rows, operator.columns].numpy(), rel=0, abs=10 * EPSILON
    )
    assert drawn.is_determined
    places = operator.rows * cell.shape[1] + operator.columns
    assert len(places.unique()) == cell.measurements


def test_a_row_with_fewer_entries_than_the_rank_is_not_determined():
    cell = replace(ENTRIES, ensemble=CellEnsemble.UNIFORM, oversampling=1.0)
    drawn = [cell.draw(seed) for seed in range(8)]
    for one in drawn:
        mask = np.zeros(cell.shape, dtype=bool)
        mask[one.problem.operator.rows, one.problem.operator.columns] = True
        assert one.is_determined == (min(mask.sum(0).min(), mask.sum(1).min()) >= cell.rank)
    assert not all(one.is_determined for one in drawn)


def test_pairs_of_a_symmetric_matrix_count_in_both_rows():
    cell = replace(SYMMETRIC, ensemble=CellEnsemble.UNIFORM, oversampling=1.0)
    seen = set()
    for seed in range(8):
        drawn = cell.draw(seed)
        mask = np.zeros(cell.shape, dtype=bool)
        mask[drawn.problem.operator.rows, drawn.problem.operator.columns] = True
        assert drawn.is_determined == ((mask | mask.T).sum(1).min() >= cell.rank)
        seen.add(drawn.is_determined)
    assert False in seen


@pytest.mark.parametrize("law", SpectrumLaw)
@pytest.mark.parametrize("kind", [Kind.RECTANGULAR, Kind.PSD, Kind.SYMMETRIC])
def test_spectra_are_those_of_their_names(law, kind):
    cell = UserCell(CellEnsemble.REPAIRED, kind, (20, 20), 3, law, 100.0, 1.5)
    places = np.arange(1, 21)
    expected = {
        SpectrumLaw.LINEAR: np.linspace(1, 0.01, 3),
        SpectrumLaw.GEOMETRIC: np.geomspace(1, 0.01, 3),
        SpectrumLaw.INVERSE: 1 / places,
        SpectrumLaw.INVERSE_SQUARE: 1 / places**2,
    }[law]
    values = cell.draw(0).truth.singular_values().numpy()
    assert values == pytest.approx(expected, rel=0, abs=100 * EPSILON)
    assert cell.is_exact == (len(expected) == 3)


def test_a_product_that_rounding_lifts_takes_no_further_measurement():
    # 1.1 * 30 is 33.000000000000004 in floating point.
    cell = UserCell(CellEnsemble.GAUSSIAN, Kind.PSD, (30, 30), 1, SpectrumLaw.LINEAR, 1.0, 1.1)
    assert cell.measurements == 33


def test_cells_that_cannot_be_drawn_are_refused():
    with pytest.raises(InputError, match="at most 600 entries"):
        replace(ENTRIES, oversampling=5.0)
    with pytest.raises(InputError, match="hermitian"):
        replace(PAULI, kind=Kind.PSD)
    with pytest.raises(InputError, match="rank"):
        replace(ENTRIES, rank=31)


def test_the_grid_has_the_cells_that_it_promises():
    grid = USER_GRIDS["users"]
    assert len(set(grid.cells)) == len(grid.cells)
    assert len(grid.seeds) == 10
    sampled = [cell for cell in grid.cells if cell.is_of_entries]
    assert {cell.kind for cell in sampled} == {Kind.RECTANGULAR, Kind.PSD, Kind.SYMMETRIC}
    assert {cell.law for cell in sampled} == set(SpectrumLaw)
    assert {1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0} <= {cell.oversampling for cell in sampled}
    assert {1.0, 10.0, 1e3, 1e5, 1e10} <= {cell.condition for cell in sampled}
    assert {cell.ensemble for cell in grid.cells} == set(CellEnsemble)
    # recover() runs on every seed; for entries, the methods that take long run on the first few.
    runs = list(grid.runs())
    for cell in grid.cells:
        seeds = {name: [run.key.seed for run in runs if run.key[::2] == (cell, name)] for name in (RECOVER, "risro")}
        assert seeds[RECOVER] == list(grid.seeds)
        assert seeds["risro"] == list(grid.seeds[: grid.told_seeds])
    assert {run.seconds for run in runs if run.key.method == RECOVER} == {grid.seconds}
    assert {run.seconds for run in runs if run.key.method != RECOVER} == {grid.told_seconds}


# ------------------------------------------------------------------------------------------------ one run


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (
            replace(ENTRIES, shape=(60, 50), oversampling=5.0),
            {"matrix-irls", "gnmr-setting", "gnmr-updating", "r2rils", "lmafit"},
        ),
        (
            replace(SYMMETRIC, shape=(60, 60), oversampling=5.0),
            {"matrix-irls", "lmafit", "gnmr-setting", "gnmr-updating"},
        ),
        (INTENSITIES, {"raf", "taf"}),
        (GAUSSIAN, {"gnmr-dense-setting", "gnmr-dense-updating"}),
        (PAULI, set()),
    ],
    ids=["entries", "symmetric", "intensities", "gaussian", "pauli"],
)
def test_published_methods_take_the_cells_that_fit_them(cell, names):
    drawn = cell.draw(0)
    catalogue = {"risro", "lmm", "gauss-newton", "conjugate-wn"}
    takers = {name for name, method in USER_METHODS.items() if method.takes(cell)}
    assert takers - catalogue == {RECOVER} | names
    for name in names:
        answer = USER_METHODS[name].prepare(drawn, 0, 10.0)()
        assert answer.is_success
        assert float(drawn.truth.distance(answer.matrix) / drawn.truth.norm()) < 1e-8
        assert answer.applications > 0


def test_only_recover_is_not_told_the_rank():
    assert [name for name, method in USER_METHODS.items() if not method.is_told_rank] == [RECOVER]


def test_the_row_of_a_success():
    row = make_user_row(UserRun(UserKey(GAUSSIAN, 0, "risro"), 10.0))
    assert row.is_success
    assert row.is_told_rank
    assert not row.is_false_success
    assert row.seconds > 0
    assert row.best_ratio is None
    assert row.memory is None or row.memory >= 0


def test_an_answer_of_the_best_approximation_has_ratio_one(monkeypatch):
    """A method that returns the best approximation of the truth; its prepared run is given the drawn problem."""
    monkeypatch.setitem(USER_METHODS, "risro", Returning(lambda truth: truth.truncate(2)))
    row = make_user_row(UserRun(UserKey(DECAYING, 0, "risro"), 10.0))
    assert row.best_ratio == pytest.approx(1, abs=1e-12)
    tail = 1 / np.arange(3, 31) ** 2
    assert row.error == pytest.approx(np.linalg.norm(tail) / np.linalg.norm(1 / np.arange(1, 31) ** 2))
    assert not row.is_success
    assert not row.is_false_success


@pytest.mark.parametrize("change", ["none", "scaled", "small value", "rank"])
def test_a_claim_is_held_against_the_truth(monkeypatch, change):
    changed = {
        "none": lambda truth: truth,
        # An error of 1e-4 is a false success.
        "scaled": lambda truth: truth.scaled(1 + 1e-4),
        # The smallest value is wrong by half, the error is 5e-11: not a success, and not called false.
        "small value": lambda truth: LowRank(truth.X, truth.Theta * torch.tensor([1.0, 0.5]), truth.Y),
        "rank": lambda truth: truth.truncate(1),
    }[change]
    monkeypatch.setitem(USER_METHODS, "risro", Returning(changed))
    cell = replace(ENTRIES, condition=1e10)
    row = make_user_row(UserRun(UserKey(cell, 0, "risro"), 10.0))
    assert row.is_claimed
    assert (row.is_success, row.is_false_success) == (change == "none", change == "scaled")


class Returning:
    """A method that knows the truth, and returns something made of it."""

    is_told_rank = True

    def __init__(self, change):
        self.change = change

    def prepare(self, drawn: DrawnProblem, seed, seconds):
        from wnsense.lab.bench.users.user_contestants import UserAnswer

        return lambda: UserAnswer("converged", True, self.change(drawn.truth), 7)


def test_a_method_that_fails_is_a_row(monkeypatch):
    class Failing(Returning):
        def prepare(self, drawn, seed, seconds):
            def run():
                raise np.linalg.LinAlgError("no convergence\nsecond line")

            return run

    monkeypatch.setitem(USER_METHODS, "risro", Failing(None))
    row = make_user_row(UserRun(UserKey(ENTRIES, 0, "risro"), 10.0))
    assert (row.status, row.is_claimed, row.error) == ("failed: no convergence", False, math.inf)
    assert not row.is_success


def test_a_run_ends_at_its_limit():
    row = make_user_row(UserRun(UserKey(GAUSSIAN, 0, RECOVER), 0.0))
    assert (row.status, row.is_claimed) == ("stopped_by_user", False)


def test_values_of_another_rank_have_no_error():
    truth = ENTRIES.draw(0).truth
    assert largest_value_error(truth, truth) <= 10 * EPSILON / 0.1
    assert largest_value_error(truth.truncate(1), truth) == math.inf


# ------------------------------------------------------------------------------------------------ judgement


@pytest.mark.parametrize(
    ("fields", "success", "false", "right"),
    [
        ({}, True, False, True),
        ({"error": 2e-8}, False, False, False),
        ({"error": 2e-6}, False, True, False),
        ({"error": math.inf}, False, True, False),
        ({"error": math.nan}, False, True, False),
        ({"value_error": 2e-3}, False, False, False),
        ({"rank": 3}, False, False, False),
        ({"is_claimed": False}, False, False, False),
        # Nothing determines the matrix: to refuse is right, and to claim a wrong answer is not.
        ({"is_claimed": False, "is_determined": False, "error": 0.5}, False, False, True),
        ({"is_determined": False, "error": 0.5}, False, True, False),
        ({"is_determined": False}, True, False, True),
    ],
)
def test_success_false_success_and_refusal(fields, success, false, right):
    row = row_of(**fields)
    assert (row.is_success, row.is_false_success, row.is_right) == (success, false, right)


def test_a_decaying_spectrum_has_neither_success_nor_false_success():
    row = row_of(DECAYING, error=0.3, best_ratio=1.4)
    assert (row.is_success, row.is_false_success) == (False, False)


def test_the_peer_is_the_fastest_that_succeeds_in_half_of_its_runs():
    rows = [row_of(seed=seed, seconds=3.0) for seed in range(4)]
    # Fast, and right in one of four.
    rows += [row_of(seed=seed, method="lmafit", seconds=0.1, is_claimed=seed == 0) for seed in range(4)]
    # Right in one of two: its other problem does not count in the ratio.
    rows += [row_of(seed=0, method="r2rils", seconds=1.5), row_of(seed=1, method="r2rils", seconds=0.5, error=1.0)]
    rows += [row_of(seed=seed, method="matrix-irls", seconds=2.0) for seed in range(4)]
    (comparison,) = compare_user_cells(rows)
    assert comparison.peer.method == "r2rils"
    assert comparison.seconds_ratio == 3.0 / 1.5
    assert comparison.memory_ratio == 1
    assert comparison.recover.successes == 4
    assert {method.method for method in comparison.others} == {"lmafit", "r2rils", "matrix-irls"}
    assert [m.false_successes for m in comparison.others if m.method == "r2rils"] == [1]


def test_no_peer_is_no_ratio():
    (comparison,) = compare_user_cells([row_of(), row_of(method="lmafit", is_claimed=False)])
    assert comparison.peer is None
    assert math.isnan(comparison.seconds_ratio)


def test_the_page_keeps_told_and_not_told_apart_and_has_failures_first():
    rows = [
        row_of(),
        row_of(method="lmafit", seconds=0.5),
        row_of(replace(ENTRIES, oversampling=2.0), error=0.5),
        row_of(DECAYING, rank=7, error=0.3, best_ratio=1.25),
        row_of(DECAYING, method="lmafit", error=0.4, best_ratio=1.75),
    ]
    text = user_summary(rows, {"grid": "users", "machine": "m", "versions": {}})
    first, rest = text.split("## Spectra that decay")
    decaying, others = rest.split("## Methods that are told the rank")
    assert first.index("n/dof 2 |") < first.index("n/dof 1.5 |")
    assert "| 0 of 1 | 0 of 1 | 1 |" in first
    assert "| lmafit | 1 of 1 | 0.5 | 2 |" in first
    assert "| 7 | 1.25 |" in decaying
    assert "| lmafit | 1.75 |" in decaying
    assert "recover" not in others
    assert others.count("lmafit") == 2
    assert "1 of 2 runs right, 1 successes, 1 false successes, 2 cells" in user_totals(rows)


# ------------------------------------------------------------------------------------------------ the table


def test_rows_come_back_from_csv_as_they_were(tmp_path):
    rows = [row_of(), row_of(DECAYING, 1, "lmafit", error=math.inf, best_ratio=1.5, memory=None, is_determined=False)]
    rows.sort(key=lambda row: row.key)
    path = tmp_path / "table.csv"
    write_user_rows(path, reversed(rows))
    assert read_user_rows(path) == rows
    with path.open(newline="") as file:
        records = list(csv.DictReader(file))
    assert tuple(records[0]) == USER_COLUMNS
    assert {record["success"] for record in records} == {"yes", "no"}


def test_the_quick_grid_runs_and_is_resumed(tmp_path):
    made = []

    def make(run):
        made.append(run.key)
        return make_user_row(run)

    rows = run_user_grid(QUICK, tmp_path, make=make)
    assert {row.key for row in rows} == {run.key for run in QUICK.runs()} == set(made)
    assert all(row.is_success for row in rows if row.key.method == RECOVER)
    assert not any(row.is_false_success for row in rows)
    # One row is lost, and one line is cut by an interruption.
    table = UserFiles(tmp_path, QUICK).files.table
    table.write_text(table.read_text().rpartition("repaired")[0])
    made.clear()
    again = run_user_grid(QUICK, tmp_path, make=make)
    assert len(made) == 1
    assert [row.key for row in again] == [row.key for row in rows]
    assert read_user_rows(table) == again
    with pytest.raises(InputError, match="needed a table with fingerprint"):
        run_user_grid(replace(QUICK, seeds=(1,)), tmp_path, make=make)


def test_only_the_rows_of_a_named_method_are_made_again(tmp_path):
    grid = replace(QUICK, cells=QUICK.cells[-1:])
    run_user_grid(grid, tmp_path, make=lambda run: row_of(*run.key))
    made = []
    run_user_grid(grid, tmp_path, anew=["gauss-newton"], make=lambda run: made.append(run.key) or row_of(*run.key))
    assert [key.method for key in made] == ["gauss-newton"]


def test_unknown_methods_are_refused(tmp_path):
    with pytest.raises(InputError, match="newton"):
        replace(QUICK, methods=("newton",))
    with pytest.raises(InputError, match="newton"):
        run_user_grid(QUICK, tmp_path, anew=["newton"])


@pytest.mark.slow
def test_a_run_in_a_process_of_its_own_is_that_run():
    run = UserRun(UserKey(GAUSSIAN, 0, "gnmr-dense-setting"), 10.0)
    with processes(make_user_row.__module__) as context:
        row = called_in_process(context, make_user_row, run)
        with pytest.raises(InputError, match="exit code"):
            called_in_process(context, make_user_row, None)
    here = make_user_row(run)
    assert (
        replace(row, seconds=here.seconds, memory=here.memory, error=here.error, value_error=here.value_error) == here
    )


def test_the_command_runs_the_grid_and_writes_its_page(wnsense, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "wnsense.cli.bench.run_user_grid",
        lambda grid, out, anew, progress: run_user_grid(grid, out, make=lambda run: row_of(*run.key)),
    )
    outcome = wnsense("bench", "--grid", "users-quick", "--out", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert "3 of 3 runs right" in outcome.out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"bench_users-quick.{end}" for end in ("csv", "json", "md")
    ]
    assert "3 of 3 runs right" in (tmp_path / "bench_users-quick.md").read_text()
    assert_refused(wnsense("bench", "--grid", "users", "--jobs", "2", "--out", tmp_path), "--jobs 1")
    assert_refused(wnsense("bench", "--grid", "users", "--rerun", "newton", "--out", tmp_path), "newton")
