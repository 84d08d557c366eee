"""The studies of deep networks: measurements beside dense ones, data, tables, and verdicts that can be lost."""

import dataclasses
import gzip
import hashlib
import itertools
import math
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from cases.commands import assert_refused
from cases.doctored_tables import Change, doctored, told
from cases.networks import dense_hessian, spectral_norm
from cases.presented import caption, findings, pictures
from wnsense.checks import InputError
from wnsense.cli import demo_networks as demonstrating_networks
from wnsense.cli.commands.demo import DemoOptions
from wnsense.files.tables import Table, read_table
from wnsense.lab.demos.networks import networks_demo as demo
from wnsense.lab.demos.networks.networks_page import networks_page
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.frame.store import Store
from wnsense.lab.studies.lookup import study_named
from wnsense.lab.studies.networks.activations.table import distances, largest_difference
from wnsense.lab.studies.networks.curvature.cases import CURVATURE
from wnsense.lab.studies.networks.design import build_network
from wnsense.lab.studies.networks.generalization.table import gap_bound, read_sweeps
from wnsense.lab.studies.networks.image_source import ImageSource
from wnsense.lab.studies.networks.network_study import network_study
from wnsense.lab.studies.networks.rates.cases import RATES
from wnsense.lab.studies.networks.run import measure_part
from wnsense.lab.studies.networks.specification import (
    CurvaturePart,
    Design,
    Images,
    KinkPart,
    Sampling,
    TrainingPart,
    part_key,
)
from wnsense.lab.studies.networks.start_measure import measure_curvature, measure_kinks
from wnsense.lab.studies.networks.table import (
    LONG,
    SHORT,
    NetworkKind,
    is_within_row_bound,
    mean_interval,
    runs_of,
    steps_per_epoch,
)
from wnsense.lab.studies.networks.training.cases import TRAINING
from wnsense.lab.studies.networks.training_measure import measure_training
from wnsense.lab.studies.registry import STUDY_FOLDERS
from wnsense.networks.data.labelled_images import Inputs
from wnsense.networks.layers import parameter_matrix
from wnsense.networks.measuring.power_fit import Exponent
from wnsense.networks.network import Scaling
from wnsense.theory.networks import generalization_bound, rademacher_bound

pytestmark = pytest.mark.usefixtures("as_users_run")

DIGITS = Sampling(Images.DIGITS, 48, 20)
UNIT = Sampling(Images.DIGITS, 16, 10, Inputs.UNIT)
SMALL = TrainingPart(DIGITS, Design(6, 2), 0, 4, 0.05, batch=16, probes=24)
SOURCE = ImageSource(None)
NAMES = [name for name, folder in STUDY_FOLDERS.items() if folder.startswith("networks.")]


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> dict[str, Table]:
    """Every study at its quick scale, each once, as read back from disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        folder = tmp_path_factory.mktemp("networks")
        found = {}
        for name in NAMES:
            study = study_named(name)
            study.run(folder, Scale.QUICK)
            found[name] = read_table(study.store(folder, Scale.QUICK).table)
        return found


def trained(part: TrainingPart, folder: Path) -> dict[str, np.ndarray]:
    return dict(measure_training(part, SOURCE.samples(part.sampling), folder / "checkpoint.npz"))


# ------------------------------------------------------------------------------------------------ what is measured


@pytest.mark.parametrize("normalized", [True, False])
def test_a_training_is_plain_sgd_on_the_mean_squared_loss(tmp_path, normalized):
    """Written out: the same order, literal steps, and the ratio by autograd."""
    part = dataclasses.replace(SMALL, design=Design(6, 2, normalized=normalized), batch=48, epochs=3)
    found = trained(part, tmp_path)
    x, y = SOURCE.samples(DIGITS).train.tensors
    model = build_network(part.design, part.seed, 64)
    parameters = [p for p in model.parameters() if p.requires_grad]
    for epoch in range(part.epochs + 1):
        loss = functional.mse_loss(model(x), y)
        assert found["train_loss"][epoch] == pytest.approx(loss.item(), rel=1e-5)
        probed = functional.mse_loss(model(x[:24]), y[:24])
        slope = sum(float(g.square().sum()) for g in torch.autograd.grad(probed, parameters))
        assert found["ratio"][epoch] == pytest.approx(slope / probed.item(), rel=1e-4)
        rows = torch.cat([parameter_matrix(layer).norm(dim=1) for layer in model.layers])
        assert found["shortest"][epoch] == pytest.approx(rows.min().item(), rel=1e-6)
        assert found["longest"][epoch] == pytest.approx(rows.max().item(), rel=1e-6)
        for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.data -= 0.05 * gradient
    assert found["learning_rate"] == [0.05]
    assert found["diverged"] == [0.0]


def test_the_twin_has_the_same_parameters_and_another_function():
    one, other = (build_network(Design(6, 2, normalized=normalized), 3, 64) for normalized in (True, False))
    for mine, its in zip(one.layers, other.layers, strict=True):
        assert torch.equal(parameter_matrix(mine), parameter_matrix(its))
    x = SOURCE.samples(DIGITS).train.tensors[0]
    assert not torch.allclose(one(x), other(x))


def test_ends_bounds_and_relative_rates(tmp_path):
    part = dataclasses.replace(SMALL, learning_rate=0.5, relative=True)
    found = trained(part, tmp_path)
    assert found["learning_rate"][0] == pytest.approx(0.5 / found["loss_curvature"][0], rel=1e-6)
    x = SOURCE.samples(DIGITS).train.tensors[0]
    model = build_network(part.design, part.seed, 64)
    longest = float(x.norm(dim=1).max())
    # s = 1: each layer multiplies by sqrt(m).
    expected = rademacher_bound(gains=[math.sqrt(6)] * 2, samples=48, input_norm=longest, output_norm=1.0)
    assert found["rademacher"][0] == pytest.approx(expected, rel=1e-5)
    assert found["largest_output"][0] == pytest.approx(6 * longest, rel=1e-5)
    outputs = model(x).detach().abs().max()
    assert float(outputs) <= found["largest_output"][0]
    assert found["output_slope"][0] <= found["slope_bound"][0]
    assert all(len(found[name]) == 2 for name in ("loss", "output_curvature", "convexity_estimate", "slope_bound"))
    without = dataclasses.replace(part, design=Design(6, 2, normalized=False))
    plain = trained(without, tmp_path / "other")
    rows = [float(parameter_matrix(layer).detach().norm(dim=1).max()) for layer in model.layers]
    expected = rademacher_bound(
        gains=[math.sqrt(6) * row for row in rows], samples=48, input_norm=longest, output_norm=1.0
    )
    assert plain["rademacher"][0] == pytest.approx(expected, rel=1e-5)


def test_a_divergence_leaves_nan_and_says_so(tmp_path):
    found = trained(dataclasses.replace(SMALL, learning_rate=1e6), tmp_path)
    assert found["diverged"] == [1.0]
    assert found["train_loss"].shape == (5,)
    assert np.isfinite(found["train_loss"][0])
    assert np.isnan(found["train_loss"][-1])
    for name in ("loss", "loss_curvature", "rademacher"):
        assert np.isfinite(found[name][0])
        assert np.isnan(found[name][1])


def test_a_training_goes_on_from_its_checkpoint_to_the_last_bit(tmp_path):
    """A checkpoint of two epochs, which knows nothing of how many there are to be."""
    whole = trained(SMALL, tmp_path / "whole")
    trained(dataclasses.replace(SMALL, epochs=2), tmp_path / "broken")
    assert (tmp_path / "broken" / "checkpoint.npz").exists()
    resumed = trained(SMALL, tmp_path / "broken")
    for name, array in whole.items():
        np.testing.assert_array_equal(array, resumed[name])


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_rescaling_midway_leaves_f_and_divides_its_gradient(tmp_path, factor):
    part = dataclasses.replace(SMALL, row_norm=1.0, rescale_at=2, rescale_by=factor)
    found = trained(part, tmp_path)
    # Single precision; a division and a multiplication in each of two layers.
    assert found["moved_output"][0] <= 1e-5
    assert found["gradient_fall"][0] == pytest.approx(factor, rel=1e-4)
    alone = trained(dataclasses.replace(part, rescale_by=1.0), tmp_path)
    assert alone["moved_output"] == [0.0]
    np.testing.assert_array_equal(found["train_loss"][:2], alone["train_loss"][:2])
    assert found["train_loss"][2] == pytest.approx(alone["train_loss"][2], rel=1e-5)
    assert found["shortest"][2] == pytest.approx(factor * alone["shortest"][2], rel=1e-5)
    assert found["ratio"][2] == pytest.approx(alone["ratio"][2] / found["ratio_fall"][0], rel=1e-4)
    # In two phases or in one: the same images in the same order.
    once = trained(dataclasses.replace(part, rescale_at=0, rescale_by=1.0), tmp_path / "once")
    np.testing.assert_allclose(alone["train_loss"], once["train_loss"], rtol=1e-6)


def test_rows_set_at_the_start_leave_the_loss(tmp_path):
    losses, lengths = [], (0.3, 1.0, 3.0)
    for length in lengths:
        found = trained(dataclasses.replace(SMALL, row_norm=length, epochs=1), tmp_path / f"{length:g}")
        assert found["shortest"][0] == pytest.approx(length, rel=1e-5)
        losses.append(found["train_loss"][0])
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


@pytest.mark.parametrize(("normalized", "scaling"), list(itertools.product([True, False], Scaling)))
def test_hessians_beside_dense_ones(normalized, scaling):
    design = Design(5, 2, normalized=normalized, scaling=scaling, row_norm=0.8)
    part = CurvaturePart(UNIT, design, 1, samples=2, probes=4, steps=40)
    samples = SOURCE.samples(UNIT)
    found = measure_curvature(part, samples)
    model = build_network(design, 1, 64, dtype=torch.float64)
    x, y = (of[:4].double() for of in samples.train.tensors)
    for place in range(2):
        # Without normalization the literal network takes s W for W, in which second derivatives have other units.
        if normalized:
            expected = spectral_norm(dense_hessian(model, x[place], place))
        else:
            expected = float(torch.linalg.matrix_norm(_output_hessian(model, x[place], place), 2))
        # Lanczos stops at a residual of 2%, and never above the largest.
        assert 0.97 * expected <= found["norms"][place] <= (1 + 1e-4) * expected
        assert found["norms"][place] <= found["hessian_bound"][0]
        assert found["slopes"][place] <= found["slope_bound"][0]
    loss = _hessian_of(model, lambda f: functional.mse_loss(f(x), y))
    expected = float(torch.linalg.matrix_norm(loss, 2))
    assert 0.97 * expected <= found["loss_curvature"][0] <= (1 + 1e-4) * expected
    none = measure_curvature(dataclasses.replace(part, probes=0), samples)
    assert np.isnan(none["loss_curvature"]).all()
    np.testing.assert_array_equal(none["norms"], found["norms"])


def test_norms_too_small_for_single_precision_are_measured():
    """Twelve layers that each divide by ten or more: squares of what they say are below the least float of 32 bits."""
    design = Design(4, 12, normalized=False, scaling=Scaling.WIDTH, row_norm=0.02)
    part = CurvaturePart(UNIT, design, 0, samples=1, probes=2, steps=60)
    assert part.is_double
    assert not dataclasses.replace(part, design=dataclasses.replace(design, scaling=Scaling.ONE)).is_double
    samples = SOURCE.samples(UNIT)
    found = measure_curvature(part, samples)
    model = build_network(design, 0, 64, dtype=torch.float64)
    expected = float(torch.linalg.matrix_norm(_output_hessian(model, samples.train.tensors[0][0].double(), 0), 2))
    assert expected**2 < torch.finfo(torch.float32).tiny
    assert 0.97 * expected <= found["norms"][0] <= (1 + 1e-6) * expected


def _hessian_of(model, value):
    """By torch's own, twice over the parameters; weight normalization in double precision and by two passes back."""
    from wnsense.networks.measuring.surface import measurement_mode

    with measurement_mode(model):
        parameters = [p for p in model.parameters() if p.requires_grad]
        gradient = torch.autograd.grad(value(model), parameters, create_graph=True)
        flat = torch.cat([g.reshape(-1) for g in gradient])
        rows = [torch.autograd.grad(one, parameters, retain_graph=True, materialize_grads=True) for one in flat]
        return torch.stack([torch.cat([part.reshape(-1) for part in row]) for row in rows])


def _output_hessian(model, x, output):
    return _hessian_of(model, lambda f: f(x)[output])


def test_second_differences_are_those_of_the_hessian_where_f_is_smooth():
    part = KinkPart(UNIT, Design(5, 2), 0, 3, (1e-3, 0.1))
    samples = SOURCE.samples(UNIT)
    found = measure_kinks(part, samples)
    model = build_network(part.design, 0, 64, outputs=1, dtype=torch.float64)
    for place, x in enumerate(samples.train.tensors[0][:3].double()):
        W = parameter_matrix(model.layers[0])
        z = model.layers[0](x)
        unit = int(z.abs().argmin())
        (gradient,) = torch.autograd.grad(z[unit], W)
        direction = torch.zeros(sum(p.numel() for p in model.parameters() if p.requires_grad), dtype=torch.float64)
        direction[: W.numel()] = (gradient / gradient.norm()).reshape(-1)
        expected = abs(float(direction @ _output_hessian(model, x, 0) @ direction))
        assert found["differences"][place, 0] == pytest.approx(expected, rel=1e-4, abs=1e-7)
        assert found["gaps"][place] == pytest.approx(float(z[unit].detach().abs() / gradient.norm()))
    assert (found["differences"] <= found["bound"]).all()
    # Rows may be shorter on the way.
    assert found["bound"][1] > found["bound"][0]


def test_second_differences_over_a_kink_go_as_one_over_the_distance():
    part = KinkPart(UNIT, Design(5, 1, activation="relu"), 0, 8, (1e-3, 2e-3, 4e-3))
    found = measure_kinks(part, SOURCE.samples(UNIT))
    assert np.isnan(found["bound"]).all()
    crossed = found["gaps"] < 1e-4
    model = build_network(part.design, 0, 64, outputs=1, dtype=torch.float64)
    samples = SOURCE.samples(dataclasses.replace(UNIT, train=16)).train.tensors[0].double()
    if not crossed.any():
        # None is so near: then those crossed by the middle distance, whose jump in slope is v_i g.
        crossed = found["gaps"] < 1e-3
    for place in np.flatnonzero(crossed):
        x, gap = samples[place], float(found["gaps"][place])
        z = model.layers[0](x)
        unit = int(z.abs().argmin())
        (gradient,) = torch.autograd.grad(z[unit], parameter_matrix(model.layers[0]))
        jump = float((model.output.weight[0, unit] * gradient.norm()).detach().abs())
        for r, difference in zip(part.distances, found["differences"][place], strict=True):
            # Linear but for the kink, up to the curvature of the normalization.
            expected = jump * max(r - gap, 0.0) / r**2
            assert difference == pytest.approx(expected, rel=0.02, abs=2.0)


def test_parts_refuse_what_makes_no_sense():
    plain = Design(4, 1, normalized=False)
    with pytest.raises(InputError, match="weight-normalized network to rescale"):
        dataclasses.replace(SMALL, design=plain, row_norm=1.0)
    with pytest.raises(InputError, match="rescaling before epoch 4"):
        dataclasses.replace(SMALL, rescale_at=4)
    with pytest.raises(InputError, match="one of tanh"):
        Design(4, 1, activation="sine")
    with pytest.raises(InputError, match="at least one image"):
        Sampling(Images.DIGITS, 0, 1)


# ------------------------------------------------------------------------------------------------ specifications


def test_every_study_is_on_the_command_line_and_has_pictures():
    assert len(NAMES) == 6
    for name in NAMES:
        assert study_named(name).on_data is not None
        study = study_named(name).specification
        for scale in Scale:
            keys = [part_key(part, "") for part in study.plan(scale)]
            assert len(set(keys)) == len(keys)
        assert not any(images.needs_folder for images in study.images(Scale.QUICK))
        assert all(images.needs_folder for images in study.images(Scale.PAPER))
        assert study.fingerprint(Scale.PAPER) != study.fingerprint(Scale.QUICK)


def test_the_published_setting_is_that_of_training():
    assert {images for part in TRAINING.paper for images in [part.sampling.images]} == {Images.MNIST, Images.CIFAR}
    for part in TRAINING.paper:
        assert (part.batch, part.learning_rate, part.relative) == (512, 1e-3, False)


def test_curvature_spans_the_widths_and_depths_asked_for():
    designs = [part.design for part in CURVATURE.paper if part.design.normalized]
    assert {1, 16} <= {design.depth for design in designs}
    assert {64, 4096} <= {design.width for design in designs}
    assert {design.scaling for design in designs} == set(Scaling)


def test_a_step_of_the_rates_is_one_of_gradient_descent():
    assert all(part.batch == part.sampling.train == part.probes for part in RATES.paper)


def test_the_key_of_a_part_knows_its_files():
    assert part_key(SMALL, "") == part_key(dataclasses.replace(SMALL), "")
    assert part_key(SMALL, "") != part_key(SMALL, "0a")
    assert part_key(SMALL, "") != part_key(dataclasses.replace(SMALL, seed=1), "")


# ------------------------------------------------------------------------------------------------ data


def made_up_folder(folder: Path, seed: int = 0) -> Path:
    """MNIST's test file and CIFAR-10's batches, of noise."""
    rng = np.random.default_rng(seed)
    mnist, cifar = folder / "mnist", folder / "cifar-10-batches-bin"
    mnist.mkdir(parents=True)
    cifar.mkdir()
    count = 2040
    pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    head = b"".join(number.to_bytes(4, "big") for number in (0x803, count, 28, 28))
    (mnist / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + pixels.tobytes()))
    head = b"".join(number.to_bytes(4, "big") for number in (0x801, count))
    labels = rng.integers(0, 10, count, dtype=np.uint8)
    (mnist / "t10k-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    for name in ("data_batch_1.bin", "test_batch.bin"):
        records = rng.integers(0, 256, (30, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        (cifar / name).write_bytes(records.tobytes())
    return folder


TINY_PARTS = tuple(
    TrainingPart(Sampling(images, 20, 10), Design(4, 1), seed, 1, probes=8)
    for images, seed in itertools.product((Images.MNIST, Images.CIFAR), (0, 1))
)
TINY = dataclasses.replace(
    TRAINING,
    paper=TINY_PARTS,
    quick=tuple(dataclasses.replace(part, sampling=DIGITS) for part in TINY_PARTS[:2]),
)
TINY_STUDY = network_study(TINY, study_named(TRAINING.name).presentation)


def test_images_are_read_from_the_folder_and_told_of_by_name_and_hash(tmp_path):
    folder = made_up_folder(tmp_path / "secret")
    source = ImageSource(folder)
    images = (Images.MNIST, Images.CIFAR)
    source.check(images)
    facts = source.facts(images)
    assert [(of["train"], of["test"]) for of in facts] == [(40, 2000), (30, 30)]
    for of in facts:
        for file in of["files"]:
            [path] = folder.rglob(file["name"])
            assert file["bytes"] == path.stat().st_size
            assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [len(of["files"]) for of in facts] == [2, 2]
    assert "secret" not in repr(facts)
    assert source.digest(Images.MNIST) != source.digest(Images.CIFAR)
    assert source.digest(Images.DIGITS) == ""
    # The folder of one data set does as well.
    assert ImageSource(folder / "mnist").facts((Images.MNIST,)) == facts[:1]


def test_the_split_is_the_same_for_everybody_and_disjoint(tmp_path):
    folder = made_up_folder(tmp_path)
    one, other = (ImageSource(folder).read(Images.MNIST) for _ in range(2))
    assert torch.equal(one[0].pixels, other[0].pixels)
    together = torch.cat([one[0].pixels, one[1].pixels])
    assert len(torch.unique(together, dim=0)) == 2040


@pytest.mark.parametrize(
    ("images", "words"),
    [(Images.MNIST, "t10k-images-idx3-ubyte"), (Images.CIFAR, "data_batch_1.bin")],
)
def test_a_missing_folder_is_told_in_a_line(tmp_path, images, words):
    for source, came in (
        (ImageSource(None), "got none"),
        (ImageSource(tmp_path), "none of these"),
        (ImageSource(tmp_path / "x"), "no such"),
    ):
        with pytest.raises(InputError) as raised:
            source.check((images,))
        text = str(raised.value)
        assert words in text
        assert came in text
        assert "--data DIR" in text
        assert "\n" not in text


def test_too_few_images_are_told(tmp_path):
    source = ImageSource(made_up_folder(tmp_path))
    with pytest.raises(InputError, match=r"41 images of MNIST's test file to train on, got 40"):
        source.samples(Sampling(Images.MNIST, 41, 10))


# ------------------------------------------------------------------------------------------------ running


def test_an_interrupted_study_goes_on_and_repeats_nothing(tmp_path):
    whole = TINY_STUDY.run(tmp_path / "whole", Scale.QUICK)
    store = Store(tmp_path / "broken", TINY, Scale.QUICK)

    def interrupt(words: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TINY_STUDY.run(store.directory, Scale.QUICK, interrupt)
    assert store.has_begun
    assert store.finished() is None
    [kept] = store.parts.glob("*.npz")
    before = kept.stat().st_mtime_ns
    resumed = TINY_STUDY.run(store.directory, Scale.QUICK)
    assert kept.stat().st_mtime_ns == before
    assert resumed.header == whole.header
    for name, array in whole.arrays.items():
        if name not in {"spent_seconds", "peak_memory"}:
            np.testing.assert_array_equal(array, resumed.arrays[name])


def test_the_command_runs_on_a_folder_and_says_what_it_read(tmp_path, wnsense, monkeypatch):
    monkeypatch.setattr("wnsense.cli.study.study_named", lambda _: TINY_STUDY)
    folder, out = made_up_folder(tmp_path / "secret"), tmp_path / "out"
    words = ["study", "run", TINY.name, "--scale", "paper", "--out", out]
    assert_refused(wnsense(*words), "t10k-images-idx3-ubyte", "--data DIR")
    assert not out.exists() or not any(out.glob("*.npz"))
    ended = wnsense(*words, "--data", folder)
    assert ended.code == 0
    table = read_table(out / f"{TINY.name}_paper.npz")
    assert table.header["data"] == ImageSource(folder).facts(TINY.images(Scale.PAPER))
    assert "secret" not in repr(table.header)
    digest = table.header["data"][0]["files"][0]["sha256"]
    assert digest[:16] in ended.out
    # What is there needs no data; other data are noticed.
    assert wnsense(*words).code == 0
    other = made_up_folder(tmp_path / "other", seed=1)
    assert_refused(wnsense(*words, "--data", other), "one of other files")


def test_the_command_to_go_on_names_the_folder():
    from wnsense.cli.commands.choices import StudyScale
    from wnsense.cli.commands.study import StudyRunOptions

    options = StudyRunOptions("networks-rates", StudyScale.PAPER, Path("out"), False, Path("images"))
    assert "--data=images" in options.words()


def test_data_are_refused_where_nothing_needs_them(tmp_path, wnsense):
    ended = wnsense("study", "run", "figure-2a", "--out", tmp_path, "--data", tmp_path)
    assert_refused(ended, "needed no data for figure-2a")


# ------------------------------------------------------------------------------------------------ tables, pictures


def test_tables_are_small_and_say_what_they_are_of(quick):
    for name, table in quick.items():
        assert table.header["form"] == name
        assert sum(array.nbytes for array in table.arrays.values()) < 1_000_000
        assert [of["images"] for of in table.header["data"]] == ["scikit-learn's digits"]
        assert len(table.header["parts"]) == len(study_named(name).specification.quick)


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_has_named_axes_and_every_caption_its_verdicts(quick, name):
    table = quick[name]
    drawn = pictures(table)
    assert "" in drawn
    for figure in drawn.values():
        for axes in figure.axes:
            assert axes.lines or axes.containers
            assert all(np.isfinite(axes.get_ylim()))
        assert any(axes.get_xlabel() for axes in figure.axes)
        assert any(axes.get_ylabel() for axes in figure.axes)
    text = caption(table)
    found = findings(table)
    assert all(finding.text in text for finding in found)
    assert any(finding.holds is not None for finding in found)
    assert "scikit-learn's digits: 1,297 to train on and 500 to test on at most" in text


@pytest.mark.parametrize("name", NAMES)
def test_tables_of_something_else_are_refused(quick, name):
    presentation = study_named(name).presentation
    with pytest.raises(InputError, match="study of deep networks"):
        presentation.findings(Table({"name": name}, {}))
    with pytest.raises(InputError, match="run the study again"):
        presentation.findings(Table(quick[name].header, {}))


def test_intervals_are_student_s():
    mean, half = mean_interval(np.array([[1.0], [2.0], [3.0]]))
    assert mean[0] == 2.0
    assert half[0] == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert math.isinf(mean_interval(np.ones((1, 1)))[1][0])


def test_short_and_long_rows_are_held_against_the_bound_in_their_own_direction():
    assert is_within_row_bound(Exponent(-1.5, -1.6, -1.4), SHORT)
    assert not is_within_row_bound(Exponent(-2.5, -2.6, -2.4), SHORT)
    assert is_within_row_bound(Exponent(-1.5, -1.6, -1.4), LONG)
    assert not is_within_row_bound(Exponent(-0.5, -0.6, -0.4), LONG)


def test_seeds_of_one_network_are_gathered(quick):
    runs = runs_of(quick["networks-training"], TrainingPart, "ratio")
    assert {(run.width, run.kind.normalized) for run in runs} == set(itertools.product((8, 16, 32), (True, False)))
    assert all(run.stack("train_loss").shape == (2, 5) for run in runs)
    assert all(steps_per_epoch(run) == 4 for run in runs)


# ------------------------------------------------------------------------------------------------ verdicts


def test_a_loss_that_rises_and_rows_that_shrink_are_noticed(quick):
    table = quick["networks-training"]

    def rises(facts, arrays):
        arrays["train_loss"][2] = 2 * arrays["train_loss"][1]

    def shrinks(facts, arrays):
        arrays["shortest"][2] = (1 - 1e-4) * arrays["shortest"][1]

    assert told(findings(table), "it rises in 0 of").holds
    assert told(findings(doctored(table, "TrainingPart", rises)), "it rises in").holds is False
    assert told(findings(table), "never falls").holds
    assert told(findings(doctored(table, "TrainingPart", shrinks)), "never falls").holds is False


def test_alpha_s_verdicts_follow_its_numbers(quick):
    table = quick["networks-training"]

    def positive(facts, arrays):
        arrays["convexity_estimate"][:] = 1.0
        arrays["convexity_here"][:] = arrays["convexity_away"][:] = 2.0

    def violated(facts, arrays):
        arrays["convexity_estimate"][:] = 1.0
        arrays["convexity_here"][:] = 0.5

    def wide(facts, arrays):
        arrays["gradient_to_loss"][:] = facts["design"]["width"] ** 2.0
        arrays["output_curvature"][:] = arrays["output_slope"][:] = arrays["loss"][:] = 1.0

    assert told(findings(table), "is above 0 in").holds is False
    found = findings(doctored(table, "TrainingPart", positive))
    assert told(found, "is above 0 in").holds
    assert told(found, "that was probed in").holds
    found = findings(doctored(table, "TrainingPart", violated))
    assert told(found, "that was probed in").holds is False
    found = told(findings(doctored(table, "TrainingPart", wide)), "the term that raises alpha over")
    assert found.holds
    assert "width^2.00" in found.text


def test_powers_of_curvature_are_read_off_and_held_against_published_ones(quick):
    table = quick["networks-curvature"]

    def by(width: float, depth: float) -> Change:
        def change(facts, arrays):
            design = facts["design"]
            value = design["width"] ** width * design["depth"] ** depth / design["row_norm"] ** 1.5
            arrays["norms"][:] = value
            arrays["hessian_bound"][:] = 1e12

        return change

    gentle = findings(doctored(table, "CurvaturePart", by(-0.7, 1.0)))
    steep = findings(doctored(table, "CurvaturePart", by(-0.2, 4.0)))
    words = "with WN, s = 1/sqrt(m): ||grad^2 f|| goes as "
    assert told(gentle, f"{words}width^-0.70").holds
    assert told(gentle, f"{words}depth^1.00").holds
    assert told(steep, f"{words}width^-0.20").holds is False
    assert told(steep, f"{words}depth^4.00").holds is False
    # Theory has its law of the width for the other scaling.
    assert told(steep, "with WN, s = 1: ||grad^2 f|| goes as width^-0.20").holds is None
    assert all(finding.holds is None for finding in gentle if finding.text.startswith("without"))
    assert told(gentle, "with WN, s = 1/sqrt(m): from 2 to 4 layers").holds
    assert told(steep, "with WN, s = 1/sqrt(m): from 2 to 4 layers").holds is False
    assert told(gentle, "s = 1/sqrt(m): ||grad^2 f|| goes for rows", "length^-1.50").holds


def test_a_bound_that_is_broken_once_is_noticed(quick):
    table = quick["networks-curvature"]
    assert told(findings(table), "the bounds derived").holds

    def broken(facts, arrays):
        arrays["hessian_bound"][:] = 0.9 * arrays["norms"].max()

    assert told(findings(doctored(table, "CurvaturePart", broken)), "the bounds").holds is False


def test_gaps_that_grow_with_the_width_are_told_from_those_that_do_not(quick):
    table = quick["networks-generalization"]

    def gaps(law: Callable[[int, int], float]) -> Change:
        def change(facts, arrays):
            design = facts["design"]
            arrays["train_loss"][:] = np.geomspace(1.0, 0.1, len(arrays["train_loss"]))
            arrays["test_loss"][:] = arrays["train_loss"] + law(design["width"], facts["seed"])

        return change

    flat = findings(doctored(table, "TrainingPart", gaps(lambda m, seed: 0.05)))
    grown = findings(doctored(table, "TrainingPart", gaps(lambda m, seed: 0.01 * m)))
    unsure = findings(doctored(table, "TrainingPart", gaps(lambda m, seed: 0.05 + (2 * seed - 1) * 1e-3 * m)))
    for kind in ("with WN, s = 1, by width", "with WN, s = 1/sqrt(m), by width: the gap"):
        assert told(flat, kind).holds
        assert told(grown, kind).holds is False
        assert told(unsure, kind).holds is None


def test_a_gap_above_its_bound_is_noticed_and_the_bound_is_the_library_s(quick):
    table = quick["networks-generalization"]
    [*found] = findings(table)
    assert told(found, "by width: the bound on the gap").holds

    def large(facts, arrays):
        arrays["test_loss"][-1] = 1e9

    found = findings(doctored(table, "TrainingPart", large))
    assert told(found, "by width: the bound on the gap").holds is False
    run = next(of for of in runs_of(table, TrainingPart, "rademacher") if of.kind == NetworkKind(True, Scaling.WIDTH))
    bound = gap_bound(run)[0]
    most = run.last("largest_output")[0] + 1
    expected = generalization_bound(run.last("rademacher")[0], samples=256, loss_lipschitz=2 * most, loss_range=most**2)
    assert bound == pytest.approx(expected)


def test_a_seed_that_diverged_takes_its_network_out_of_the_sweep(quick):
    table = quick["networks-generalization"]

    def diverged(facts, arrays):
        design = facts["design"]
        if (design["width"], design["depth"], facts["seed"]) == (8, 2, 1):
            arrays["train_loss"][-1] = math.nan

    broken = doctored(table, "TrainingPart", diverged)
    for sweep in read_sweeps(broken):
        assert sweep.diverged == ([8] if sweep.variable == "width" else [])
    # Of three widths two are left, which tell no trend; the bound at the start is still there.
    found = findings(broken)
    assert told(found, "with WN, s = 1, by width: seeds diverged at 8").holds is None
    assert told(found, "with WN, s = 1/sqrt(m): the bound on the Rademacher").holds
    assert pictures(broken)
    sweeps = {(of.variable, of.kind): of for of in read_sweeps(table)}
    kinds = [NetworkKind(True, Scaling.ONE), NetworkKind(False, Scaling.ONE), NetworkKind(True, Scaling.WIDTH)]
    assert set(sweeps) == set(itertools.product(("width", "depth"), kinds))
    assert all(of.places.tolist() == [8, 16, 32] for (variable, _), of in sweeps.items() if variable == "width")


def test_the_exponential_in_depth_is_read_off_the_bounds(quick):
    table = quick["networks-generalization"]

    def by_layer(wn: float, plain: float) -> Change:
        def change(facts, arrays):
            design = facts["design"]
            is_ours = design["normalized"] and design["scaling"] == "1/sqrt(m)"
            arrays["rademacher"][:] = (wn if is_ours else plain) ** design["depth"]

        return change

    good = findings(doctored(table, "TrainingPart", by_layer(1.2, 4.0)))
    assert told(good, "a further layer").holds
    assert "1.2 (with WN, s = 1/sqrt(m))" in told(good, "a further layer").text
    for wn, plain in ((2.0, 4.0), (1.2, 1.3)):
        found = findings(doctored(table, "TrainingPart", by_layer(wn, plain)))
        assert told(found, "a further layer").holds is False


def test_symmetries_that_are_broken_are_noticed(quick):
    table = quick["networks-minimum-norm"]

    def moved(facts, arrays):
        if facts["rescale_at"]:
            arrays["moved_output"][:] = 1e-3
        elif facts["row_norm"] == 2.0:
            arrays["train_loss"][0] *= 1.01

    def undivided(facts, arrays):
        if facts["rescale_at"]:
            arrays["gradient_fall"][:] = 1.0

    words = ("rows times 3 midway", "leave f alone")
    for word in words:
        assert told(findings(table), word).holds
        found = findings(doctored(table, "TrainingPart", moved))
        assert told(found, word).holds is False
    found = findings(doctored(table, "TrainingPart", undivided))
    assert told(found, words[0]).holds is False


def test_row_lengths_help_only_where_their_numbers_say_so(quick):
    table = quick["networks-minimum-norm"]

    def power(curvature: float, ratio: float) -> Change:
        def change(facts, arrays):
            length = facts["row_norm"]
            arrays["output_curvature"][:] = length**curvature
            arrays["gradient_to_loss"][:] = length**ratio
            arrays["output_slope"][:] = arrays["loss"][:] = 1.0

        return change

    good = findings(doctored(table, "TrainingPart", power(-1.5, -0.5)))
    assert told(good, "the term that raises alpha over").holds
    assert "length^1.00" in told(good, "the term that raises alpha over").text
    assert told(good, "for rows up to 1").holds
    assert told(good, "for rows from 1 on").holds
    bad = findings(doctored(table, "TrainingPart", power(-3.0, -4.0)))
    assert told(bad, "the term that raises alpha over").holds is False
    assert told(bad, "for rows up to 1").holds is False
    slow = findings(doctored(table, "TrainingPart", power(-0.5, 0.0)))
    assert told(slow, "for rows from 1 on").holds is False


def test_slopes_and_second_differences_beyond_their_bounds_are_noticed(quick):
    table = quick["networks-activations"]
    found = findings(table)
    assert told(found, "tanh: ||grad f||").holds
    assert told(found, "GELU: second differences").holds
    # Of kinks nothing is promised.
    assert all(of.holds is None for of in found if "theory for smooth activations does not treat" in of.text)
    assert len([of for of in found if "theory for smooth activations does not treat" in of.text]) == 2

    def steep(facts, arrays):
        arrays["output_slope"][-1] = 1.1 * arrays["slope_bound"][-1]

    def curved(facts, arrays):
        arrays["differences"][:, 0] = 1.1 * arrays["bound"][0]

    assert told(findings(doctored(table, "TrainingPart", steep)), "tanh: ||grad").holds is False
    smooth_only = {"tanh", "gelu"}

    def curved_smooth(facts, arrays):
        if facts["design"]["activation"] in smooth_only:
            curved(facts, arrays)

    found = findings(doctored(table, "KinkPart", curved_smooth))
    assert told(found, "GELU: second differences").holds is False


def test_a_kink_s_differences_grow_as_the_distance_falls(quick):
    kinks = {of.activation: of for of in runs_of(quick["networks-activations"], KinkPart, "differences")}
    r = distances(kinks["relu"])
    ends = [int(np.argmin(abs(r - place))) for place in (3e-3, 3e-2)]
    for name, slope in (("relu", -1.0), ("tanh", 0.0), ("gelu", 0.0)):
        seen = largest_difference(kinks[name])[ends]
        assert math.log10(seen[1] / seen[0]) == pytest.approx(slope, abs=0.25)


def test_steps_that_do_not_keep_the_promise_are_noticed(quick):
    table = quick["networks-rates"]
    found = findings(table)
    assert told(found, "with WN, s = 1: at rates below").holds
    assert told(found, "with WN, s = 1: a step lowers").holds

    def late(facts, arrays):
        if facts["learning_rate"] == 1.0:
            arrays["train_loss"][1] = 1.001 * arrays["train_loss"][0]

    def slow(facts, arrays):
        arrays["train_loss"][:] = arrays["train_loss"][0] * (1 - 1e-3) ** np.arange(len(arrays["train_loss"]))

    found = findings(doctored(table, "TrainingPart", late))
    assert told(found, "with WN, s = 1: at rates below").holds is False
    found = findings(doctored(table, "TrainingPart", slow))
    assert told(found, "with WN, s = 1: at rates below").holds
    assert told(found, "with WN, s = 1: a step lowers").holds is False


# ------------------------------------------------------------------------------------------------ the demo


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> tuple[Table, str]:
    """The demo's table and page, of one epoch on few digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        patch.setattr(demo, "_EPOCHS", 1)
        patch.setattr(demo, "_WIDTH", 16)
        folder = tmp_path_factory.mktemp("demo")
        assert demonstrating_networks.demo_networks(DemoOptions(folder, 0)) == 0
        return read_table(folder / "networks-demo.npz"), (folder / "networks-demo.html").read_text()


def test_the_demo_learns_and_its_page_stands_alone(shown):
    table, page = shown
    assert table.arrays["wn_train_loss"][-1] < table.arrays["wn_train_loss"][0]
    assert table.arrays["wn_test_accuracy"][-1] > 0.2
    # Pictures name their parts by chance.
    assert _without_pictures(page) == _without_pictures(networks_page(table))
    assert "<script" not in page
    assert 'src="http' not in page
    assert page.count("<img") == 3
    assert page.count('alt=""') == 0
    accuracy = 100 * table.arrays["wn_test_accuracy"][-1]
    assert f"{accuracy:.1f} % of 1,000 new digits are right" in page


def _without_pictures(page: str) -> str:
    return re.sub(r'base64,[^"]*"', '"', page)


def test_the_demo_s_symmetry_is_exact_and_its_answers_are_shown(shown):
    table, _ = shown
    assert table.arrays["moved_output"][0] <= 1e-5
    before, after = table.arrays["rescaled_curvature"]
    assert after < before
    right = table.arrays["shown_labels"] == table.arrays["shown_answers"]
    assert 0 < right.sum() < len(right)


@pytest.mark.slow
def test_the_demo_s_program_runs(tmp_path, capsys):
    """As printed, with fewer epochs."""
    program = demo.PROGRAM.replace("epochs=10", "epochs=1").replace("width=128", "width=8")
    (tmp_path / "program.py").write_text(program)
    runpy.run_path(str(tmp_path / "program.py"))
    assert "weight-normalized layers" in capsys.readouterr().out


def test_nobody_s_browser_is_opened_without_a_terminal_and_a_screen(monkeypatch):
    class Out:
        def __init__(self, is_terminal: bool) -> None:
            self.is_terminal = is_terminal

        def isatty(self) -> bool:
            return self.is_terminal

    monkeypatch.setattr("sys.platform", "linux")
    for is_terminal, display, expected in ((False, ":0", False), (True, "", False), (True, ":0", True)):
        monkeypatch.setattr("sys.stdout", Out(is_terminal))
        monkeypatch.setenv("DISPLAY", display)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert demonstrating_networks.has_screen() is expected


def test_measure_part_knows_every_kind(tmp_path):
    parts = (
        dataclasses.replace(SMALL, epochs=1),
        CurvaturePart(UNIT, Design(4, 1), 0, probes=4),
        KinkPart(UNIT, Design(4, 1), 0, 2, (0.1,)),
    )
    for part, name in zip(parts, ("ratio", "norms", "differences"), strict=True):
        assert name in measure_part(part, SOURCE, tmp_path / "checkpoint.npz")
        (tmp_path / "checkpoint.npz").unlink(missing_ok=True)
