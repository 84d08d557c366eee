"""`wnsense sparse`: what it reads, writes, says, and how it ends."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import torch

from cases.commands import assert_refused
from wnsense.cli import sparse as command
from wnsense.files.sparse_problem import read_sparse_problem
from wnsense.files.tables import read_table
from wnsense.sparse.sparse_recover import sparse_recover


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    z = np.zeros(120)
    z[rng.choice(120, 5, replace=False)] = rng.standard_normal(5)
    A = rng.standard_normal((50, 120)) * (rng.random((50, 120)) < 0.4)
    return {"A": A, "y": A @ z, "truth": z}


def stored(path: Path, arrays: dict[str, np.ndarray], form: str) -> Path:
    """The same problem in each form that a file can have."""
    rest = {name: arrays[name] for name in ("y", "truth")}
    csr = scipy.sparse.csr_array(arrays["A"])
    coo = csr.tocoo()
    shape = np.array(csr.shape)
    if form == "csr":
        np.savez(path, A_data=csr.data, A_indices=csr.indices, A_indptr=csr.indptr, A_shape=shape, **rest)
    elif form == "coo":
        np.savez(path, A_values=coo.data, A_rows=coo.coords[0], A_columns=coo.coords[1], A_shape=shape, **rest)
    elif form == "matlab":
        path = path.with_suffix(".mat")
        rows, columns = (index[:, None] + 1.0 for index in coo.coords)
        places = {"A_values": coo.data[:, None], "A_rows": rows, "A_columns": columns, "A_shape": shape * 1.0}
        scipy.io.savemat(path, {**places, "y": arrays["y"][:, None], "truth": arrays["truth"][:, None]})
    else:
        np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("form", ["dense", "csr", "coo", "matlab"])
def test_every_form_is_read_and_the_solution_written(wnsense, tmp_path, arrays, form):
    path = stored(tmp_path / "problem.npz", arrays, form)
    outcome = wnsense("sparse", path, "--out", tmp_path / "out")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("converged: ")
    assert "relative error against the truth" in outcome.out
    table = read_table(tmp_path / "out" / "solution.npz")
    np.testing.assert_allclose(table.arrays["solution"], arrays["truth"], atol=1e-10)
    assert set(table.arrays["support"]) == set(np.flatnonzero(arrays["truth"]))
    found = json.loads((tmp_path / "out" / "solution.json").read_text())
    assert (found["status"], found["nonzeros"], found["measurements"]) == ("converged", 5, 50)
    assert found["relative_error"] < 1e-10


def test_without_out_nothing_is_written_and_quiet_is_quiet(wnsense, tmp_path, arrays):
    path = stored(tmp_path / "problem.npz", arrays, "dense")
    assert wnsense("sparse", path, "-q").out == ""
    assert [entry.name for entry in tmp_path.iterdir()] == ["problem.npz"]


def test_too_few_measurements_end_with_3_and_are_written(wnsense, tmp_path):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((10, 40))
    np.savez(tmp_path / "p.npz", A=A, y=A @ rng.standard_normal(40))
    outcome = wnsense("sparse", tmp_path / "p.npz", "--out", tmp_path / "out")
    assert outcome.code == 3
    assert outcome.out.startswith("too_few_measurements")
    assert (tmp_path / "out" / "solution.npz").exists()


def test_bad_files_are_refused_in_one_line(wnsense, tmp_path, arrays):
    csr = scipy.sparse.csr_array(arrays["A"])
    parts = {"A_data": csr.data, "A_indices": csr.indices, "A_indptr": csr.indptr, "A_shape": np.array(csr.shape)}
    coo = csr.tocoo()
    places = {"A_values": coo.data, "A_rows": coo.coords[0], "A_columns": coo.coords[1], "A_shape": np.array(csr.shape)}
    y = arrays["y"]
    cases: list[tuple[dict[str, np.ndarray], str]] = [
        ({"y": y}, "one of A, A_values and A_data"),
        ({"A": arrays["A"]}, "y, the measurements"),
        ({"A": arrays["A"], "y": y[:7]}, "y of 50 numbers"),
        ({"A": arrays["A"], "y": np.where(y == y[0], np.nan, y)}, "finite numbers in y"),
        ({"A": arrays["A"] * 1j, "y": y}, "real numbers in A"),
        ({"A": arrays["A"], **parts, "y": y}, "A, A_data"),
        ({**parts, "A_indptr": parts["A_indptr"][::-1].copy(), "y": y}, "A_indptr that rises"),
        ({**parts, "A_indices": parts["A_indices"] + 120, "y": y}, "columns of A between 0 and 119"),
        ({**{k: v for k, v in places.items() if k != "A_shape"}, "y": y}, "A_shape"),
        ({**places, "A_rows": places["A_rows"][:-1], "y": y}, "as many rows as nonzeros"),
        ({"A": arrays["A"], "y": y, "truth": y}, "truth of size 120"),
    ]
    for contents, words in cases:
        path = tmp_path / "bad.npz"
        np.savez(path, **contents)
        assert_refused(wnsense("sparse", path), words)
    assert_refused(wnsense("sparse", tmp_path / "absent.npz"), "absent.npz")
    stored(tmp_path / "good.npz", arrays, "dense")
    assert_refused(wnsense("sparse", tmp_path / "good.npz", "--seed", "-1"), "--seed")


def test_ctrl_c_keeps_the_last_solution(wnsense, tmp_path, arrays, monkeypatch):
    path = stored(tmp_path / "problem.npz", arrays, "dense")
    recover = command.sparse_recover

    def interrupted(A, y, *, seed, callback):
        def tell(words, products, misfit):
            callback(words, products, misfit)
            raise KeyboardInterrupt

        return recover(A, y, seed=seed, callback=tell)

    monkeypatch.setattr(command, "sparse_recover", interrupted)
    outcome = wnsense("sparse", path, "--out", tmp_path / "out")
    assert outcome.code == 130
    assert "holds the last solution" in outcome.err
    assert read_table(tmp_path / "out" / "solution.npz").arrays["solution"].shape == (120,)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, bool])
@pytest.mark.parametrize("form", ["dense", "csr", "coo", "matlab"])
def test_whole_numbers_and_flags_are_numbers(tmp_path, arrays, dtype, form):
    A = (arrays["A"] > 0.5).astype(dtype)
    problem = read_sparse_problem(stored(tmp_path / "p.npz", {**arrays, "A": A, "y": np.arange(50)}, form))
    np.testing.assert_array_equal(problem.A.dense().numpy(), A.astype(np.float64))
    np.testing.assert_array_equal(problem.y.numpy(), np.arange(50.0))


@pytest.mark.parametrize("form", ["dense", "csr", "coo"])
def test_single_precision_of_a_file_is_that_of_python(wnsense, tmp_path, arrays, form):
    A = arrays["A"].astype(np.float32)
    y = A @ arrays["truth"].astype(np.float32)
    path = stored(tmp_path / "p.npz", {"A": A, "y": y, "truth": arrays["truth"]}, form)
    assert read_sparse_problem(path).A.dtype == torch.float32
    expected = sparse_recover(A, y)
    assert wnsense("sparse", path, "--out", tmp_path / "out").code == 0
    found = read_table(tmp_path / "out" / "solution.npz").arrays["solution"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.solution.numpy(), atol=1e-6)
    assert json.loads((tmp_path / "out" / "solution.json").read_text())["status"] == str(expected.status)


def test_shapes_and_foreign_sparse_files_are_refused_with_what_to_do(wnsense, tmp_path, arrays):
    coo = scipy.sparse.coo_array(arrays["A"])
    places = {"A_values": coo.data, "A_rows": coo.coords[0], "A_columns": coo.coords[1], "y": arrays["y"]}
    for shape, words in (
        ([60, 10**13], "rows and columns in A_shape, for memory, got 60 and 10,000,000,000,000"),
        ([-60, 150], "needed at least one row and one column in A_shape, got -60 and 150"),
        ([50, 0], "needed at least one row and one column"),
        ([50], "two numbers in A_shape"),
    ):
        np.savez(tmp_path / "bad.npz", **places, A_shape=np.array(shape))
        assert_refused(wnsense("sparse", tmp_path / "bad.npz"), words)
    scipy.io.savemat(tmp_path / "sparse.mat", {"A": scipy.sparse.csc_array(arrays["A"]), "y": arrays["y"]})
    assert_refused(
        wnsense("sparse", tmp_path / "sparse.mat"), "[A_rows, A_columns, A_values] = find(A); A_shape = size(A)"
    )
    for form in ("csr", "csc", "coo"):
        scipy.sparse.save_npz(tmp_path / "scipy.npz", coo.asformat(form))
        assert_refused(wnsense("sparse", tmp_path / "scipy.npz"), "A_indptr=A.indptr, A_shape=A.shape, y=y)")
