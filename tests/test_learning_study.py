"""Figure 1: its columns beside dense computation, its table, what is read off it, and its pictures and captions."""

import dataclasses

import numpy as np
import pytest
import torch

import wnsense as wn
from cases.draws import normal
from cases.presented import caption
from cases.watched import Alarm
from wnsense.checks import InputError
from wnsense.files.tables import Table, read_table
from wnsense.lab.analysis.course import escapes, plateaus
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.frame.store import Store
from wnsense.lab.studies.learning import run as running
from wnsense.lab.studies.learning.caption import findings, paragraphs
from wnsense.lab.studies.learning.cases import FIGURE_1
from wnsense.lab.studies.learning.identity import IdentitySensing
from wnsense.lab.studies.learning.measure import (
    drawn,
    gradients_of,
    measure,
    solver_of,
    squared_overlaps,
    start_alignments,
    starts,
)
from wnsense.lab.studies.learning.picture import learning_picture, pictures
from wnsense.lab.studies.learning.run import kept_rows
from wnsense.lab.studies.learning.specification import (
    LearningSetting,
    LearningSpecification,
    Sensed,
    setting_key,
)
from wnsense.lab.studies.learning.study import learning_study
from wnsense.lab.studies.learning.table import LEARNING_TABLES, LearningRun

SMALL = LearningSetting(Sensed.IDENTITY, 64, 8, 2, 4, 3.0, (0, 1), 160)
SMALL_GAUSSIAN = dataclasses.replace(SMALL, sensed=Sensed.GAUSSIAN, measurements=300)
TINY = dataclasses.replace(FIGURE_1, quick=(SMALL, SMALL_GAUSSIAN), paper=())
# The quick scale, with fewer steps after the last saddle; `test_quick_studies.py` runs it whole.
SHORTER = dataclasses.replace(FIGURE_1, quick=tuple(dataclasses.replace(of, steps=1500) for of in FIGURE_1.quick))


def quiet(*_: object) -> None:
    """Say nothing."""


def run_tiny(directory, tell=quiet) -> Table:
    return learning_study(TINY).run(directory, Scale.QUICK, tell)


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> Table:
    """The study at nearly the quick scale, as it is read back from disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        store = Store(tmp_path_factory.mktemp("quick"), SHORTER, Scale.QUICK)
        learning_study(SHORTER).run(store.directory, Scale.QUICK)
        return read_table(store.table)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Table:
    """The tiny study, uninterrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        return run_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(params=[Sensed.IDENTITY, Sensed.GAUSSIAN])
def run(quick, request) -> LearningRun:
    """Each run of the table."""
    return next(run for run in LEARNING_TABLES.read(quick).entries if run.setting.sensed == request.param)


# ------------------------------------------------------------------------------------------------ what is measured


def test_the_identity_keeps_the_laws_and_its_square_is_the_identity():
    operator = IdentitySensing(7)
    assert wn.check_operator(operator).passed
    point = wn.LowRank(normal(2, 7, 3), torch.eye(3, dtype=torch.float64).expand(2, 3, 3))
    torch.testing.assert_close(operator.adjoint(operator.measure(point)), point.dense(), rtol=1e-15, atol=1e-15)


def test_identity_and_gaussian_share_truth_and_starts():
    one, other = drawn(SMALL), drawn(SMALL_GAUSSIAN)
    assert torch.equal(one.problem.truth.X, other.problem.truth.X)
    assert torch.equal(starts(one, SMALL).X, starts(other, SMALL_GAUSSIAN).X)
    values = one.problem.truth.Theta.diagonal()
    torch.testing.assert_close(values, torch.tensor([1, 1 / 3], dtype=torch.float64))


def test_overlaps_are_squared_cosines_in_the_order_of_magnitudes():
    objective = drawn(SMALL)
    point, truth = starts(objective, SMALL), objective.problem.truth
    mixed = torch.randn(2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    point = wn.LowRank(point.X, mixed + mixed.mT)
    found = squared_overlaps(objective, point)
    for place in range(2):
        values, vectors = torch.linalg.eigh(point.dense()[place])
        used = vectors[:, values.abs().argsort(descending=True)[:4]]
        torch.testing.assert_close(found[place], (truth.X.T @ used) ** 2, rtol=1e-9, atol=1e-12)
        Phi = truth.X.T @ point.X[place]
        torch.testing.assert_close(found[place].sum(-1), (Phi @ Phi.T).diagonal(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("setting", [SMALL, SMALL_GAUSSIAN], ids=["identity", "gaussian"])
def test_gradients_are_those_of_the_run_s_own_loss(setting):
    """By autograd in dense matrices, at the point and at the X that Algorithm 1 goes to."""
    setting = dataclasses.replace(setting, seeds=(0,), step_size=0.3)
    objective = drawn(setting)
    operator, y = objective.problem.operator, objective.problem.measurements
    begun = starts(objective, setting)
    mixed = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    X, Theta = begun.X[0], mixed + mixed.T

    def loss(X, Theta):
        return (operator.measure(wn.LowRank(X, Theta)) - y).square().sum() / 4

    def tangent(X, E):
        return E - X @ (X.T @ E + E.T @ X) / 2

    E, K = torch.func.grad(loss, (0, 1))(X, Theta)
    G = tangent(X, E)
    values, vectors = torch.linalg.eigh(torch.eye(4, dtype=X.dtype) + 0.09 * G.T @ G)
    following = (X - 0.3 * G) @ (vectors @ torch.diag(values**-0.5) @ vectors.T)
    beyond = torch.func.grad(loss, 1)(following, Theta)
    expected = torch.stack([G.norm(), ((beyond + beyond.T) / 2).norm(), ((K + K.T) / 2).norm()])
    found = gradients_of(solver_of(setting))(objective, wn.LowRank(X[None], Theta[None]))
    torch.testing.assert_close(found[0], expected, rtol=1e-9, atol=1e-13)


def test_start_alignments_are_what_is_left_beyond_the_eigenvectors_before():
    objective = drawn(SMALL)
    U, point = objective.problem.truth.X, starts(objective, SMALL)
    found = start_alignments(SMALL)
    for place in range(2):
        X = point.X[place]
        P = U.T @ X @ X.T @ U
        assert float(found[place, 0]) == pytest.approx(float(P[0, 0]))
        # Beyond the projection of u_1 on span(X).
        first = X @ X.T @ U[:, 0]
        rest = X @ X.T @ U[:, 1] - first * (first @ U[:, 1]) / (first @ first)
        assert float(found[place, 1]) == pytest.approx(float(rest @ rest))


def test_the_law_tells_the_step_of_an_escape_from_the_start_alone(tmp_path, as_users_run):
    """Eigenvalues 1 and 0.1: far enough apart for one to be learned before the other. Diagonals are off by 20%."""
    setting = LearningSetting(Sensed.IDENTITY, 400, 20, 2, 6, 10.0, (0, 2), 300)
    arrays = measure(setting, tmp_path / "run.npz")
    run = LearningRun(
        setting, {"start_alignment": start_alignments(setting).numpy(), "eigenvalues": arrays["eigenvalues"]}
    )
    laws = run.predicted_escapes()
    for start in range(2):
        found = plateaus(
            arrays["step"],
            arrays["saddle_distances"][:, start],
            arrays["used_alignment"][:, start],
            arrays["eigenvalues"],
        )
        assert escapes(found)[1] == pytest.approx(laws[start, 1], rel=0.03)


# ------------------------------------------------------------------------------------------------ the table


def test_the_table_is_small_and_complete(quick):
    assert quick.header["form"] == "learning"
    assert sum(array.nbytes for array in quick.arrays.values()) < 500_000
    for setting in SHORTER.quick:
        arrays = {
            name.removeprefix(f"{setting.sensed}_"): array
            for name, array in quick.arrays.items()
            if name.startswith(f"{setting.sensed}_")
        }
        rows, k, r, count = len(arrays["step"]), setting.rank, setting.width, len(setting.seeds)
        assert 80 < rows <= 200
        shapes = {
            "saddle_distances": (rows, k + 1),
            "gradient_norms": (rows, 3),
            "squared_cosines": (rows, k),
            "alignment_trace": (rows,),
            "outside": (rows, r),
            "magnitudes": (rows, r),
            "squared_overlaps": (rows, k, r),
            "used_alignment": (rows, k + 1),
            "squared_error": (rows, count),
            "stay_first": (count, k),
            "escape": (count, k),
            "start_alignment": (count, k),
            "trace_fall": (count,),
            "eigenvalues": (k,),
        }
        assert {name: arrays[name].shape for name in shapes} == shapes
        assert all(np.isfinite(arrays[name]).all() for name in shapes if name not in {"stay_first", "escape"})
        assert {0, setting.steps} <= set(arrays["step"].tolist())
        # The columns of the slider agree with the others.
        overlaps = arrays["squared_overlaps"]
        np.testing.assert_allclose(overlaps.sum((1, 2)), arrays["alignment_trace"], rtol=1e-12)
        # At the start all magnitudes are equal: which columns come first is anyone's choice.
        used = overlaps.sum(1)[1:, :k].cumsum(1)
        np.testing.assert_allclose(used, arrays["used_alignment"][1:, 1:], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(overlaps[-1, :, :k], np.eye(k), atol=1e-9)
        np.testing.assert_array_equal(arrays["squared_error"][:, 0], arrays["saddle_distances"][:, -1])


def test_the_table_s_rows_show_the_stays_that_all_rows_showed(run):
    stays = run.stays()
    assert [stay.index for stay in stays] == [0, 1, 2]
    assert [stay.first for stay in stays] == run.arrays["stay_first"][0].tolist()
    assert [stay.escape for stay in stays] == run.arrays["escape"][0].tolist()
    # Rows are closer around an escape than elsewhere on average.
    for stay in stays:
        near = (run.step >= 0.6 * stay.escape) & (run.step <= 1.6 * stay.escape)
        assert near.sum() >= min(12, int(0.6 * stay.escape))


def test_no_more_rows_are_kept_than_a_picture_shows():
    for setting in FIGURE_1.paper:
        steps = np.array(sorted({0, *setting.seen_steps()}))
        levels = setting.rank
        # As seen at paper scale: each stay five to ten times as late as the one before.
        ends = [3 * 10**level for level in range(levels)]
        labels = np.searchsorted(ends, steps, side="right")
        distances = np.full((len(steps), levels + 1), 9.0)
        distances[np.arange(len(steps)), labels] = 0.0
        used = np.tile(np.arange(levels + 1.0), (len(steps), 1))
        stays = plateaus(steps, distances, used, np.geomspace(1, 1e-2, levels))
        assert len(stays) >= levels - 1
        kept = kept_rows(steps, stays)
        assert 100 < kept.sum() <= 200
        assert kept[0]
        assert kept[-1]


# ------------------------------------------------------------------------------------------------ what is seen


def test_the_run_is_sequential_monotone_and_linear_in_the_end(run):
    assert run.arrays["trace_fall"].max() == 0
    fit = run.final_rate()
    # Gaussian measurements distort the last direction's share by about sqrt(m / n) = 0.05 and more with the rank.
    assert fit.linear.slope == pytest.approx(run.expected_slope, rel=0.02 if run.setting.sensed == "identity" else 0.15)
    drops = run.drops(0)
    assert set(drops) == {0, 1, 2}
    assert min(drops[1], drops[2]) > 1
    # A surplus of alignment that the lemma does not have: about r r_A / m of it at the start.
    assert all(stay.surplus > 0.1 for stay in run.stays())


def test_mu_2_makes_the_magnitude_exact_where_m_is_the_identity(quick):
    identity, gaussian = (
        run.arrays["gradient_norms"][run.step >= 1, 2].max() for run in LEARNING_TABLES.read(quick).entries
    )
    assert identity < 1e-14
    assert gaussian > 1e-4


def verdicts(table: Table) -> dict[str, list[bool | None]]:
    """Of each run, by its label."""
    told = findings(LEARNING_TABLES.read(table))
    runs = LEARNING_TABLES.read(table).entries
    return {run.setting.sensed: [of.holds for of in told if of.text.startswith(f"{run.label}:")] for run in runs}


def changed(table: Table, **columns) -> Table:
    return Table(table.header, {**table.arrays, **columns})


def test_verdicts_follow_the_table(quick):
    order, whole, flat, drop, monotone, lemma, rate, law, exact = verdicts(quick)["identity"]
    assert (order, flat, drop, monotone, rate) == (True, True, True, True, True)
    # One start passes a saddle, and no visited one has the lemma's trace.
    assert (whole, lemma, law, exact) == (False, False, None, None)

    def of(**columns):
        return verdicts(changed(quick, **columns))["identity"]

    assert of(identity_trace_fall=np.array([0.0, 1e-3]))[4] is False
    assert of(identity_stay_first=np.array([[0.0, 9, 5], [0, 7, 12]]))[0] is False
    assert of(identity_stay_first=np.array([[0.0, 9, 73], [0, 7, 12]]))[1] is True
    norms = np.ones_like(quick.arrays["identity_gradient_norms"])
    assert of(identity_gradient_norms=norms)[3] is False
    steps = quick.arrays["identity_step"]
    slow = quick.arrays["identity_saddle_distances"].copy()
    tail = slow[:, -1] < 1e-5
    slow[tail, -1] = 1e-5 * (steps[tail] / steps[tail][0]) ** -6.0
    assert of(identity_saddle_distances=slow)[6] is False
    trace = quick.arrays["identity_used_alignment"].max(axis=1) * 0 + 1.0
    turned = LEARNING_TABLES.read(changed(quick, identity_alignment_trace=trace))
    assert "at 1 of 3 visited saddles" in findings(turned)[5].text


def test_captions_have_every_start_and_both_kinds_side_by_side(quick):
    text = caption(quick)
    assert "the first start visits the saddles l = 0, 1, 2, in this order" in text
    assert "seed 1 has no stay at l = 2" in text
    assert "against identity M, the same starts" in text
    parts = paragraphs(LEARNING_TABLES.read(quick))
    assert [len(part.lines) for part in parts] == [2, 2]
    assert parts[0].lines[0].startswith("seed 0: l = 0: 0 to 5 [5]")
    assert "no stay" in parts[0].lines[1]


def test_every_panel_has_a_mark_at_every_escape(quick):
    drawn_ones = pictures(LEARNING_TABLES.read(quick))
    assert set(drawn_ones) == {"", "_gaussian"}
    for run, figure in zip(LEARNING_TABLES.read(quick).entries, drawn_ones.values(), strict=True):
        left = {float(stay.escape) + 1 for stay in run.stays()}
        assert len(figure.axes) == 6
        for axes in figure.axes:
            marks = {
                float(line.get_xdata()[0])
                for line in axes.lines
                if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]
            }
            assert marks == left
            assert axes.get_xscale() == "log"
            assert [text.get_text() for text in axes.texts] == ["l=0", "l=1", "l=2"]


def test_predicted_escapes_are_marked_at_their_steps(quick):
    """The axis begins at 1: step t is at t + 1, as for the curves."""
    for run in LEARNING_TABLES.read(quick).entries:
        marks = [
            line.get_xydata()[0].tolist()
            for axes in learning_picture(run, "").axes
            for line in axes.lines
            if line.get_marker() == "D"
        ]
        assert marks == [[steps + 1, 0.5] for steps in run.predicted_escapes()[0]]


def test_a_run_that_ends_at_a_saddle_is_drawn_and_told(quick):
    """Cut off during the last stay: no escape, no rate."""
    run = LEARNING_TABLES.read(quick).entries[0]
    end = int(np.searchsorted(run.step, 120))
    per_row = {name: array[:end] for name, array in run.arrays.items() if len(array) == len(run.step)}
    left = run.arrays["escape"].copy()
    left[:, 2] = np.nan
    arrays = {f"identity_{name}": array for name, array in {**run.arrays, **per_row, "escape": left}.items()}
    table = changed(quick, **arrays)
    cut = LEARNING_TABLES.read(table).entries[0]
    assert cut.stays()[-1].escape is None
    assert cut.final_rate() is None
    assert "too few steps after the last saddle for a rate" in caption(table)
    assert "73 to the end" in caption(table)
    assert len(learning_picture(cut, "").axes) == 6


# ------------------------------------------------------------------------------------------------ kept and refused


@pytest.mark.parametrize("at", [1, 3, 5])
@pytest.mark.fast("3")
def test_an_interrupted_study_goes_on_bit_for_bit_and_repeats_no_run(at, tiny, tmp_path, monkeypatch, as_users_run):
    with pytest.raises(KeyboardInterrupt):
        run_tiny(tmp_path, Alarm(at))
    store = Store(tmp_path, TINY, Scale.QUICK)
    finished = [setting_key(setting) for setting in TINY.quick if store.kept(setting_key(setting)) is not None]
    made = []

    def counted(setting, *rest, **named):
        made.append(setting_key(setting))
        return measure(setting, *rest, **named)

    monkeypatch.setattr(running, "measure", counted)
    again = run_tiny(tmp_path)
    assert sorted([*made, *finished]) == sorted(setting_key(setting) for setting in TINY.quick)
    assert again.header == tiny.header
    for name, array in tiny.arrays.items():
        if not name.endswith(("seconds", "memory")):
            np.testing.assert_array_equal(again.arrays[name], array, err_msg=name)
    # And a finished study is read, not made.
    made.clear()
    run_tiny(tmp_path)
    assert made == []


def test_what_cannot_be_run_or_read_is_refused(tmp_path, tiny, as_users_run):
    for change, told in (
        ({"rank": 9}, "the rank"),
        ({"width": 1}, "at least the rank"),
        ({"seeds": ()}, "at least one start"),
        ({"measurements": 60}, "all 64 entries"),
    ):
        with pytest.raises(InputError, match=told):
            dataclasses.replace(SMALL, **change)
    other = dataclasses.replace(TINY, quick=TINY.quick[:1])
    run_tiny(tmp_path)
    with pytest.raises(InputError, match="fingerprint"):
        learning_study(other).run(tmp_path, Scale.QUICK, quiet)
    for key in ("name", "settings"):
        with pytest.raises(InputError, match=f"missing required field {key}"):
            LEARNING_TABLES.read(
                Table({name: value for name, value in tiny.header.items() if name != key}, tiny.arrays)
            )
    with pytest.raises(InputError, match="Expected float, got str"):
        LEARNING_TABLES.read(Table({**tiny.header, "settings": [{**tiny.header["settings"][0], "condition": "2"}]}, {}))
    with pytest.raises(InputError, match="identity_escape"):
        LEARNING_TABLES.read(Table(tiny.header, {}))


@pytest.mark.parametrize("scale", Scale)
def test_the_study_has_the_sizes_that_it_says(scale):
    assert isinstance(FIGURE_1, LearningSpecification)
    settings = FIGURE_1.plan(scale)
    assert {setting.sensed for setting in settings} == set(Sensed)
    sizes = {(of.size, of.rank, of.width, of.condition) for of in settings}
    assert sizes == {(50, 5, 15, 100.0) if scale is Scale.PAPER else (20, 3, 6, 10.0)}
    assert len({setting_key(setting) for setting in settings}) == 2
    assert all(len(setting.seeds) >= 2 for setting in settings)
