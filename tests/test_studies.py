"""The studies of the paper: their parameters, runs that are made once, tables, pictures, captions and commands."""

import dataclasses
import json
import signal
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import wnsense as wn
from cases.commands import assert_refused
from cases.presented import caption, findings
from cases.watched import Alarm
from wnsense.checks import InputError
from wnsense.cli.commands.choices import StudyScale
from wnsense.files.tables import Table, read_table, write_table
from wnsense.lab.studies.curves import run as running
from wnsense.lab.studies.curves import specification as specs
from wnsense.lab.studies.curves.cases import CURVE_STUDIES
from wnsense.lab.studies.curves.measure import measure, measure_together
from wnsense.lab.studies.curves.picture import paper_picture, shade
from wnsense.lab.studies.curves.random_problem import drawn, squared_error
from wnsense.lab.studies.curves.study import curve_study
from wnsense.lab.studies.curves.table import CURVE_TABLES, largest_ratio
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.frame.store import Store
from wnsense.lab.studies.lookup import all_studies
from wnsense.lab.studies.registry import STUDY_FOLDERS
from wnsense.lab.studies.study_methods import StudyMethod
from wnsense.manifolds.stiefel import Retraction
from wnsense.pages.style import METHODS
from wnsense.running import progress_display

pytestmark = pytest.mark.usefixtures("as_users_run")

SMALL = specs.CurveCase(8, 2, 3.0, 300)
RUN = specs.CurveRun(SMALL, StudyMethod.WN, 4, specs.StepSizes(1.0), (0, 1, 2), 60)
ETAS = (specs.StepSizes(0.5), specs.StepSizes(1.0))
TINY = specs.CurveSpecification(
    "figure-2a",
    "Something small",
    "Something is said.",
    quick=tuple(
        specs.Curve(
            f"kappa = {kappa:g}",
            dataclasses.replace(RUN, method=method, case=dataclasses.replace(SMALL, condition=kappa)),
            specs.Tuning(dataclasses.replace(RUN, method=method, seeds=(9,), steps=40), ETAS),
        )
        for kappa in (2.0, 3.0)
        for method in (StudyMethod.WN, StudyMethod.GD)
    ),
    paper=(),
    choices=("everything",),
)
# Two tunings of two settings each, and four curves.
TINY_RUNS = 8


def run_study(study: specs.CurveSpecification, scale: Scale, directory, **named) -> Table:
    return curve_study(study).run(directory, scale, **named)


def quick(name: str, directory) -> Table:
    return run_study(CURVE_STUDIES[name], Scale.QUICK, directory)


def of_one_draw(name: str, directory) -> Table:
    """Run a study at its quick scale, of one draw of the data and with two step sizes to choose from.

    `test_quick_studies.py` runs it whole.
    """
    study = CURVE_STUDIES[name]
    curves = tuple(
        dataclasses.replace(
            curve, data_seeds=curve.data_seeds[:1], tuning=dataclasses.replace(curve.tuning, grid=curve.tuning.grid[:2])
        )
        for curve in study.quick
    )
    return run_study(dataclasses.replace(study, quick=curves), Scale.QUICK, directory)


@pytest.fixture(scope="module")
def quick_tables(tmp_path_factory):
    """The two cheapest studies, at quick scale."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        directory = tmp_path_factory.mktemp("quick")
        return {name: of_one_draw(name, directory) for name in ("figure-3a", "figure-3b")}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny study, uninterrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        return run_study(TINY, Scale.QUICK, tmp_path_factory.mktemp("tiny"))


def assert_same_table(one: Table, other: Table) -> None:
    """To the last bit, but for seconds."""
    assert one.header == other.header
    assert set(one.arrays) == set(other.arrays)
    for name in one.arrays:
        if not name.endswith(("seconds", "memory")):
            np.testing.assert_array_equal(one.arrays[name], other.arrays[name], err_msg=name)


@pytest.fixture
def made(monkeypatch):
    """The keys of the runs that are begun."""
    keys = []

    def counted(run, *rest, **named):
        keys.append(specs.run_key(run))
        return measure(run, *rest, **named)

    monkeypatch.setattr(running, "measure", counted)
    return keys


# ------------------------------------------------------------------------------------------------ specifications


def settings(name: str) -> set[tuple[int, int, int, float, int]]:
    """(m, r, r_A, kappa, n) of a study at the paper's scale."""
    runs = [curve.run for curve in CURVE_STUDIES[name].plan(Scale.PAPER)]
    return {(r.case.size, r.width, r.case.rank, r.case.condition, r.case.measurements) for r in runs}


def test_the_parameters_are_the_paper_s():
    assert settings("figure-2a") == {(10, 5, 3, kappa, 60_000) for kappa in (50.0, 75.0, 100.0)}
    assert settings("figure-2b") == {(300, r, 5, 10.0, 50_000) for r in (50, 75, 100)}
    assert (300, 300, 5, 10.0, 50_000) in settings("figure-2c")
    assert all(m == r for m, r, *_ in settings("figure-2c"))
    assert {curve.run.retraction for curve in CURVE_STUDIES["figure-3a"].paper} == set(Retraction)
    levels = {curve.run.case.noise for curve in CURVE_STUDIES["figure-3b"].paper}
    assert max(levels) / min(levels - {0.0}) >= 1e4 * (1 - 1e-12)
    assert 0.0 in levels


@pytest.mark.parametrize("scale", Scale)
@pytest.mark.parametrize("study", CURVE_STUDIES.values(), ids=CURVE_STUDIES.keys())
def test_every_study_is_fair_and_says_what_is_its_own(study, scale):
    curves = study.plan(scale)
    assert study.claim
    assert study.choices
    assert len(dict.fromkeys((curve.label, curve.run.method) for curve in curves)) == len(curves)
    for curve in curves:
        case = curve.run.case
        starts = len(curve.run.seeds) * len(curve.data_seeds)
        assert starts >= (3 if scale is Scale.QUICK else 2 if case.size == 300 else 5)
        # Preconditioned WN is ours, and is not tuned.
        assert (len(curve.tuning.grid) >= 2) == (curve.run.method is not StudyMethod.PRECONDITIONED_WN)
        assert not set(curve.tuning.run.seeds) & set(curve.run.seeds)
        assert curve.tuning.run.method is curve.run.method
        # The rank is overestimated, as the paper has it.
        assert case.rank < curve.run.width
        assert len(curve.run.recorded_steps()) <= 200
        assert {0, curve.run.steps} <= curve.run.recorded_steps()
    grids = {curve.run.method: len(curve.tuning.grid) for curve in curves}
    # Neither method is given less of a choice of eta than the other.
    etas = {
        method: {sizes.direction for c in curves if c.run.method is method for sizes in c.tuning.grid}
        for method in grids
    }
    if len(etas) == 2 and study.name != "figure-2c":
        assert len(etas[StudyMethod.GD]) >= len(etas[StudyMethod.WN])


def test_the_command_line_knows_every_study():
    assert [study.name for study in all_studies()] == list(STUDY_FOLDERS)
    assert {str(scale) for scale in StudyScale} == {str(scale) for scale in Scale}


def test_keys_are_distinct_and_the_same_in_every_process():
    runs = {
        run
        for study in CURVE_STUDIES.values()
        for scale in Scale
        for curve in study.plan(scale)
        for run in (*curve.tuning.runs(), *curve.runs(curve.tuning.grid[0]))
    }
    assert len({specs.run_key(run) for run in runs}) == len(runs)
    # Of an earlier process; runs that were kept are found by it. Whoever changes what a run is changes this.
    assert specs.run_key(RUN) == "wn_07169f2c34260eeec727"


def test_what_cannot_be_run_is_refused():
    with pytest.raises(InputError, match="the rank between 1 and 8"):
        dataclasses.replace(SMALL, rank=9)
    with pytest.raises(InputError, match="without noise for their factor"):
        dataclasses.replace(SMALL, rows=specs.Rows.FACTOR, noise=0.1)
    with pytest.raises(InputError, match="float64 or float32"):
        dataclasses.replace(SMALL, dtype="bfloat16")
    with pytest.raises(InputError, match="working rank"):
        dataclasses.replace(RUN, width=9)
    with pytest.raises(InputError, match="at least one start"):
        dataclasses.replace(RUN, seeds=())


# ------------------------------------------------------------------------------------------------ one run


SIZES = {
    StudyMethod.WN: specs.StepSizes(1.0),
    StudyMethod.GD: specs.StepSizes(0.5),
    StudyMethod.PRECGD: specs.StepSizes(0.5, damping=0.1),
    StudyMethod.SCALEDGD_LAMBDA: specs.StepSizes(0.5, damping=0.1),
    StudyMethod.PRECONDITIONED_WN: specs.StepSizes(1.0, 2.0, 0.3),
}


@pytest.mark.parametrize("method", StudyMethod)
def test_a_batch_gives_what_single_runs_give(method, tmp_path):
    run = dataclasses.replace(RUN, method=method, step_sizes=SIZES[method])
    together = measure(run, tmp_path / "together.npz").arrays
    for place, seed in enumerate(run.seeds):
        alone = measure(dataclasses.replace(run, seeds=(seed,)), tmp_path / f"{seed}.npz").arrays
        for name in ("step", "applications"):
            np.testing.assert_array_equal(together[name], alone[name])
        # Sums are taken in another order: rounding 1e-16 of the matrix, so 2e-16 sqrt(error) of the squared error.
        np.testing.assert_allclose(together["error"][:, place], alone["error"][:, 0], rtol=1e-6, atol=1e-22)


@pytest.mark.parametrize("method", StudyMethod)
def test_runs_that_share_their_sweeps_give_what_each_gives_alone(method, tmp_path):
    """The same with another method and another width beside it, on the triangular factor."""
    case = specs.CurveCase(8, 2, 3.0, 100, rows=specs.Rows.FACTOR)
    run = dataclasses.replace(RUN, case=case, method=method, step_sizes=SIZES[method], steps=30)
    other = dataclasses.replace(run, method=StudyMethod.GD, step_sizes=SIZES[StudyMethod.GD], width=3, steps=20)
    courses = {}
    measure_together(
        [run, other], lambda of: tmp_path / f"{specs.run_key(of)}.npz", courses.__setitem__, lambda _: None
    )
    for one in (run, other):
        alone = measure(one, tmp_path / f"{specs.run_key(one)}_alone.npz")
        np.testing.assert_array_equal(courses[one].arrays["applications"], alone.arrays["applications"])
        np.testing.assert_allclose(courses[one].arrays["error"], alone.arrays["error"], rtol=1e-6, atol=1e-22)
        # A step alone, times steps.
        seconds = courses[one].arrays["seconds"]
        np.testing.assert_allclose(seconds, seconds[-1] * courses[one].arrays["step"] / one.steps, rtol=1e-12)


def test_a_large_study_shares_its_sweeps_and_keeps_each_run_as_it_ends(tmp_path, monkeypatch, made):
    monkeypatch.setattr(running, "_LARGE", 8)
    case = specs.CurveCase(8, 2, 3.0, 100, rows=specs.Rows.FACTOR)
    runs = [dataclasses.replace(RUN, case=case, width=width) for width in (3, 5)]
    curves = tuple(
        specs.Curve(f"r = {run.width}", run, specs.Tuning(dataclasses.replace(RUN, seeds=(9,), steps=40), ETAS))
        for run in runs
    )
    again = specs.Tuning(dataclasses.replace(runs[1], seeds=(9,)), ETAS)
    confirmed = dataclasses.replace(curves[1], confirming=again)
    study = dataclasses.replace(TINY, name="figure-3a", quick=(curves[0], confirmed), beside="ratio")
    together = run_study(study, Scale.QUICK, tmp_path / "shared")
    # Only the tuning, on its own rows, was made alone.
    assert len(made) == len(ETAS)
    monkeypatch.setattr(running, "_LARGE", 1000)
    alone = run_study(study, Scale.QUICK, tmp_path / "alone")
    for one, other in zip(together.header["curves"], alone.header["curves"], strict=True):
        np.testing.assert_allclose(one.pop("confirmed_errors"), other.pop("confirmed_errors"), rtol=1e-7)
        assert one == other
    assert together.header["curves"][1]["confirmed"] in {"eta 0.5, mu 2", "eta 1, mu 2"}
    assert together.header["curves"][0]["confirmed"] is None
    for place in range(2):
        np.testing.assert_allclose(together.arrays[f"{place}_error"], alone.arrays[f"{place}_error"], rtol=1e-7)
    assert "at m = 8 from one start" in caption(read_table(Store(tmp_path / "shared", study, Scale.QUICK).table))


def test_the_least_eigenvalue_is_that_of_the_dense_matrix(tmp_path):
    run = dataclasses.replace(RUN, seeds=(3,), steps=2)
    objective = drawn(SMALL)
    start = wn.solvers.haar_start(objective, 4, generator=torch.Generator().manual_seed(3))
    result = wn.running.solve(
        objective, wn.solvers.WeightNormalizedGD(), start, stop=wn.running.Stop(residual=0.0, max_steps=2)
    )
    values = torch.linalg.eigvalsh(result.answer.dense())
    # The four directions of X are those that are not zero.
    kept = values[values.abs() > 1e-12]
    assert measure(run, tmp_path / "run.npz").arrays["least"][-1, 0] == pytest.approx(float(kept.min()), rel=1e-9)


def test_a_run_is_the_paper_s_algorithm_step_by_step(tmp_path):
    """Algorithm 1 written out in dense matrices, on all n rows."""
    run = dataclasses.replace(RUN, seeds=(3,), steps=12)
    course = measure(run, tmp_path / "run.npz")
    objective = drawn(SMALL)
    rows = drawn(dataclasses.replace(SMALL, rows=specs.Rows.ALL)).problem
    A = rows.truth.dense()
    operator, y = rows.operator, rows.measurements
    start = wn.solvers.haar_start(objective, 4, generator=torch.Generator().manual_seed(3))
    X, Theta = start.X, start.Theta

    def back(X, Theta):
        return operator.adjoint(operator.measure(wn.LowRank(X, Theta)) - y)

    errors = []
    for _ in range(13):
        errors.append(float((X @ Theta @ X.T - A).square().sum()))
        E = back(X, Theta) @ X @ Theta
        G = E - X @ X.T @ E + X @ (X.T @ E - E.T @ X) / 2
        values, vectors = torch.linalg.eigh(torch.eye(4, dtype=X.dtype) + G.T @ G)
        X = (X - G) @ (vectors @ torch.diag(values**-0.5) @ vectors.T)
        Theta = Theta - 2 * (X.T @ back(X, Theta) @ X) / 2
    np.testing.assert_array_equal(course.arrays["step"], np.arange(13))
    np.testing.assert_allclose(course.arrays["error"][:, 0], errors, rtol=1e-9)
    np.testing.assert_array_equal(course.arrays["applications"], 2 + 4 * np.arange(13))


def test_single_precision_follows_double_down_to_its_own_floor(tmp_path):
    """As at m = 300: on all rows, in single precision; drawn in it too, so the problem is another one."""
    case = dataclasses.replace(SMALL, dtype="float32", rows=specs.Rows.ALL)
    error = measure(dataclasses.replace(RUN, case=case, steps=300), tmp_path / "run.npz").arrays["error"]
    assert drawn(case).problem.operator.dtype == torch.float32
    # Rounding of relative size 6e-8 in each of a few sums; its square, with room for their number.
    assert error[-1].max() < (300 * np.finfo(np.float32).eps) ** 2
    assert error[-1].min() > np.finfo(np.float64).eps ** 2


def test_a_start_that_diverges_spoils_no_other(tmp_path):
    # So far that only some starts survive would be luck: here all diverge, and are told one by one.
    course = measure(
        dataclasses.replace(RUN, method=StudyMethod.GD, step_sizes=specs.StepSizes(40.0)), tmp_path / "run.npz"
    )
    assert course.diverged == (True, True, True)
    assert np.isfinite(course.arrays["error"][0]).all()
    assert np.isinf(course.arrays["error"][-1]).all()
    assert list(tmp_path.glob("wn_*")) == []


def test_the_oracle_is_the_least_squares_fit_of_the_true_rank(tmp_path):
    case = dataclasses.replace(SMALL, noise=0.05)
    course = measure(dataclasses.replace(RUN, case=case, seeds=(0,), steps=400), tmp_path / "run.npz")
    # Thinned, and everything that was to be written down is there.
    assert 100 < len(course.arrays["step"]) <= 200
    assert all(np.isfinite(array).all() for array in course.arrays.values())
    [oracle] = course.arrays["oracle"]
    objective = drawn(case)
    # At a stationary point the residual is orthogonal to the tangent space; started elsewhere it is the same point.
    again = wn.running.solve(
        objective, wn.solvers.GaussNewton(), objective.problem.truth.truncate(2), stop=wn.running.Stop(max_steps=50)
    )
    assert oracle == pytest.approx(float(squared_error(objective, again.snapshot.state.evaluation.point)), rel=1e-6)
    assert 0.5 < course.arrays["error"][-1, 0] / oracle < 3


# ------------------------------------------------------------------------------------------------ kept and resumed


@pytest.mark.parametrize("at", [1, 3, 7, 12, 20])
def test_an_interrupted_study_goes_on_and_repeats_no_finished_run(at, tiny, tmp_path, made):
    with pytest.raises(KeyboardInterrupt):
        run_study(TINY, Scale.QUICK, tmp_path, progress=Alarm(at))
    store = Store(tmp_path, TINY, Scale.QUICK)
    assert store.has_begun
    assert not store.table.exists()
    finished = {path.stem for path in store.parts.glob("*.npz") if not path.stem.endswith(".part")}
    before = len(made)
    resumed = run_study(TINY, Scale.QUICK, tmp_path)
    assert finished.isdisjoint(made[before:])
    assert len(made[before:]) == TINY_RUNS - len(finished)
    assert_same_table(resumed, tiny)
    assert not list(store.parts.glob("*.part.npz"))


def test_the_table_is_merged_again_from_finished_runs(tiny, tmp_path, made):
    run_study(TINY, Scale.QUICK, tmp_path)
    assert len(made) == TINY_RUNS
    store = Store(tmp_path, TINY, Scale.QUICK)
    store.table.unlink()
    again = run_study(TINY, Scale.QUICK, tmp_path)
    assert len(made) == TINY_RUNS
    assert_same_table(again, tiny)
    # And a finished study needs not even its runs.
    for path in store.parts.iterdir():
        path.unlink()
    assert_same_table(run_study(TINY, Scale.QUICK, tmp_path), tiny)
    assert len(made) == TINY_RUNS


def test_a_torn_checkpoint_costs_its_run_alone(tiny, tmp_path):
    store = Store(tmp_path, TINY, Scale.QUICK)
    store.parts.mkdir(parents=True)
    for curve in TINY.quick:
        store.checkpoint(specs.run_key(curve.runs(ETAS[1])[0])).write_bytes(b"PK torn")
    assert_same_table(run_study(TINY, Scale.QUICK, tmp_path), tiny)


def test_what_belongs_to_another_study_is_refused(tmp_path):
    run_study(TINY, Scale.QUICK, tmp_path)
    other = dataclasses.replace(TINY, quick=TINY.quick[:1])
    with pytest.raises(InputError, match="fingerprint"):
        run_study(other, Scale.QUICK, tmp_path)
    store = Store(tmp_path, TINY, Scale.QUICK)
    store.table.unlink()
    path = next(store.parts.glob("*.npz"))
    table = read_table(path)
    write_table(path, Table({**table.header, "versions": {}}, table.arrays))
    with pytest.raises(InputError, match="versions"):
        run_study(TINY, Scale.QUICK, tmp_path)


def test_the_step_size_is_the_best_of_the_grid(tiny):
    for facts in tiny.header["curves"]:
        best = facts["grid"][int(np.argmin(facts["grid_errors"]))]
        assert min(facts["grid_errors"]) > 1e-24
        assert facts["step_sizes"] == best
        assert facts["tuning_seeds"] == [9]


def test_of_settings_that_end_at_rounding_the_first_there_is_taken(tmp_path):
    tuning = specs.Tuning(dataclasses.replace(RUN, seeds=(9,), steps=800), (specs.StepSizes(0.2), *ETAS))
    study = dataclasses.replace(TINY, quick=(specs.Curve("one", RUN, tuning),))
    [facts] = run_study(study, Scale.QUICK, tmp_path).header["curves"]
    assert facts["step_sizes"] == "eta 1, mu 2"
    assert facts["grid_errors"][1] < 1e-24


def test_a_grid_that_diverges_everywhere_is_told(tmp_path):
    tuning = specs.Tuning(
        dataclasses.replace(RUN, method=StudyMethod.GD), (specs.StepSizes(30.0), specs.StepSizes(40.0))
    )
    study = dataclasses.replace(
        TINY, quick=(specs.Curve("one", dataclasses.replace(RUN, method=StudyMethod.GD), tuning),)
    )
    with pytest.raises(InputError, match="no start diverges"):
        run_study(study, Scale.QUICK, tmp_path)


# ------------------------------------------------------------------------------------------------ pictures and words


def test_picture_and_caption_are_of_the_table_alone(tiny, tmp_path, made):
    path = tmp_path / "elsewhere.npz"
    write_table(path, tiny)
    table = read_table(path)
    assert isinstance(paper_picture(CURVE_TABLES.read(table)), Figure)
    text = caption(table)
    assert not made
    assert "Something is said." in text
    assert "everything" in text
    # The numbers are the table's: another table says another thing.
    last = f"{np.median(table.arrays['0_error'][-1]):.1e}"
    assert last in text
    arrays = {**table.arrays, "0_error": table.arrays["0_error"] * 1e3}
    assert caption(Table(table.header, arrays)) != text
    with pytest.raises(InputError, match="table of a study"):
        caption(Table({}, {}))


def made_up(method: str, error: np.ndarray, label: str = "a", **facts: object) -> dict[str, object]:
    """A curve over steps 0 to 1000."""
    setting = {"label": label, "size": 10, "width": 5, "condition": 10.0, "measurements": 300, "noise": 0.0}
    trials = {"grid": [], "grid_errors": [], "confirmed": None, "confirmed_errors": []}
    tuned = {"step_sizes": "eta 1", "tuning_steps": 100, "tuning_size": 10, **trials}
    return {
        "facts": {"method": method, "dtype": "float64", **setting, **tuned, **facts},
        "error": error,
    }


def table_of(*curves: dict, name: str = "figure-2a", beside: str = "applications") -> Table:
    steps = np.arange(0, 1001, 10)
    arrays = {}
    for place, curve in enumerate(curves):
        arrays |= {f"{place}_step": steps, f"{place}_applications": 4 * steps, f"{place}_seconds": steps / 1e3}
        arrays[f"{place}_error"] = curve["error"]
        arrays[f"{place}_least"] = np.full_like(curve["error"], -0.1)
    arrays |= {"spent_seconds": np.array([1.0]), "peak_memory": np.array([10**9])}
    head = {
        "form": "curves",
        "name": name,
        "scale": "paper",
        "title": "t",
        "claim": "c",
        "chosen": [],
        "beside": beside,
        "machine": "m",
    }
    return Table({**head, "versions": {}, "threads": 1, "curves": [curve["facts"] for curve in curves]}, arrays)


def verdicts(table: Table) -> list[bool]:
    """On what the paper says; what is seen beside it has none."""
    return [of.holds for of in findings(table) if of.holds is not None]


def test_linear_and_sublinear_tails_are_told_apart_and_measured():
    t = np.arange(0, 1001, 10.0)[:, None] * np.ones(3)
    linear, power = 0.9 * 10 ** (-t / 125), 3 / (t + 1) ** 2
    study = CURVE_TABLES.read(table_of(made_up("wn", linear), made_up("gd", power)))
    wn_tail, gd_tail = (curve.tail() for curve in study.entries)
    assert wn_tail.is_linear
    assert 1 / wn_tail.decades_per_step == pytest.approx(125)
    assert not gd_tail.is_linear
    assert gd_tail.exponent == pytest.approx(2, abs=0.01)
    assert study.entries[0].burn_in == 290  # 0.9 * 10^(-t/125) = 1/200
    assert verdicts(table_of(made_up("wn", linear), made_up("gd", power))) == [True, True, True]
    # Had it been the other way round, the caption would have said so.
    other = table_of(made_up("wn", power), made_up("gd", linear))
    assert verdicts(other) == [False, False, False]
    assert "NOT as the paper says" in caption(other)


def test_a_start_that_diverged_is_told_and_drawn():
    t = np.arange(0, 1001, 10.0)[:, None] * np.ones(3)
    error = 10 ** (-t / 125)
    error[50:, 2] = np.inf
    table = table_of(made_up("wn", error), made_up("gd", np.full_like(t, np.inf)))
    assert "1 diverged" in caption(table)
    assert "3 diverged" in caption(table)
    paper_picture(CURVE_TABLES.read(table)).canvas.draw()


def test_larger_ranks_are_compared_in_their_order():
    t = np.arange(0, 1001, 10.0)[:, None] * np.ones(3)
    curves = [made_up("wn", 10 ** (-t / pace), f"r = {r}", width=r) for r, pace in ((50, 200), (75, 150), (100, 125))]
    curves += [made_up("gd", r / (t + 1) ** 2, f"r = {r}", width=r) for r in (50, 75, 100)]
    assert verdicts(table_of(*curves, name="figure-2b")) == [True] * 5
    backward = [{**of, "facts": {**of["facts"], "width": 150 - of["facts"]["width"]}} for of in curves]
    assert verdicts(table_of(*backward, name="figure-2b")) == [False] * 4 + [True]


def test_the_colours_are_those_of_the_methods():
    assert shade(METHODS["wn"].color, 0, 1) == pytest.approx(
        tuple(int("E69F00"[k : k + 2], 16) / 255 for k in (0, 2, 4))
    )
    shades = [sum(shade("#E69F00", place, 3)) for place in range(3)]
    assert shades == sorted(shades, reverse=True)


def test_retractions_coincide(quick_tables):
    study = CURVE_TABLES.read(quick_tables["figure-3a"])
    assert largest_ratio(study.entries) < 1.1
    # They are different computations all the same.
    assert not np.array_equal(study.entries[0].error, study.entries[1].error)
    assert all(of.holds for of in findings(quick_tables["figure-3a"]))


def test_the_floor_grows_with_the_noise(quick_tables):
    study = CURVE_TABLES.read(quick_tables["figure-3b"])
    noisy = sorted((c for c in study.entries if c.head.noise > 0), key=lambda c: c.head.noise)
    for lower, higher in pairwise(noisy):
        # Ten times the noise, and the fit is smooth: a hundred times the squared error.
        assert higher.final / lower.final == pytest.approx(100, rel=0.1)
    clean = next(c for c in study.entries if c.head.noise == 0)
    assert clean.final < clean.rounding
    assert all(of.holds for of in findings(quick_tables["figure-3b"]))


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("figure-2a", [True, True, True]),
        # The plateau is shorter with r and the error less, but the rate at the end is the same. A minute, on one core.
        pytest.param("figure-2b", [True, False, True, True, True], marks=pytest.mark.slow),
        # Near n = m(m+1)/2 the operator is no isometry, and nothing is fast.
        ("figure-2c", [False, True]),
    ],
)
@pytest.mark.slow
def test_what_the_larger_quick_studies_show(name, holds, tmp_path):
    table = quick(name, tmp_path)
    assert [of.holds for of in findings(table) if of.holds is not None] == holds


@pytest.mark.parametrize("name", ["figure-3a", "figure-3b"])
def test_pictures_name_axes_and_curves(name, quick_tables):
    picture = paper_picture(CURVE_TABLES.read(quick_tables[name]))
    left, right = picture.axes
    assert left.get_yscale() == "log"
    assert left.get_xlabel() == "steps"
    assert "squared error" in left.get_ylabel()
    assert right.get_xlabel()
    assert right.get_ylabel()
    labels = left.get_legend_handles_labels()[1]
    assert len(labels) == len(quick_tables[name].header["curves"])


# ------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def small_studies(monkeypatch):
    """The command with the tiny study in place of a large one."""
    monkeypatch.setattr("wnsense.cli.study.study_named", lambda _: curve_study(TINY))


def test_list_tells_of_every_study(wnsense):
    outcome = wnsense("study", "list")
    assert outcome.code == 0
    assert outcome.err == ""
    for study in all_studies():
        assert study.name in outcome.out
        assert study.specification.claim in outcome.out


def test_run_and_show(wnsense, small_studies, tmp_path):
    out = tmp_path / "studies"
    outcome = wnsense("study", "run", "figure-2a", "--out", out)
    assert outcome.code == 0
    # Piped, there is no progress.
    assert outcome.err == ""
    assert "Something is said." in outcome.out
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"figure-2a_quick{end}" for end in (".npz", ".png", ".txt", "_runs")]
    picture = out / "figure-2a_quick.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    picture.unlink()
    shown = wnsense("study", "show", "figure-2a", "--out", out)
    assert shown.code == 0
    assert picture.exists()
    text = (out / "figure-2a_quick.txt").read_text()
    assert text.rstrip() in shown.out
    assert text.rstrip() in outcome.out


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(wnsense, small_studies, tmp_path, monkeypatch):
    count, seen = progress_display.Display.count, []

    def interrupting(self, words, done, total):
        seen.append((done, total))
        count(self, words, done, total)
        if len(seen) == 9:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress_display.Display, "count", interrupting)
    outcome = wnsense("study", "run", "figure-2a", "--out", tmp_path)
    assert outcome.code == 130
    assert outcome.out == ""
    command = f"wnsense study run figure-2a --scale quick --out={tmp_path} --resume"
    assert command in outcome.err
    assert wnsense(*command.split()[1:]).code == 0
    done, totals = zip(*seen, strict=True)
    assert len(set(totals)) == 1
    assert done[-1] == totals[0]


def test_bad_names_and_places_are_refused(wnsense, small_studies, tmp_path):
    assert_refused(wnsense("study", "run", "figure-9z", "--out", tmp_path), "figure-9z", "figure-2a")
    assert_refused(wnsense("study", "run", "figure-2a", "--scale", "huge"), "huge", "quick")
    assert_refused(wnsense("study"), "Missing command")
    assert_refused(wnsense("study", "show", "figure-2a", "--out", tmp_path), "none there", "study run figure-2a")
    assert_refused(wnsense("study", "run", "figure-2a", "--resume", "--out", tmp_path), "--resume", "nothing")
    assert list(tmp_path.iterdir()) == []
    occupied = tmp_path / "file"
    occupied.write_text("")
    assert_refused(wnsense("study", "run", "figure-2a", "--out", occupied), "directory", str(occupied))
    (tmp_path / "figure-2a_quick_runs").write_text("")
    assert_refused(wnsense("study", "run", "figure-2a", "--out", tmp_path), "folder")
    (tmp_path / "figure-2a_quick.npz").write_text("no table")
    assert_refused(wnsense("study", "show", "figure-2a", "--out", tmp_path), "figure-2a_quick.npz")


def test_the_table_of_another_study_is_not_shown(tiny, tmp_path):
    store = Store(tmp_path, CURVE_STUDIES["figure-3a"], Scale.QUICK)
    write_table(store.table, tiny)
    with pytest.raises(InputError, match="name figure-3a"):
        store.written()


def test_publishing_writes_two_files(tiny, tmp_path):
    store = Store(tmp_path, TINY, Scale.QUICK)
    assert curve_study(TINY).publish(tmp_path, Scale.QUICK, tiny) == [store.picture(), store.caption]
    assert store.caption.read_text() == caption(tiny)
    assert json.dumps(tiny.header)
