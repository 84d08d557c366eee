"""Files of a recovery, saved and loaded: each field, each kind of matrix, and hostile files."""

import dataclasses
import io
import json
import math
import zipfile

import numpy as np
import pytest
import torch

from cases.draws import generator
from cases.flavors import ALL_FLAVORS, RECTANGULAR
from wnsense.checks import InputError
from wnsense.files.tables import Table, write_table
from wnsense.recovery.recover import recover
from wnsense.recovery.result import Recovery
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.problem import Problem, low_rank

# Mutated files for each kind of mutation.
MUTATIONS = 100


def problem(flavor, noise=0.01, truth_is_given=True, real=torch.float64):
    rng = generator(0)
    dtype = flavor.dtype(real)
    size = 10 if flavor.kind.is_symmetric else (10, 8)
    operator = GaussianSensing.draw(150, size, kind=flavor.kind, generator=rng, dtype=dtype)
    truth = low_rank(size, 1, kind=flavor.kind, generator=rng, dtype=dtype)
    posed = Problem.measure(operator, truth, noise, generator=rng)
    return dataclasses.replace(posed, noise_level=None, truth=truth if truth_is_given else None)


@pytest.fixture(scope="module")
def recovery():
    return recover(problem(RECTANGULAR))


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
@pytest.mark.parametrize("real", [torch.float64, torch.float32], ids=["double", "single"])
def test_a_saved_recovery_is_loaded_whole(flavor, real, tmp_path):
    recovery = recover(problem(flavor, real=real), tolerance=1e-10 if real == torch.float64 else 1e-5)
    assert recovery.evidence is not None
    recovery.save(tmp_path)
    loaded = Recovery.load(tmp_path)
    for field in dataclasses.fields(Recovery):
        assert type(getattr(loaded, field.name)) is type(getattr(recovery, field.name)), field.name
    assert loaded == recovery
    assert loaded.table() == recovery.table()


def changed(recovery):
    """The recovery with values at the edges of what its fields can hold."""
    matrix = recovery.matrix
    return {
        "ended early": dataclasses.replace(
            recovery, judged_rank=None, evidence=None, expected_error=None, candidates=(), holdout_residual=None
        ),
        "not finite": dataclasses.replace(recovery, relative_residual=math.inf, relative_error=math.nan),
        "another matrix": dataclasses.replace(recovery, alternative=matrix.scaled(-1.0)),
        "warnings": dataclasses.replace(recovery, warnings=("<b>one</b>", "Zwei, \u2264 3", "")),
        "large numbers": dataclasses.replace(recovery, seed=2**63 - 1, relative_residual=5e-324),
        "symmetric alternative": dataclasses.replace(recovery, alternative=dataclasses.replace(matrix, Y=None)),
    }


@pytest.mark.parametrize(
    "name", ["ended early", "not finite", "another matrix", "warnings", "large numbers", "symmetric alternative"]
)
def test_fields_of_any_value_are_loaded(name, recovery, tmp_path):
    other = changed(recovery)[name]
    other.save(tmp_path)
    assert Recovery.load(tmp_path) == other
    assert other != recovery


def test_a_loaded_recovery_can_be_saved_again(recovery, tmp_path):
    recovery.save(tmp_path / "one")
    Recovery.load(tmp_path / "one").save(tmp_path / "two")
    assert Recovery.load(tmp_path / "two") == recovery


def test_the_file_holds_no_pickle(recovery, tmp_path):
    recovery.save(tmp_path)
    with np.load(tmp_path / "result.npz", allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} <= set("biufc")


def loaded_or_message(folder):
    """The recovery in a folder, or the one line that refuses it."""
    try:
        return Recovery.load(folder)
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    return message


def assert_refused(folder):
    message = loaded_or_message(folder)
    assert message.startswith("needed ")
    assert str(folder / "result.npz") in message


def test_a_missing_file_is_one_line(tmp_path):
    assert_refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", b"{}"], ids=repr)
def test_another_file_is_one_line(content, tmp_path):
    (tmp_path / "result.npz").write_bytes(content)
    assert_refused(tmp_path)


@pytest.mark.parametrize("header", [{}, {"fields": 3}, {"fields": {}}, {"fields": {"status": "converged"}}], ids=repr)
def test_a_table_of_other_results_is_one_line(header, tmp_path):
    write_table(tmp_path / "result.npz", Table(header, {"X": np.eye(2), "Theta": np.eye(2)}))
    assert_refused(tmp_path)


@pytest.fixture(scope="module")
def saved(recovery, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    recovery.save(folder)
    return (folder / "result.npz").read_bytes()


def members(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != "header_json"}
        return json.loads(file["header_json"].tobytes()), arrays


@pytest.mark.parametrize("value", [None, "a word", -1.5, [], {"a": 1}, True], ids=repr)
def test_a_field_of_another_type_is_one_line_or_one_that_it_may_have(value, recovery, saved, tmp_path):
    header, arrays = members(saved)
    for name in header["fields"]:
        crafted = {**header, "fields": {**header["fields"], name: value}}
        write_table(tmp_path / "result.npz", Table(crafted, arrays))
        loaded = loaded_or_message(tmp_path)
        if isinstance(loaded, Recovery):
            part, own = getattr(loaded, name), getattr(recovery, name)
            assert isinstance(part, type(own)) or value is None or own is None, name


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 2, 2)], ids=str)
def test_arrays_of_another_shape_are_one_line(shape, saved, tmp_path):
    header, arrays = members(saved)
    for name in ("X", "Theta", "trace_step", "trace_residual"):
        write_table(tmp_path / "result.npz", Table(header, {**arrays, name: np.zeros(shape)}))
        assert_refused(tmp_path)


@pytest.mark.parametrize("dtype", ["int64", "bool", "float16", "S3"])
def test_factors_of_another_dtype_are_one_line(dtype, saved, tmp_path):
    header, arrays = members(saved)
    factors = {name: np.zeros_like(arrays[name], dtype=dtype) for name in ("X", "Theta")}
    write_table(tmp_path / "result.npz", Table(header, {**arrays, **factors}))
    assert_refused(tmp_path)


def flipped(content, rng):
    place = rng.integers(len(content))
    return content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]


def shortened(content, rng):
    return content[: rng.integers(len(content))]


def without_a_member(content, rng):
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        names = old.namelist()
        names.remove(str(rng.choice(names)))
        for name in names:
            new.writestr(name, old.read(name))
    return buffer.getvalue()


@pytest.mark.parametrize("mutate", [flipped, shortened, without_a_member])
def test_a_damaged_file_is_one_line_or_the_same_recovery(mutate, recovery, saved, tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(MUTATIONS):
        (tmp_path / "result.npz").write_bytes(mutate(saved, rng))
        # Names and dates of the archive may change without effect.
        loaded = loaded_or_message(tmp_path)
        assert loaded == recovery or isinstance(loaded, str)
