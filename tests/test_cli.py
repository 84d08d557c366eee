"""The command line: what it writes, what it says, and how it ends."""

import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cases.commands import Outcome, assert_refused
from wnsense.cli import demo as demonstrating
from wnsense.files.problem_file import read_problem
from wnsense.files.tables import Table
from wnsense.lab.demos.covariance.covariance_demo import run_demo
from wnsense.running import progress_display
from wnsense.running.progress import ProgressCallback
from wnsense.running.stop import Progress
from wnsense.sensing.ensembles.dense import DenseSensing
from wnsense.sensing.kinds import Kind
from wnsense.solvers.catalogue import SOLVERS

SIZE, RANK, COUNT = 20, 2, 400

# Whatever moves a cursor or colours text; a line's end is none of it.
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x9b]")


@pytest.fixture(scope="session")
def arrays() -> dict[str, np.ndarray]:
    """A sound problem, as the arrays of a file."""
    rng = np.random.default_rng(0)
    F = rng.standard_normal((SIZE, RANK))
    matrices = rng.standard_normal((COUNT, SIZE, SIZE))
    matrices = (matrices + matrices.transpose(0, 2, 1)) / 2
    return {"y": np.einsum("nij,ik,jk->n", matrices, F, F), "matrices": matrices, "truth_factor": F}


@pytest.fixture
def problem(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    path = tmp_path / "problem.npz"
    np.savez(path, **arrays)
    return path


def facts(directory: Path) -> dict[str, object]:
    found = json.loads((directory / "result.json").read_text())
    assert isinstance(found, dict)
    return found


# -- what recover writes -----------------------------------------------------------------------------------------------


def test_recover_writes_the_matrix_its_facts_and_a_page(wnsense, problem, arrays, tmp_path):
    out = tmp_path / "a" / "result"
    outcome = wnsense("recover", problem, "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "result.json", "result.npz"]
    A = arrays["truth_factor"] @ arrays["truth_factor"].T
    with np.load(out / "result.npz", allow_pickle=False) as result:
        Z = result["X"] @ result["Theta"] @ result["X"].T
        assert result["eigenvalues"].shape == (RANK,)
        assert {"trace_applications", "trace_residual"} <= set(result.files)
        assert len(result["trace_applications"]) == len(result["trace_residual"]) > 1
        np.testing.assert_allclose(result["eigenvalues"], np.linalg.eigvalsh(A)[::-1][:RANK], rtol=1e-8)
    assert np.linalg.norm(Z - A) <= 1e-8 * np.linalg.norm(A)


def test_facts_have_the_promised_keys_and_types(wnsense, problem, tmp_path):
    assert wnsense("recover", problem, "--out", tmp_path / "r", "--seed", "7").code == 0
    found = facts(tmp_path / "r")
    whole = {"rank": RANK, "size": SIZE, "measurements": COUNT, "seed": 7}
    assert {name: found[name] for name in whole} == whole
    assert all(type(found[name]) is int for name in (*whole, "steps", "applications"))
    assert (found["status"], found["solver"], found["warnings"]) == ("converged", "conjugate-wn", [])
    for name in ("seconds", "relative_residual", "holdout_residual", "relative_error"):
        assert type(found[name]) is float
    assert found["relative_residual"] <= 1e-10
    assert found["holdout_residual"] <= 1e-10
    assert found["relative_error"] <= 1e-8


def test_what_is_not_known_is_null(wnsense, tmp_path, arrays):
    np.savez(tmp_path / "p.npz", y=arrays["y"], matrices=arrays["matrices"])
    assert wnsense("recover", tmp_path / "p.npz", "--out", tmp_path / "r", "--holdout", "0").code in {0, 3}
    found = facts(tmp_path / "r")
    assert found["relative_error"] is None
    assert found["holdout_residual"] is None


def test_summary_is_for_a_person_and_quiet_is_quiet(wnsense, problem, tmp_path):
    said = wnsense("recover", problem)
    assert (said.code, said.err) == (0, "")
    assert "converged" in said.out
    assert f"rank {RANK}" in said.out
    assert not CONTROL.search(said.out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["problem.npz"]
    assert wnsense("recover", problem, "--out", tmp_path / "r", "--quiet") == Outcome(0, "", "")
    assert facts(tmp_path / "r")["status"] == "converged"


@pytest.mark.parametrize("wrong", [0, 1, 20])
@pytest.mark.fast("1", "20")
def test_gross_errors_are_left_out_and_listed(wnsense, arrays, tmp_path, wrong):
    rows = np.arange(3, COUNT, 19)[:wrong]
    y = arrays["y"].copy()
    y[rows] += 100.0
    weights = np.ones(COUNT)
    # What has no weight is no outlier, whatever it holds.
    weights[10], y[10] = 0.0, 1e6
    np.savez(tmp_path / "p.npz", **(arrays | {"y": y, "weights": weights}))
    outcome = wnsense("recover", tmp_path / "p.npz", "--robust", "--out", tmp_path / "r")
    assert outcome.code == 0
    assert [int(line) for line in (tmp_path / "r" / "outliers.txt").read_text().splitlines()] == list(rows)
    found = facts(tmp_path / "r")
    assert found["rank"] == RANK
    assert found["relative_error"] < 1e-8
    told = {0: "all measurements agree", 1: "1 measurement does not agree", 20: "20 measurements do not agree"}[wrong]
    assert told in found["warnings"][-1]
    assert "outliers.txt" in outcome.out


def test_warnings_of_reading_reach_summary_and_facts(wnsense, tmp_path, arrays):
    upper = np.triu(np.ones((SIZE, SIZE)), 1)
    np.savez(tmp_path / "p.npz", y=arrays["y"], matrices=arrays["matrices"] + upper - upper.T)
    outcome = wnsense("recover", tmp_path / "p.npz", "--out", tmp_path / "r")
    assert outcome.code == 0
    [warning] = facts(tmp_path / "r")["warnings"]
    assert "symmetric part" in warning
    assert warning in outcome.out


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["conjugate-wn", "preconditioned-wn", "wn", "gd"])
@pytest.mark.fast("conjugate-wn", "preconditioned-wn")
def test_solver_is_chosen_by_name(wnsense, problem, tmp_path, solver):
    wnsense("recover", problem, "--out", tmp_path, "--solver", solver, "--max-applications", "300")
    assert facts(tmp_path)["solver"] == solver


def test_help_names_every_solver(wnsense):
    outcome = wnsense("recover", "--help")
    assert outcome.code == 0
    assert all(name in outcome.out for name in SOLVERS)


def test_rank_bounds_what_is_returned(wnsense, problem, tmp_path):
    assert wnsense("recover", problem, "--out", tmp_path / "exact", "--rank", str(RANK)).code == 0
    assert facts(tmp_path / "exact")["rank"] == RANK
    wnsense("recover", problem, "--out", tmp_path / "less", "--rank", str(RANK - 1))
    assert facts(tmp_path / "less")["rank"] == RANK - 1
    assert facts(tmp_path / "less")["status"] != "converged"


def test_noise_level_of_the_command_line_replaces_that_of_the_file(wnsense, tmp_path, arrays):
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(COUNT) * np.sqrt(np.mean(arrays["y"] ** 2))
    path = tmp_path / "p.npz"
    np.savez(path, **(arrays | {"y": arrays["y"] + 0.02 * noise, "noise_level": np.array(1e-6)}))
    assert wnsense("recover", path, "--out", tmp_path / "file").code == 3
    assert wnsense("recover", path, "--out", tmp_path / "said", "--noise-level", "0.02").code == 0
    assert facts(tmp_path / "said")["status"] == "reached_noise_floor"


def test_single_precision_converges_to_what_it_can(wnsense, problem, tmp_path):
    assert wnsense("recover", problem, "--out", tmp_path, "--dtype", "float32").code == 0
    with np.load(tmp_path / "result.npz") as result:
        assert result["X"].dtype == np.float32
    assert facts(tmp_path)["relative_error"] <= 1e-4


def test_nothing_converges_to_a_tolerance_of_zero(wnsense, problem, tmp_path):
    wnsense("recover", problem, "--out", tmp_path, "--tolerance", "0")
    assert facts(tmp_path)["status"] != "converged"


@pytest.mark.parametrize("budget", [("--max-applications", "20"), ("--max-seconds", "0")])
def test_spent_budget_is_told_and_its_results_are_written(wnsense, problem, tmp_path, budget):
    outcome = wnsense("recover", problem, "--out", tmp_path / "r", *budget)
    assert (outcome.code, outcome.err) == (3, "")
    assert "--resume" in outcome.out
    assert facts(tmp_path / "r")["status"] == "out_of_budget"
    assert (tmp_path / "r" / "result.npz").exists()
    assert (tmp_path / "r" / "report.html").exists()


def test_too_few_measurements_end_with_results_and_their_own_code(wnsense, tmp_path):
    path = tmp_path / "p.npz"
    assert wnsense("simulate", "--out", path, "--size", "20", "--rank", "3", "--measurements", "30").code == 0
    assert wnsense("recover", path, "--out", tmp_path / "r").code == 3
    assert facts(tmp_path / "r")["status"] == "too_few_measurements"


# -- bad input ---------------------------------------------------------------------------------------------------------


def _with_nan(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    y = arrays["y"].copy()
    y[[3, 5]] = np.nan, np.inf
    return arrays | {"y": y}


BAD_FILES: dict[str, tuple[Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], list[str]]] = {
    "pickled": (lambda a: a | {"y": np.array([None] * COUNT)}, ["pickled"]),
    "no operator": (lambda a: {"y": a["y"]}, ["matrices", "svec", "vectors"]),
    "two operators": (lambda a: a | {"vectors": a["matrices"][:, 0]}, ["matrices", "vectors"]),
    "no y": (lambda a: {"matrices": a["matrices"]}, ["y"]),
    "mismatched n": (lambda a: a | {"y": a["y"][:-1]}, [str(COUNT), str(COUNT - 1)]),
    "not square": (lambda a: a | {"matrices": a["matrices"][:, :, 1:]}, [f"{SIZE} x {SIZE - 1}"]),
    "not finite": (_with_nan, ["2 of 400", "(3)"]),
    "complex": (lambda a: a | {"y": a["y"] * 1j}, ["complex"]),
    "integer": (lambda a: a | {"y": np.arange(COUNT)}, ["int64"]),
    "none": (lambda a: {"y": a["y"][:0], "matrices": a["matrices"][:0]}, ["none"]),
    "zero": (lambda a: a | {"y": 0 * a["y"]}, ["zero"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", ["recover", "check"])
def test_bad_file_is_refused_in_one_line(wnsense, tmp_path, arrays, name, command):
    change, words = BAD_FILES[name]
    path = tmp_path / "problem.npz"
    np.savez(path, **change(arrays))
    out = ["--out", tmp_path / "r"] if command == "recover" else []
    assert_refused(wnsense(command, path, *out), *words)
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_are_none_are_refused_in_one_line(wnsense, tmp_path, problem):
    out = tmp_path / "r"
    assert_refused(wnsense("recover", tmp_path / "missing.npz", "--out", out), "missing.npz")
    whole = problem.read_bytes()
    problem.write_bytes(whole[: len(whole) // 2])
    assert_refused(wnsense("recover", problem, "--out", out), "cut short")
    problem.write_bytes(b"not an archive")
    assert_refused(wnsense("recover", problem, "--out", out), "archive")
    (tmp_path / "folder.npz").mkdir()
    assert_refused(wnsense("recover", tmp_path / "folder.npz", "--out", out), "folder.npz")
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rank", "0"], ["between 1 and 20", "got 0"]),
        (["--rank", str(SIZE + 1)], ["between 1 and 20", "got 21"]),
        (["--rank", "two"], ["--rank"]),
        (["--holdout", "1"], ["hold-out", "1.0"]),
        (["--holdout", "nan"], ["hold-out", "nan"]),
        (["--tolerance", "-1"], ["--tolerance", "-1"]),
        (["--noise-level", "nan"], ["--noise-level", "nan"]),
        (["--max-applications", "0"], ["--max-applications", "0"]),
        (["--max-seconds", "-1"], ["--max-seconds", "-1"]),
        (["--seed", "-1"], ["--seed", "-1"]),
        (["--solver", "newton"], ["newton", "preconditioned-wn"]),
        (["--dtype", "int8"], ["int8", "float64"]),
        (["--device", "abacus"], ["abacus", "cpu"]),
        (["--device", "meta"], ["meta", "cpu"]),
        (["--resume"], ["checkpoint"]),
        (["--robust", "--noise-level", "0.1"], ["--robust without --noise-level"]),
        (["--robust", "--holdout", "0.2"], ["--robust without --holdout"]),
        (["--robust", "--solver", "wn"], ["--robust without --solver"]),
        (["--robust", "--resume"], ["--robust without --resume"]),
        (["--bogus"], ["--bogus"]),
        (["surplus"], ["surplus"]),
    ],
    ids=" ".join,
)
def test_bad_option_is_refused_in_one_line(wnsense, problem, tmp_path, options, words):
    assert_refused(wnsense("recover", problem, "--out", tmp_path / "r", *options), *words)
    assert list(tmp_path.iterdir()) == [problem]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_refused_in_one_line(wnsense, problem):
    assert_refused(wnsense("recover", problem, "--device", "cuda"), "CUDA")


@pytest.mark.parametrize("name", ["cuda:1", "cuda:2"])
def test_a_gpu_beyond_the_last_is_refused_in_one_line(wnsense, problem, monkeypatch, name):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    needed = f"needed one of 1 GPUs, counted from 0, got '{name}'"
    assert_refused(wnsense("recover", problem, "--device", name), needed)


def test_gradient_descent_refuses_an_indefinite_unknown(wnsense, tmp_path):
    path = tmp_path / "p.npz"
    assert wnsense("simulate", "--out", path, "--size", "20", "--rank", "2", "--kind", "symmetric").code == 0
    assert_refused(wnsense("recover", path, "--solver", "gd", "--out", tmp_path / "r"), "symmetric")
    assert not (tmp_path / "r").exists()


def test_directory_that_cannot_be_written_is_refused_before_anything_is_read(wnsense, tmp_path):
    obstacle = tmp_path / "obstacle"
    obstacle.write_text("a file")
    missing = tmp_path / "missing.npz"
    assert_refused(wnsense("recover", missing, "--out", obstacle), "obstacle")
    assert_refused(wnsense("recover", missing, "--out", obstacle / "below"), "obstacle")
    (tmp_path / "r" / "result.npz").mkdir(parents=True)
    assert_refused(wnsense("recover", missing, "--out", tmp_path / "r"), "result.npz")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_directory_is_refused(wnsense, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert_refused(wnsense("recover", tmp_path / "missing.npz", "--out", tmp_path / "locked"), "locked")


def test_usage_errors_take_one_line(wnsense):
    assert_refused(wnsense("recover"), "PROBLEM", "wnsense recover --help")
    assert_refused(wnsense("recovr"), "recovr", "wnsense --help")
    assert wnsense().code == 2


def test_version_is_that_of_the_package(wnsense):
    outcome = wnsense("--version")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.fullmatch(r"wnsense \d+\.\d+\.\d+\S*\n", outcome.out)


# -- simulate ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
@pytest.mark.parametrize("kind", ["psd", "symmetric"])
@pytest.mark.parametrize("ensemble", ["gaussian", "rank-one", "paired"])
def test_simulated_file_holds_what_was_asked_for(wnsense, tmp_path, ensemble, kind, suffix):
    path = tmp_path / f"p{suffix}"
    options = ["--size=8", "--rank=2", "--condition=4", "--measurements=50", "--noise=0.1", "--seed=3"]
    outcome = wnsense("simulate", "--out", path, "--ensemble", ensemble, "--kind", kind, *options)
    assert (outcome.code, outcome.err) == (0, "")
    problem = read_problem(path).problem
    assert problem.operator.kind is Kind(kind)
    assert (problem.operator.shape, problem.operator.count) == ((8, 8), 50)
    values = problem.truth.eigenvalues()
    assert np.sort(np.abs(values.numpy()))[-2:] == pytest.approx([0.25, 1.0])
    assert bool((values < -0.1).any()) == (kind == "symmetric")
    assert problem.noise_level == pytest.approx(0.1 / np.sqrt(1.01))
    missed = torch.linalg.vector_norm(problem.operator.measure(problem.truth) - problem.measurements)
    # The noise drawn has this level up to a deviation of 1 / sqrt(2 n), a tenth.
    assert float(missed / torch.linalg.vector_norm(problem.measurements)) == pytest.approx(0.1, rel=0.4)


def test_simulated_file_is_what_recover_takes(wnsense, tmp_path):
    path = tmp_path / "p.mat"
    assert wnsense("simulate", "--out", path, "--size", "20", "--rank", "2", "--ensemble", "paired").code == 0
    assert wnsense("recover", path, "--out", tmp_path / "r").code == 0
    assert facts(tmp_path / "r")["relative_error"] <= 1e-8


def test_simulation_depends_on_its_seed_alone(wnsense, tmp_path):
    def drawn(name: str, seed: str) -> np.ndarray:
        assert wnsense("simulate", "--out", tmp_path / name, "--size", "6", "--rank", "1", "--seed", seed).code == 0
        with np.load(tmp_path / name) as file:
            return file["y"]

    np.testing.assert_array_equal(drawn("a.npz", "1"), drawn("b.npz", "1"))
    assert not np.array_equal(drawn("a.npz", "1"), drawn("b.npz", "2"))


@pytest.mark.parametrize(
    "options",
    [
        "--size 0",
        "--rank 0",
        "--rank 51",
        "--condition 0.5",
        "--condition nan",
        "--noise -1",
        "--noise nan",
        "--measurements 0",
        "--measurements 100000000000",
        "--ensemble wavelet",
        "--kind complex",
        "--spectrum pink",
        "--seed -1",
    ],
)
def test_bad_simulation_is_refused_in_one_line(wnsense, tmp_path, options):
    assert_refused(wnsense("simulate", "--out", tmp_path / "p.npz", *options.split()))
    assert not list(tmp_path.iterdir())


def test_simulation_refuses_a_place_it_cannot_write(wnsense, tmp_path):
    (tmp_path / "obstacle").write_text("a file")
    assert_refused(wnsense("simulate", "--out", tmp_path / "obstacle" / "p.npz"), "obstacle")
    assert_refused(wnsense("simulate", "--out", tmp_path / "p.txt"), ".npz", ".safetensors", "p.txt")
    assert_refused(wnsense("simulate"), "--out")


# -- check -------------------------------------------------------------------------------------------------------------


def test_check_says_what_the_file_holds_and_what_can_be_hoped_for(wnsense, problem):
    outcome = wnsense("check", problem)
    assert (outcome.code, outcome.err) == (0, "")
    assert f"{COUNT} measurements of a psd {SIZE} x {SIZE} matrix" in outcome.out
    assert "adjoint is right" in outcome.out
    assert f"The truth in the file, of rank {RANK}" in outcome.out
    assert not CONTROL.search(outcome.out)


@pytest.mark.parametrize(
    ("size", "count", "words"),
    [
        # r (2m - r + 1) / 2 is 20, 39 and 57 at m = 20.
        (20, 56, "rank above 2 from so few: rank 3 has 57 degrees of freedom"),
        (20, 57, "rank above 3 from so few: rank 4 has 74 degrees of freedom"),
        (20, 19, "no matrix at all: rank 1 has 20 degrees of freedom"),
    ],
)
def test_check_counts_degrees_of_freedom(wnsense, tmp_path, size, count, words):
    path = tmp_path / "p.npz"
    wnsense("simulate", "--out", path, "--size", str(size), "--rank", "1", "--measurements", str(count))
    assert words in wnsense("check", path).out


def test_check_looks_at_the_measurements(wnsense, tmp_path):
    rng = np.random.default_rng(0)
    F, vectors = rng.standard_normal((SIZE, RANK)), rng.standard_normal((COUNT, SIZE))
    y = ((vectors @ F) ** 2).sum(1)
    path = tmp_path / "p.npz"

    def said(**changed: np.ndarray) -> str:
        np.savez(path, **({"y": y, "vectors": vectors, "truth_factor": F, "noise_level": np.array(0.0)} | changed))
        outcome = wnsense("check", path)
        assert outcome.code == 0
        return outcome.out

    sound = said()
    assert all(words not in sound for words in ("negative", "outlier", "belong together", "same number"))
    assert "3 of them are negative" in said(y=np.where(np.arange(COUNT) < 3, -y, y))
    assert "Number 7 of them" in said(y=np.where(np.arange(COUNT) == 7, 1e4, y))
    assert "do they belong together?" in said(y=y[::-1].copy())
    assert "all the same number" in said(y=np.ones(COUNT))


def test_check_passes_on_the_warnings_of_reading(wnsense, tmp_path, arrays):
    np.savez(tmp_path / "p.npz", **arrays, notes=np.zeros(3))
    outcome = wnsense("check", tmp_path / "p.npz")
    assert outcome.code == 0
    assert re.search(r"warning: .*notes", outcome.out)


def test_check_of_a_wrong_adjoint_has_its_own_code(wnsense, problem, monkeypatch):
    monkeypatch.setattr(
        DenseSensing, "_adjoint", lambda self, v: 2 * self.kind.unpack(v @ self.rows, self.shape, is_complex=False)
    )
    outcome = wnsense("check", problem)
    assert outcome.code == 3
    assert "adjoint is wrong" in outcome.out


# -- progress ----------------------------------------------------------------------------------------------------------


class Screen(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [80, 160])
def test_progress_is_shown_on_a_terminal_once_the_work_takes_its_time(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    progress = Progress("rank 3", 12, 3456, 2.0, 1.5e-3, 2.5e-3)

    def shown(patience: float) -> str:
        screen = Screen()
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setattr(progress_display, "_PATIENCE_SECONDS", patience)
        with progress_display.display("reading", budget=5000) as display:
            display.show(progress)
        return screen.getvalue()

    seen = shown(0.0)
    assert all(words in seen for words in ("rank 3, step 12", "3,456 applications", "residual 1.5e-03"))
    assert ("held out 2.5e-03" in seen) == (width > 100)
    assert "rank 3" not in shown(60.0)


def test_nothing_is_shown_to_the_quiet_nor_in_a_pipe(monkeypatch):
    monkeypatch.setattr(progress_display, "_PATIENCE_SECONDS", 0.0)
    for stream, quiet in ((Screen(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_display.display("reading", quiet=quiet) as display:
            display.stage("preparing")
        assert stream.getvalue() == ""


# -- demo --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo on images of 6 x 6 pixels."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(60, 2, generator=rng, dtype=torch.float64) @ torch.randn(
        2, 36, generator=rng, dtype=torch.float64
    )

    def run_small(*, seed: int, progress: ProgressCallback) -> Table:
        return run_demo(images, measurements=400, budget=20, seed=seed, progress=progress)

    monkeypatch.setattr(demonstrating, "run_demo", run_small)


def test_demo_writes_table_and_page_and_shows_the_program(wnsense, small_demo, tmp_path):
    outcome = wnsense("demo", "--out", tmp_path / "d", "--seed", "1")
    assert (outcome.code, outcome.err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["demo.html", "demo.npz"]
    assert "<html" in (tmp_path / "d" / "demo.html").read_text()
    assert "recover(operator, sketches)" in outcome.out
    assert "effective rank 2," in outcome.out
    assert str(tmp_path / "d" / "demo.html") in outcome.out
    assert not CONTROL.search(outcome.out)


def test_demo_refuses_what_it_cannot_use_before_it_begins(wnsense, monkeypatch, tmp_path):
    def never(**_: object) -> None:
        pytest.fail("the demo began")

    monkeypatch.setattr(demonstrating, "run_demo", never)
    (tmp_path / "obstacle").write_text("a file")
    assert_refused(wnsense("demo", "--out", tmp_path / "obstacle"), "obstacle")
    assert_refused(wnsense("demo", "--out", tmp_path, "--seed", "-1"), "--seed")


def test_interrupted_demo_leaves_nothing(wnsense, monkeypatch, tmp_path):
    def interrupted(**_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(demonstrating, "run_demo", interrupted)
    outcome = wnsense("demo", "--out", tmp_path / "d")
    assert (outcome.code, outcome.out, outcome.err) == (143, "", "wnsense: interrupted\n")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("words", "option", "known"),
    [(("bench", "--grid", "foo"), "'--grid'", "'transition'"), (("study", "run", "foo"), "'name'", "'table-1'")],
)
def test_a_choice_that_there_is_not_is_told_with_those_that_there_are(wnsense, words, option, known):
    outcome = wnsense(*words)
    assert_refused(outcome, f"Invalid value for {option}: 'foo' is not one of", known, f"wnsense {words[0]} --help")
    assert "error" not in outcome.err
