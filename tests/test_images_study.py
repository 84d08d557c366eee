"""Figure 4: pictures as matrices, their quality, runs that are made once, tables, pictures and captions."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

import wnsense as wn
from cases.draws import generator, normal
from cases.presented import caption, findings, pictures
from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.frame.store import Store
from wnsense.lab.studies.images import measure as measuring
from wnsense.lab.studies.images import run as running
from wnsense.lab.studies.images.cases import EXACT, FEW, FIGURE_4, FULL
from wnsense.lab.studies.images.measure import A_STEP, AT_START, drawn, measure, picture_of, reference, steps_within
from wnsense.lab.studies.images.photographs import DRAWING, Photograph, as_rectangular, best_approximation, lifted
from wnsense.lab.studies.images.quality import signal_to_noise, structural_similarity
from wnsense.lab.studies.images.specification import (
    MODELS,
    ImagePlan,
    ImageRun,
    ImageSetting,
    ImageSpecification,
    Scene,
)
from wnsense.lab.studies.images.study import image_study
from wnsense.lab.studies.images.table import IMAGE_TABLES, Equal
from wnsense.lab.studies.study_methods import PAPER_METHODS, StudyMethod
from wnsense.sensing.kinds import Kind

pytestmark = pytest.mark.usefixtures("as_users_run")

PICTURE = Photograph(DRAWING, 2, 24, 28)
SCENES = tuple(Scene("a setting", PICTURE, model, 6, 420, kept=2) for model in MODELS)
PLAN = ImagePlan(SCENES, (40, 80), (ImageSetting(0.5, 0.1), ImageSetting(1.0, 0.1)), (0, 1), (9,), timed_steps=3)
STUDY = ImageSpecification(
    "figure-4",
    "Something small",
    "Something is said.",
    quick=PLAN,
    paper=PLAN,
    groups=(("a setting", "in words"),),
    choices=("everything",),
)
# Of each scene: two grids, one timing, two runs, and recover() within two budgets.
PARTS = len(SCENES) * (2 + 1 + 2 + 2)


def quietly(*_: object) -> None:
    """Progress that nobody asked for."""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The small study, uninterrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        return image_study(STUDY).run(tmp_path_factory.mktemp("images"), Scale.QUICK, quietly)


# ------------------------------------------------------------------------------------------------------- pictures


def test_blocks_are_means_of_the_middle():
    whole = Photograph(DRAWING, 1, 48, 56).pixels()
    assert whole.shape == (48, 56)
    assert 0 <= whole.min() < whole.max() <= 1
    blocks = PICTURE.pixels()
    np.testing.assert_allclose(blocks[3, 5], whole[6:8, 10:12].mean())
    np.testing.assert_allclose(blocks.mean(), whole.mean())


@pytest.mark.parametrize("name", ["camera", "astronaut", "coins"])
def test_photographs_come_from_the_package_alone(name):
    data = pytest.importorskip("skimage.data")
    pixels = np.asarray(getattr(data, name)(), dtype=float) / 255
    # Luma of ITU-R 601, which Pillow rounds.
    grey = pixels @ [0.299, 0.587, 0.114] if pixels.ndim == 3 else pixels
    top, left = ((side - 300) // 2 for side in grey.shape)
    expected = grey[top : top + 300, left : left + 300].reshape(30, 10, 30, 10).mean((1, 3))
    np.testing.assert_allclose(Photograph(name, 10, 30, 30).pixels(), expected, atol=1 / 255)


def test_what_is_no_photograph_is_told():
    pytest.importorskip("skimage")
    with pytest.raises(InputError, match="needed a photograph nobody"):
        Photograph("nobody", 1, 4, 4).pixels()
    with pytest.raises(InputError, match="at least 600 x 100 pixels, got camera, 512 x 512"):
        Photograph("camera", 1, 600, 100).pixels()


@pytest.mark.parametrize("rank", [1, 3, 12])
def test_the_lift_is_semidefinite_and_holds_the_picture_at_the_same_rank(rank):
    B = normal(12, 17, dtype=torch.float64).numpy()
    values = np.linalg.svd(B, compute_uv=False)
    A = lifted(B, 12).dense().numpy()
    np.testing.assert_allclose(A[:12, 12:], B, atol=1e-12)
    # The diagonal blocks are the square roots of B B^T and B^T B.
    np.testing.assert_allclose(A[:12, :12] @ A[:12, :12], B @ B.T, atol=1e-11)
    np.testing.assert_allclose(A[12:, 12:] @ A[12:, 12:], B.T @ B, atol=1e-11)
    eigenvalues = np.linalg.eigvalsh(A)[::-1]
    np.testing.assert_allclose(eigenvalues[:12], 2 * values, atol=1e-12)
    np.testing.assert_allclose(eigenvalues[12:], 0, atol=1e-12)
    # Its best approximation holds that of the picture, which is what the oracle shows.
    nearest = best_approximation(B, rank)
    np.testing.assert_allclose(lifted(B, 12).truncate(rank).dense().numpy()[:12, 12:], nearest, atol=1e-12)
    np.testing.assert_allclose(lifted(B, rank).dense().numpy()[:12, 12:], nearest, atol=1e-12)
    np.testing.assert_allclose(as_rectangular(B, rank).dense().numpy(), nearest, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(B - nearest) ** 2, (values[rank:] ** 2).sum(), atol=1e-11)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: str(scene.model))
def test_a_scene_measures_what_it_says(scene):
    objective = drawn(scene)
    B = best_approximation(PICTURE.pixels(), 2)
    truth = as_rectangular(B, 2) if scene.model is Kind.RECTANGULAR else lifted(B, 2)
    point = truth.to(dtype=torch.float32)
    expected = objective.problem.operator.measure(point)
    torch.testing.assert_close(objective.problem.measurements, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(picture_of(scene, point), B.clip(0, 1), atol=1e-5)
    np.testing.assert_allclose(reference(scene), B.clip(0, 1), atol=1e-12)
    assert scene.unknowns == objective.problem.operator.dimension
    assert objective.problem.truth is None


# -------------------------------------------------------------------------------------------------------- quality


def test_psnr_is_that_of_its_definition():
    one, other = np.full((12, 12), 0.5), np.full((12, 12), 0.6)
    assert signal_to_noise(one, other) == pytest.approx(20.0)
    assert signal_to_noise(one, one) == np.inf


def test_ssim_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    a, b = rng.random((16, 20)), rng.random((16, 20))
    b = 0.7 * a + 0.3 * b
    # Window by window, with the weights written out.
    impulse = np.zeros((11, 11))
    impulse[5, 5] = 1
    weights = gaussian_filter(impulse, 1.5, radius=5, mode="constant")
    np.testing.assert_allclose(weights.sum(), 1)
    values = []
    for i in range(16 - 10):
        for j in range(20 - 10):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            x, y = (weights * p).sum(), (weights * q).sum()
            u, v = (weights * (p - x) ** 2).sum(), (weights * (q - y) ** 2).sum()
            c = (weights * (p - x) * (q - y)).sum()
            values.append((2 * x * y + 1e-4) * (2 * c + 9e-4) / ((x * x + y * y + 1e-4) * (u + v + 9e-4)))
    assert structural_similarity(a, b) == pytest.approx(np.mean(values), abs=1e-12)
    assert structural_similarity(a, a) == pytest.approx(1.0)


def test_ssim_agrees_with_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    a = Photograph(DRAWING, 1, 32, 40).pixels()
    b = (a + 0.1 * np.random.default_rng(1).standard_normal(a.shape)).clip(0, 1)
    expected = metrics.structural_similarity(a, b, gaussian_weights=True, use_sample_covariance=False, data_range=1.0)
    assert structural_similarity(a, b) == pytest.approx(expected, abs=1e-12)


# ----------------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize("method", PAPER_METHODS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: str(scene.model))
def test_budgets_count_what_the_loop_counts(scene, method):
    objective, steps = drawn(scene), steps_within(scene, method, 40)
    solver = measuring.solver_of(scene, method, ImageSetting(0.5, 0.1))
    start = wn.solvers.haar_start(objective, scene.width, generator=generator())
    result = wn.running.solve(objective, solver, start, stop=wn.running.Stop(residual=0.0, max_steps=steps))
    course = measure(ImageRun(scene, method, ImageSetting(0.5, 0.1), (0,), steps, (steps,)))
    assert course["applications"][-1] == result.applications
    assert result.applications <= 40 < result.applications + A_STEP[method]
    assert result.applications == objective.calibration.applications + AT_START + A_STEP[method] * steps


def test_a_run_writes_down_the_quality_of_its_pictures():
    run = ImageRun(SCENES[0], StudyMethod.GD, ImageSetting(0.5, 0.1), (0, 1), 30, (0, 30, 7))
    course = measure(run)
    assert course["pictures"].shape == (3, 24, 28)
    assert course["psnr"].shape == course["ssim"].shape == (len(course["step"]), 2)
    for kept, step in zip(course["pictures"], run.wanted, strict=True):
        place = int(np.searchsorted(course["step"], step))
        assert course["step"][place] == step
        # Rounded to 256 levels, it is a little farther or nearer.
        assert signal_to_noise(kept / 255, reference(SCENES[0])) == pytest.approx(course["psnr"][place, 0], abs=0.1)
    assert course["psnr"][-1].min() > course["psnr"][0].max() + 3


def test_a_run_that_diverges_is_black():
    run = ImageRun(SCENES[0], StudyMethod.GD, ImageSetting(50.0, 0.1), (0,), 60, (60,))
    course = measure(run)
    target = reference(SCENES[0])
    assert not course["pictures"].any()
    assert course["psnr"][-1, 0] == pytest.approx(signal_to_noise(np.zeros_like(target), target))


# ---------------------------------------------------------------------------------------------------------- table


def test_a_study_goes_on_from_what_is_there_and_gives_the_same(table, tmp_path, monkeypatch):
    store, told = Store(tmp_path, STUDY, Scale.QUICK), []
    whole = running.recovered

    def interrupted(*rest, **named):
        if len(told) > 0 and len(list(store.parts.iterdir())) >= PARTS - 1:
            raise KeyboardInterrupt
        return whole(*rest, **named)

    monkeypatch.setattr(running, "recovered", interrupted)
    with pytest.raises(KeyboardInterrupt):
        image_study(STUDY).run(tmp_path, Scale.QUICK, lambda *words: told.append(words))
    monkeypatch.setattr(running, "recovered", whole)
    before = {path: path.read_bytes() for path in store.parts.iterdir()}
    assert len(before) == PARTS - 1
    made = []
    monkeypatch.setattr(running, "measure", lambda *_, **__: made.append(1))
    again = image_study(STUDY).run(tmp_path, Scale.QUICK, quietly)
    assert made == []
    assert {path: path.read_bytes() for path in before} == before
    assert again.header == table.header
    times = ("seconds", "seconds_a_step", "spent_seconds", "peak_memory", "wanted", "pictures", "step")
    for name in table.arrays:
        # What is measured in seconds decides which steps WN is seen at, and with them the points of its curve.
        if not name.endswith(times) and "_wn_" not in name:
            np.testing.assert_array_equal(again.arrays[name], table.arrays[name], err_msg=name)
    assert told[-1][1] <= told[-1][2]
    assert image_study(STUDY).run(tmp_path, Scale.QUICK, quietly).header == again.header


def test_what_is_equal_is_equal(table):
    for scene in IMAGE_TABLES.read(table).entries:
        wn_course, gd_course = scene.course("wn"), scene.course("gd")
        ratio = gd_course.seconds_a_step / wn_course.seconds_a_step
        for budget, applications in enumerate(scene.budgets):
            steps = {equal: scene.step_of("wn", equal, budget) for equal in Equal}
            gd = scene.step_of("gd", Equal.STEPS, budget)
            assert steps[Equal.STEPS] == gd
            assert steps[Equal.TIME] == min(int(gd * ratio), int(wn_course.step[-1]))
            spent = wn_course.applications[np.searchsorted(wn_course.step, steps[Equal.APPLICATIONS])]
            assert applications - A_STEP[StudyMethod.WN] < spent <= applications
            for equal in Equal:
                psnr, ssim = scene.gain(equal, budget)
                assert np.isfinite([psnr, ssim]).all()
            place = scene.recovery_at(Equal.TIME, budget)
            assert place is None or scene.arrays["recover_seconds"][place] <= scene.seconds(budget)


def test_the_oracle_of_a_picture_of_low_rank_is_exact(table):
    for scene in IMAGE_TABLES.read(table).entries:
        assert scene.number("oracle_psnr") > 100
        np.testing.assert_array_equal(scene.arrays["oracle"], scene.arrays["reference"])


def test_pictures_and_captions_are_made_of_the_table(table, tmp_path):
    drawn_figures = pictures(table)
    assert set(drawn_figures) == {"", "_drawing-rectangular-a-setting", "_drawing-psd-a-setting"}
    for name, figure in drawn_figures.items():
        assert isinstance(figure, Figure)
        figure.savefig(Path(tmp_path) / f"picture{name}.png", dpi=40)
    text = caption(table)
    for words in ("equal steps", "equal applications", "equal time", "recover()", "in words", "everything", "eta 0.5"):
        assert words in text


def better(table: Table, *, wn_psnr: float, wn_ssim: float) -> Table:
    """The table with WN's quality at a constant and GD's at 20 dB and 0.5."""
    values = {"wn_psnr": wn_psnr, "gd_psnr": 20.0, "wn_ssim": wn_ssim, "gd_ssim": 0.5}
    arrays = {}
    for name, array in table.arrays.items():
        of = values.get(name.split("_", 1)[-1])
        arrays[name] = array if of is None else np.full_like(array, of)
    return Table(table.header, arrays)


@pytest.mark.parametrize(
    ("wn_psnr", "wn_ssim", "holds", "counted"),
    [
        (22.0, 0.6, True, "better in 4 and GD in 0 of 4"),
        (20.9, 0.6, False, "better in 0 and GD in 0 of 4"),
        (22.0, 0.4, False, "better in 0 and GD in 0 of 4"),
        (18.0, 0.4, False, "better in 0 and GD in 4 of 4"),
    ],
)
def test_verdicts_are_read_off_the_table(table, wn_psnr, wn_ssim, holds, counted):
    found = findings(better(table, wn_psnr=wn_psnr, wn_ssim=wn_ssim))
    compared = [finding for finding in found if finding.holds is not None]
    assert len(compared) == len(Equal)
    assert all(finding.holds is holds and counted in finding.text for finding in compared)
    assert [finding.holds for finding in found if finding not in compared] == [None]


def test_other_tables_are_refused(table):
    with pytest.raises(InputError, match="a study of images, got form curves"):
        IMAGE_TABLES.read(Table({**table.header, "form": "curves"}, table.arrays))
    other = dataclasses.replace(FIGURE_4, name="figure-5")
    assert other.form == "images"


# -------------------------------------------------------------------------------------------------- specification


@pytest.mark.parametrize("scale", Scale)
def test_the_study_is_fair_and_covers_what_it_promises(scale):
    plan = FIGURE_4.plan(scale)
    assert {scene.group for scene in plan.scenes} == {name for name, _ in FIGURE_4.groups} == {FEW, EXACT, FULL}
    assert {scene.model for scene in plan.scenes} == set(MODELS)
    assert not set(plan.seeds) & set(plan.tuning_seeds)
    assert len(plan.budgets) >= 3
    for scene in plan.scenes:
        small = scene.halved()
        assert small.measurements / small.unknowns == pytest.approx(scene.measurements / scene.unknowns, rel=0.15)
        assert small.width / min(small.shape) == pytest.approx(scene.width / min(scene.shape), rel=0.2)
        assert (scene.kept is not None) == (scene.group == EXACT)
        # The limit of stability, 4 / lambda_max, of Marchenko and Pastur on the directions that X opens.
        m1, m2 = scene.shape
        freedom = scene.width**2 if scene.model is Kind.RECTANGULAR else scene.width * (scene.width + 1) / 2
        assert scene.magnitude_step_size < 4 / (1 + (freedom / scene.measurements) ** 0.5) ** 2
        assert scene.width < min(m1, m2) or scene.group == FULL
    if scale is Scale.PAPER:
        assert {scene.photograph.name for scene in plan.scenes} == {"camera", "astronaut", "coins"}
        assert plan.unlimited
