"""Checkpoints that are damaged, crafted, or of another operator, start or version: one line, never another error."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import wnsense as wn
from cases.draws import generator
from wnsense.checks import InputError
from wnsense.files.tables import Table, read_table
from wnsense.networks import Architecture, CheckpointPlan, Scaling, TrainingPlan, batches, train
from wnsense.networks.initial_weights import uniform_network
from wnsense.recovery import Recovery
from wnsense.running import checkpoint_file
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.checkpoint_file import write_checkpoint
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.starts import haar_start

# ------------------------------------------------------------------------------------------------ the runs


def problem(seed: int = 0) -> Problem:
    rng = generator(seed)
    operator = GaussianSensing.draw(60, 6, generator=rng)
    return Problem.measure(operator, low_rank(6, 1, generator=rng))


def solving(path: Path, *, resume: bool) -> object:
    objective = SensingObjective(problem())
    checkpoint = Checkpoint(path, objective.problem, PreconditionedWN(), resume=resume)
    start = haar_start(objective, 2, generator=generator(1))
    return solve(objective, PreconditionedWN(), start, stop=Stop(max_steps=4), checkpoint=checkpoint)


def recovering(path: Path, *, resume: bool) -> object:
    return wn.recover(problem(), checkpoint=path, resume=resume, max_applications=25)


def training(path: Path, *, resume: bool) -> object:
    architecture = Architecture(inputs=3, width=4, depth=2, outputs=1, scaling=Scaling.ONE)
    model = uniform_network(architecture, generator(1))
    data = TensorDataset(*(torch.randn(12, width, generator=generator(width)) for width in (3, 1)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loader = batches(data, 4, torch.Generator().manual_seed(2))
    return train(model, optimizer, loader, TrainingPlan(2), checkpoint=CheckpointPlan(path, resume=resume))


RUNS = {"solve": solving, "recover": recovering, "train": training}

# ------------------------------------------------------------------------------------------------- the faults

Fault = Callable[[bytes, np.random.Generator], bytes]


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(parts: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, part in parts.items():
            file.writestr(name, part)
    return buffer.getvalue()


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def choice(names: Mapping[str, object], rng: np.random.Generator) -> str:
    return sorted(names)[rng.integers(len(names))]


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(len(content), size=rng.integers(1, 5)):
        damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def renamed_in_directory(content: bytes, rng: np.random.Generator) -> bytes:
    """Zip checks contents, not names."""
    name = choice(members(content), rng).encode()
    place = int(rng.integers(len(name)))
    return content.replace(name, name[:place] + bytes([name[place] ^ 1]) + name[place + 1 :])


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))]


def padded(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))] + bytes(int(rng.integers(1, 100)))


def without_member(content: bytes, rng: np.random.Generator) -> bytes:
    parts = members(content)
    del parts[choice(parts, rng)]
    return zipped(parts)


def foreign_member(content: bytes, rng: np.random.Generator) -> bytes:
    parts = members(content)
    return zipped(parts | {choice(parts, rng): rng.bytes(20)})


def swapped_members(content: bytes, rng: np.random.Generator) -> bytes:
    parts = members(content)
    one = choice(parts, rng)
    other = choice({name: part for name, part in parts.items() if part != parts[one]}, rng)
    return zipped(parts | {one: parts[other], other: parts[one]})


def enormous_member(content: bytes, rng: np.random.Generator) -> bytes:
    """A header of NumPy that asks for more memory than there is."""
    parts = members(content)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    return zipped(parts | {choice(parts, rng): head.getvalue()})


JUNK = (None, 3, "text", [1, "two"], {"a": []}, -1.5, True)


@dataclass(frozen=True)
class Content:
    """Header and arrays of a checkpoint, which somebody changes."""

    header: dict[str, object]
    arrays: dict[str, np.ndarray]


def header_without_key(content: Content, rng: np.random.Generator) -> None:
    del content.header[choice(content.header, rng)]


def header_with_junk(content: Content, rng: np.random.Generator) -> None:
    name = choice(content.header, rng)
    content.header[name] = next(
        junk for junk in rng.permutation(np.array(JUNK, object)) if junk != content.header[name]
    )


def array_without_name(content: Content, rng: np.random.Generator) -> None:
    del content.arrays[choice(content.arrays, rng)]


def array_of_another_type(content: Content, rng: np.random.Generator) -> None:
    name = choice(content.arrays, rng)
    content.arrays[name] = content.arrays[name].astype(str)


def array_of_another_shape(content: Content, rng: np.random.Generator) -> None:
    name = choice(content.arrays, rng)
    content.arrays[name] = np.stack([content.arrays[name]] * 3)


def array_of_other_values(content: Content, rng: np.random.Generator) -> None:
    name = choice({name: array for name, array in content.arrays.items() if array.size}, rng)
    content.arrays[name] = content.arrays[name] + content.arrays[name].dtype.type(1)


def array_besides(content: Content, rng: np.random.Generator) -> None:
    content.arrays[f"{choice(content.arrays, rng)}x"] = np.eye(2)


def changed(change: Callable[[Content, np.random.Generator], None]) -> Fault:
    """A change of header or arrays, written with NumPy alone, so that the digest stays that of the old content."""

    def fault(content: bytes, rng: np.random.Generator) -> bytes:
        parts = members(content)
        header = json.loads(np.load(io.BytesIO(parts.pop("header_json.npy"))).tobytes())
        inside = Content(header, {name: np.load(io.BytesIO(part)) for name, part in parts.items()})
        change(inside, rng)
        text = np.frombuffer(json.dumps(inside.header, sort_keys=True).encode(), dtype=np.uint8)
        arrays = {"header_json.npy": text, **inside.arrays}
        return zipped({name: saved(array) for name, array in arrays.items()})

    return fault


CHANGES = (
    header_without_key,
    header_with_junk,
    array_without_name,
    array_of_another_type,
    array_of_another_shape,
    array_of_other_values,
    array_besides,
)
FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        flipped,
        renamed_in_directory,
        cut,
        padded,
        without_member,
        foreign_member,
        swapped_members,
        enormous_member,
    )
} | {change.__name__: changed(change) for change in CHANGES}
EACH = 10
HARMLESS = {"flipped"}  # a bit of zip's own notes, such as a date, may be anything


@pytest.fixture(scope="module", params=RUNS, ids=str)
def whole(request, tmp_path_factory) -> tuple[str, bytes]:
    path = tmp_path_factory.mktemp("whole") / "run.npz"
    RUNS[request.param](path, resume=False)
    return request.param, path.read_bytes()


def refusal(name: str, path: Path) -> str | None:
    try:
        RUNS[name](path, resume=True)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_damaged_checkpoint_is_refused_in_one_line(whole, fault, tmp_path):
    """15 kinds of faults, ten files each, of three kinds of runs: 450 files."""
    name, content = whole
    path = tmp_path / "run.npz"
    for seed in range(EACH):
        damaged = FAULTS[fault](content, np.random.default_rng(seed))
        assert damaged != content
        path.write_bytes(damaged)
        words = refusal(name, path)
        if words is None:
            assert fault in HARMLESS
        else:
            assert len(words.splitlines()) == 1
            assert str(path) in words


CRAFTED = (header_without_key, array_without_name, array_of_another_type)


@pytest.mark.parametrize("change", CRAFTED)
def test_a_checkpoint_with_a_digest_of_its_own_is_refused_in_one_line(whole, change, tmp_path):
    name, content = whole
    path = tmp_path / "run.npz"
    for seed in range(EACH):
        path.write_bytes(content)
        table = read_table(path)
        crafted = Content(dict(table.header), dict(table.arrays))
        change(crafted, np.random.default_rng(seed))
        write_checkpoint(path, Table(crafted.header, crafted.arrays))
        # A column of the trace is no part of the state, and version and digest are written anew.
        assert len((refusal(name, path) or "resumed").splitlines()) == 1


def test_a_checkpoint_that_is_whole_is_resumed(whole, tmp_path):
    name, content = whole
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    assert RUNS[name](path, resume=True) is not None


# -------------------------------------------------------------------------------- another operator, start, version


def test_another_version_is_refused_with_both_named(whole, tmp_path, monkeypatch):
    name, content = whole
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    monkeypatch.setattr(checkpoint_file, "__version__", "9.8.7")
    with pytest.raises(
        InputError, match=rf"needed a checkpoint of wnsense 9\.8\.7 .*, got one of version {wn.__version__}"
    ):
        RUNS[name](path, resume=True)


SIZE, COUNT = 8, 60


def matrices(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((COUNT, SIZE, SIZE))
    return (M + M.transpose(0, 2, 1)) / 2


def functions(M: np.ndarray) -> wn.Operator:
    return wn.from_numpy_functions(
        lambda Z: np.einsum("nij,ij->n", M, Z), lambda v: np.einsum("n,nij->ij", v, M), n=COUNT, size=SIZE
    )


def gathered(M: np.ndarray) -> wn.Operator:
    """An operator made of operators, one of which is made of functions."""
    return wn.operators.scaled(functions(M), 2.0)


MADE = {"functions": functions, "operators": gathered}


def one_row_changed(M: np.ndarray) -> np.ndarray:
    other = M.copy()
    other[17, 2, 3] += 1e-3
    other[17, 3, 2] += 1e-3
    return other


OTHERS = {
    "all rows": lambda M: matrices(5),
    "one entry of one row": one_row_changed,
    "order of rows": lambda M: M[::-1].copy(),
    "sign": lambda M: -M,
    "factor": lambda M: M * 1.0001,
}


def interrupted(operator: wn.Operator, path: Path, **settings: object) -> Recovery:
    return wn.recover(operator, measurements(), checkpoint=path, max_applications=40, **settings)


def measurements() -> np.ndarray:
    x = np.random.default_rng(1).standard_normal(SIZE)
    return np.einsum("nij,i,j->n", matrices(0), x, x)


@pytest.mark.parametrize("made", MADE, ids=str)
@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_another_operator_with_the_same_measurements_is_refused(tmp_path, other, made):
    path, make = tmp_path / "run.npz", MADE[made]
    interrupted(make(matrices(0)), path)
    assert interrupted(make(matrices(0)), path, resume=True)
    with pytest.raises(InputError, match="got others: the operator gives other products"):
        interrupted(make(OTHERS[other](matrices(0))), path, resume=True)


def test_another_adjoint_is_another_operator(tmp_path):
    path = tmp_path / "run.npz"
    M = matrices(0)
    interrupted(functions(M), path)
    wrong = wn.from_numpy_functions(
        lambda Z: np.einsum("nij,ij->n", M, Z), lambda v: 2 * np.einsum("n,nij->ij", v, M), n=COUNT, size=SIZE
    )
    with pytest.raises(InputError):
        interrupted(wrong, path, resume=True)


def start(seed: int) -> wn.LowRank:
    return low_rank(SIZE, 2, generator=generator(seed))


@pytest.mark.parametrize(("before", "after"), [(None, 1), (1, None), (1, 2)])
def test_another_start_is_another_run(tmp_path, before, after):
    path = tmp_path / "run.npz"
    first, second = (None if seed is None else start(seed) for seed in (before, after))
    interrupted(functions(matrices(0)), path, start=first)
    assert interrupted(functions(matrices(0)), path, start=first, resume=True)
    with pytest.raises(InputError, match=r"needed the problem and settings .* got others"):
        interrupted(functions(matrices(0)), path, start=second, resume=True)


def test_a_resumed_run_of_functions_is_the_uninterrupted_one(tmp_path):
    path = tmp_path / "run.npz"
    whole = wn.recover(functions(matrices(0)), measurements(), start=start(1))
    interrupted(functions(matrices(0)), path, start=start(1))
    resumed = wn.recover(functions(matrices(0)), measurements(), start=start(1), checkpoint=path, resume=True)
    assert resumed.applications == whole.applications
    assert torch.equal(resumed.matrix.X, whole.matrix.X)


def test_without_a_checkpoint_no_products_are_computed():
    M, calls = matrices(0), []

    def forward(Z: np.ndarray) -> np.ndarray:
        calls.append(1)
        return np.einsum("nij,ij->n", M, Z)

    def count(**settings: object) -> int:
        calls.clear()
        operator = wn.from_numpy_functions(forward, lambda v: np.einsum("n,nij->ij", v, M), n=COUNT, size=SIZE)
        wn.recover(operator, measurements(), **settings)
        return len(calls)

    assert count() == count()
