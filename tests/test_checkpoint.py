"""Checkpoints: a run that is interrupted anywhere and resumed is the uninterrupted one, bit for bit."""

import dataclasses
import io
import itertools
import pickle
import time
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cases.draws import generator, normal
from cases.flavors import HERMITIAN, PSD, RECTANGULAR, SYMMETRIC, Flavor
from cases.solvers import solver_cases
from wnsense import atomic
from wnsense.checks import InputError
from wnsense.files.tables import Table, read_table, write_table
from wnsense.running import checkpoint
from wnsense.running.checkpoint import Checkpoint, resumable_status
from wnsense.running.layout import canonical, canonical_tensor
from wnsense.running.loop import Result, solve
from wnsense.running.run_identity import fingerprint
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.starts import haar_start


def make_problem(flavor: Flavor = PSD, n=120, m=8, noise=0.0) -> Problem:
    """Made anew each time, as another process would."""
    rng = generator()
    settings = {"kind": flavor.kind, "dtype": flavor.dtype(), "generator": rng}
    size = m if flavor.kind.is_symmetric else (m, m - 2)
    operator = GaussianSensing.draw(n, size, **settings)
    problem = Problem.measure(operator, low_rank(size, 2, 2.0, **settings), noise, generator=rng)
    weights = torch.rand(n, dtype=torch.float64, generator=rng) + 0.5
    return replace(problem, weights=weights)


def make_objective(flavor: Flavor = PSD) -> SensingObjective:
    """Weights, and every sixth row held out."""
    fitted = torch.ones(120, dtype=torch.float64)
    fitted[::6] = 0
    return SensingObjective(make_problem(flavor), fitted)


def interrupting(at: int | None) -> Callable[[object], None]:
    def callback(progress):
        if progress.step == at:
            raise KeyboardInterrupt

    return callback


def go(
    path: Path | None,
    *,
    solver=None,
    flavor=PSD,
    steps=6,
    rank=3,
    every=1,
    at=None,
    resume=False,
    check_every=None,
    stagnation=None,
    **more,
) -> Result:
    """A run of so many steps from scratch, interrupted in the callback of a step, or resumed."""
    solver = solver or PreconditionedWN()
    objective = make_objective(flavor)
    start = haar_start(objective, rank, generator=generator(1))
    checkpoint = None if path is None else Checkpoint(path, objective.problem, solver, resume=resume, **more)
    stop = Stop(max_steps=steps, callback=interrupting(at), stagnation=stagnation, check_every=check_every)
    trace = Trace(every=every, error=relative_error)
    return solve(objective, solver, start, stop=stop, trace=trace, checkpoint=checkpoint)


def bits(value: object, name: str = "") -> dict[str, object]:
    """All that a dataclass holds, tensors as bytes, under dotted names."""
    if dataclasses.is_dataclass(value):
        parts = [bits(getattr(value, part.name), f"{name}.{part.name}") for part in dataclasses.fields(value)]
        return {key: entry for part in parts for key, entry in part.items()}
    if isinstance(value, torch.Tensor):
        array = value.numpy()
        return {name: (str(array.dtype), array.shape, array.tobytes())}
    return {name: value}


def assert_same_run(one: Result, other: Result):
    """Status, state, matrix, residual, counts and trace; all but seconds, to the last bit."""
    assert one.status == other.status
    assert bits(one.snapshot.state) == bits(other.snapshot.state)
    assert bits(one.answer) == bits(other.answer)
    assert bits(one.residual, "residual") == bits(other.residual, "residual")
    assert one.applications == other.applications
    for count in ("steps", "best", "best_step"):
        assert getattr(one.snapshot, count) == getattr(other.snapshot, count)
    assert list(one.trace) == list(other.trace)
    for name in set(one.trace) - {"seconds"}:
        assert (one.trace[name].dtype, one.trace[name].tobytes()) == (
            other.trace[name].dtype,
            other.trace[name].tobytes(),
        )
    assert (np.diff(other.trace["seconds"]) >= 0).all()


# ------------------------------------------------------------------------------------- resumed = uninterrupted


@pytest.mark.parametrize(("case", "flavor"), solver_cases())
def test_a_run_interrupted_anywhere_and_resumed_is_the_uninterrupted_one(tmp_path, case, flavor):
    steps = 3 if case.spectral else 6
    settings = {"solver": case.solver, "flavor": flavor, "steps": steps, "rank": min(case.rank, 5), "every": 2}
    whole = go(None, **settings)
    assert whole.steps == steps
    assert len(bits(whole.snapshot.state)) >= 7
    for at in (0, 1, steps - 1, steps):
        path = tmp_path / f"{at}.npz"
        broken = go(path, at=at, **settings)
        assert (broken.status, broken.steps) == (Status.INTERRUPTED, at)
        assert_same_run(whole, go(path, resume=True, **settings))


def test_a_run_interrupted_at_every_step_arrives_all_the_same(tmp_path):
    path = tmp_path / "run.npz"
    whole = go(None, steps=5, every=2)
    for at in range(6):
        assert go(path, steps=5, every=2, at=at, resume=at > 0).status == Status.INTERRUPTED
    assert_same_run(whole, go(path, steps=5, every=2, resume=True))


def test_a_run_interrupted_inside_a_step_is_resumed_from_the_step_before(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    whole = go(None)
    evaluate, calls = SensingObjective.evaluate, []

    def failing(objective, point):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return evaluate(objective, point)

    monkeypatch.setattr(SensingObjective, "evaluate", failing)
    assert (broken := go(path)).steps == 2
    assert broken.status == Status.INTERRUPTED
    monkeypatch.undo()
    assert_same_run(whole, go(path, resume=True))


def test_the_safeguards_memory_survives(tmp_path):
    """A run whose step sizes were halved before the interruption, and whose best point is not its last."""
    solver = PreconditionedWN(step_size=6.0, magnitude_step_size=6.0)
    whole = go(None, solver=solver, steps=9)
    assert float(whole.snapshot.state.fraction) < 1
    for at in range(1, 9):
        path = tmp_path / f"{at}.npz"
        go(path, solver=solver, steps=9, at=at)
        assert_same_run(whole, go(path, solver=solver, steps=9, resume=True))


def test_stagnation_is_counted_across_an_interruption(tmp_path):
    """Nothing moves: stagnated after 4 idle steps, 2 of them before the interruption."""
    solver = PreconditionedWN(step_size=0.0, magnitude_step_size=0.0)
    whole = go(None, solver=solver, stagnation=4)
    assert (whole.status, whole.steps) == (Status.STAGNATED, 4)
    go(tmp_path / "run.npz", solver=solver, stagnation=4, at=2)
    assert_same_run(whole, go(tmp_path / "run.npz", solver=solver, stagnation=4, resume=True))


def test_a_batch_is_resumed_as_a_batch(tmp_path):
    def batch(checkpoint, at):
        objective = make_objective()
        start = haar_start(objective, 3, batch=(2, 2), generator=generator(1))
        return solve(
            objective,
            PreconditionedWN(),
            start,
            stop=Stop(max_steps=4, callback=interrupting(at)),
            trace=Trace(error=relative_error),
            checkpoint=checkpoint,
        )

    path, problem = tmp_path / "run.npz", make_problem()
    batch(Checkpoint(path, problem, PreconditionedWN()), 2)
    whole = batch(None, None)
    assert whole.trace["error"].shape == (5, 2, 2)
    assert_same_run(whole, batch(Checkpoint(path, problem, PreconditionedWN(), resume=True), None))


@pytest.mark.parametrize(("every", "check_every"), [(1, None), (4, None), (1, 4), (4, 4)])
@pytest.mark.parametrize("budget", [0, 3, 4])
def test_a_spent_budget_made_larger_is_the_run_with_the_larger_one(tmp_path, every, check_every, budget):
    path = tmp_path / "run.npz"
    settings = {"every": every, "check_every": check_every}
    short = go(path, steps=budget, **settings)
    assert (short.status, short.steps) == (Status.OUT_OF_BUDGET, budget)
    assert_same_run(go(None, steps=9, **settings), go(path, steps=9, resume=True, **settings))


def test_a_spent_budget_left_as_it_is_stays_spent(tmp_path):
    path = tmp_path / "run.npz"
    assert_same_run(go(path, steps=3, every=2), go(path, steps=3, every=2, resume=True))


@pytest.mark.parametrize("every", [1, 4])
def test_a_run_that_had_ended_is_given_back(tmp_path, every, monkeypatch):
    solver = PreconditionedWN(step_size=0.0, magnitude_step_size=0.0)
    path = tmp_path / "run.npz"
    settings = {"solver": solver, "steps": 30, "every": every, "stagnation": 5}
    whole = go(path, **settings)
    assert (whole.status, whole.steps) == (Status.STAGNATED, 5)
    monkeypatch.setattr(PreconditionedWN, "step", None)
    assert_same_run(whole, go(path, resume=True, **settings))


def test_a_budget_or_a_callback_is_what_a_resumed_run_is_there_to_change():
    open_again = {status for status in Status if resumable_status(str(status)) is None}
    assert open_again == {Status.OUT_OF_BUDGET, Status.STOPPED_BY_USER}
    assert resumable_status("converged") is Status.CONVERGED
    assert resumable_status(None) is None


def test_seconds_go_on_where_they_were(tmp_path):
    path = tmp_path / "run.npz"
    broken = go(path, at=3)
    resumed = go(path, resume=True)
    assert resumed.trace["seconds"][:4].tolist() == broken.trace["seconds"].tolist()
    assert resumed.snapshot.seconds > broken.snapshot.seconds > 0


def test_a_file_is_written_when_it_is_due(tmp_path, monkeypatch):
    """Ten seconds a look and a file: with 25 seconds between files, one is due at every third look."""
    clock = itertools.count(time.monotonic(), 10)
    monkeypatch.setattr(checkpoint, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    steps = []
    monkeypatch.setattr(Checkpoint, "save", counting(Checkpoint.save, steps))
    go(tmp_path / "run.npz", steps=7, every_seconds=25.0)
    assert steps == [(3, None), (6, None), (7, Status.OUT_OF_BUDGET)]


def counting(save, steps):
    def saved(self, snapshot, status):
        steps.append((snapshot.steps, status))
        save(self, snapshot, status)

    return saved


# ------------------------------------------------------------------------------------------- what is refused


def resume_with(path: Path, problem: Problem, solver=None, settings=()) -> object:
    return Checkpoint(path, problem, solver or PreconditionedWN(), settings, resume=True).load()


@pytest.fixture
def written(tmp_path) -> Path:
    go(tmp_path / "run.npz", at=2, settings=("seed 1",))
    return tmp_path / "run.npz"


def test_the_run_that_wrote_a_file_is_recognized(written):
    snapshot, status = resume_with(written, make_problem(), settings=("seed 1",))
    assert (snapshot.steps, status) == (2, None)


def changed(problem: Problem, **what) -> Problem:
    return replace(problem, **what)


def another_operator(problem: Problem) -> Problem:
    rows = problem.operator.rows.clone()
    rows[5, 7] *= 1.001
    return replace(problem, operator=replace(problem.operator, rows=rows))


OTHERS = {
    "one measurement": (lambda p: changed(p, measurements=p.measurements + 1e-3 * torch.eye(120).double()[7]), {}),
    "one weight": (lambda p: changed(p, weights=p.weights + 1e-3 * torch.eye(120).double()[7]), {}),
    "no weights": (lambda p: changed(p, weights=None), {}),
    "one entry of the operator": (another_operator, {}),
    "another kind": (lambda p: make_problem(SYMMETRIC), {}),
    "another shape": (lambda p: make_problem(RECTANGULAR), {}),
    "another ensemble": (lambda p: changed(p, operator=RankOneSensing.draw(120, 8, generator=generator())), {}),
    "another solver": (lambda p: p, {"solver": GaussNewton()}),
    "another step size": (lambda p: p, {"solver": PreconditionedWN(step_size=0.9)}),
    "other settings": (lambda p: p, {"settings": ("seed 2",)}),
}


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_a_file_of_another_run_is_refused(written, other):
    change, settings = OTHERS[other]
    with pytest.raises(InputError, match=r"needed the problem and settings that .* was written with, got others"):
        resume_with(written, change(make_problem()), **{"settings": ("seed 1",)} | settings)


def test_the_truth_is_no_part_of_a_problem(written):
    assert resume_with(written, replace(make_problem(), truth=None), settings=("seed 1",)) is not None


def test_complex_operators_and_functions_have_fingerprints():
    one = make_problem(HERMITIAN)
    assert fingerprint(one) == fingerprint(make_problem(HERMITIAN))
    rows = normal(120, 8, dtype=torch.complex128)
    drawn = replace(one, operator=RankOneSensing.from_vectors(rows, one.operator.kind))
    turned = replace(one, operator=RankOneSensing.from_vectors(1j * rows, one.operator.kind))
    assert len({fingerprint(one), fingerprint(drawn), fingerprint(turned), fingerprint(one, "seed")}) == 4
    M = normal(5, 3, 3)

    def functions(n):
        operator = from_functions(lambda Z: M[0, :n, 0], lambda v: M[0], n=n, size=3, kind="psd")
        return Problem(operator, torch.ones(n, dtype=torch.float64))

    assert fingerprint(functions(2)) == fingerprint(functions(2))
    assert fingerprint(functions(2)) != fingerprint(functions(3))


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, header_json=np.array([{"fingerprint": 1}], dtype=object))
    return buffer.getvalue()


def saved(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def single_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.eye(3))
    return buffer.getvalue()


def header(text: bytes) -> bytes:
    return saved(header_json=np.frombuffer(text, dtype=np.uint8))


FOREIGN = {
    "empty": b"",
    "text": b"step,residual\n0,1.0\n",
    "pickle": pickle.dumps({"state": 1}),
    "pickled array": pickled(),
    "another npz": saved(x=np.eye(3)),
    "npy": single_array(),
    "header of numbers": saved(header_json=np.array([1.5, 2.5])),
    "header that is a list": header(b"[1]"),
    "header that is no text": header(b"\xff\xfe{}"),
    "table of something else": header(b'{"status": null}'),
}


@pytest.mark.parametrize("content", FOREIGN, ids=str)
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "run.npz"
    path.write_bytes(FOREIGN[content])
    with pytest.raises(InputError, match=r"needed (a file written by|a checkpoint of) wnsense"):
        resume_with(path, make_problem())


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(InputError, match=r"needed a file written by wnsense at .*; run again without it"):
            resume_with(path, make_problem())


def test_a_file_cut_short_is_refused_wherever_it_is_cut(written):
    whole = written.read_bytes()
    for length in range(0, len(whole), 97):
        written.write_bytes(whole[:length])
        with pytest.raises(InputError, match="needed a file written by wnsense"):
            resume_with(written, make_problem(), settings=("seed 1",))


def test_a_damaged_file_is_refused_or_does_no_harm(tmp_path):
    """A bit in zip's own notes, such as a date, may be anything; one in an array may not."""
    path = tmp_path / "table.npz"
    arrays = {"x": np.arange(20.0), "y": np.eye(3)}
    write_table(path, Table({"status": None}, arrays))
    whole, refused = path.read_bytes(), 0
    for place in range(0, len(whole), 2):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(bytes(damaged))
        try:
            table = read_table(path)
        except InputError:
            refused += 1
        else:
            assert table.header == {"status": None}
            assert all(np.array_equal(table.arrays[name], arrays[name]) for name in table.arrays)
    assert refused > len(whole) / 4


def test_tables_hold_what_they_are_given(tmp_path):
    path = tmp_path / "new" / "folder" / "table.npz"
    arrays = {
        "c": np.array([1 + 2j]),
        "f": np.float32(0.1) * np.ones((2, 0)),
        "i": np.array(7),
        "nan": np.array([np.nan]),
    }
    write_table(path, Table({"a": [1, None, "ü"], "b": {"x": 0.1}}, arrays))
    table = read_table(path)
    assert table.header == {"a": [1, None, "ü"], "b": {"x": 0.1}}
    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in table.arrays.items()} == {
        n: (a.dtype, a.shape, a.tobytes()) for n, a in arrays.items()
    }
    with np.load(path, allow_pickle=False) as plain:
        assert set(plain.files) == {"header_json", *arrays}


# -------------------------------------------------------------------------------------------- another machine


def test_another_number_of_threads_is_a_warning(written, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    with pytest.warns(UserWarning, match=r"resumed on another set-up \(threads 1 -> 7\): the result may differ"):
        snapshot, _ = resume_with(written, make_problem(), settings=("seed 1",))
    assert snapshot.steps == 2


def test_another_version_of_torch_is_a_warning(written, monkeypatch):
    then = torch.__version__
    monkeypatch.setattr(torch, "__version__", "99.0")
    with pytest.warns(UserWarning, match=f"torch {then.split('+')[0]}.* -> 99.0"):
        resume_with(written, make_problem(), settings=("seed 1",))


# --------------------------------------------------------------------------------------------- whole or not


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"needed a place to write .*run.npz, got: .*; name a directory you can write"):
        go(tmp_path / "file" / "run.npz", at=1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_file_that_was_there_and_nothing_else(tmp_path, written, monkeypatch, failing):
    before = written.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    if failing == "replace":
        monkeypatch.setattr(Path, "replace", full)
    elif failing == "fsync":
        monkeypatch.setattr(atomic.os, "fsync", full)
    else:
        opened = atomic.os.fdopen

        def half(handle, mode):
            file = opened(handle, mode, buffering=0)
            monkeypatch.setattr(atomic.os, "fdopen", opened)
            return types.SimpleNamespace(__enter__=None) if file is None else HalfWritten(file)

        monkeypatch.setattr(atomic.os, "fdopen", half)
    with pytest.raises(InputError, match="got: No space left on device"):
        go(written, at=4, settings=("seed 1",))
    monkeypatch.undo()
    assert written.read_bytes() == before
    assert list(tmp_path.iterdir()) == [written]


class HalfWritten:
    """A file on a disk that fills up."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")


def test_nothing_is_read_that_need_not_be(tmp_path):
    """Without `resume` an old file is no more than something to be replaced."""
    path = tmp_path / "run.npz"
    path.write_bytes(b"not a checkpoint")
    whole = go(path)
    assert_same_run(whole, go(path, resume=True))


def test_a_point_may_be_held_with_a_y(tmp_path):
    path = tmp_path / "run.npz"
    go(path, flavor=RECTANGULAR, at=2)
    snapshot, _ = resume_with(path, make_problem(RECTANGULAR))
    assert isinstance(snapshot.state.evaluation.point, LowRank)
    assert snapshot.state.evaluation.point.Y.shape == (6, 3)
    go(path, at=2)
    snapshot, _ = resume_with(path, make_problem())
    assert snapshot.state.evaluation.point.Y is None
    assert snapshot.state.evaluation.right is None


# ------------------------------------------------------------------------------------------------- layouts


def laid_out_otherwise() -> dict[str, torch.Tensor]:
    A = normal(6, 4, dtype=torch.complex128)
    return {
        "by columns": normal(4, 6).mT,
        "one column of many": normal(1, 5).mT,
        "a part": normal(6, 6)[:, :4],
        "not at the beginning": normal(7)[1:],
        "conjugated lazily": A.conj(),
        "negated lazily": A.conj().imag,
        "a batch of transposes": normal(3, 4, 6).mT,
        "expanded": normal(4).expand(3, 4),
    }


@pytest.mark.parametrize("case", laid_out_otherwise())
def test_whatever_way_numbers_lie_they_are_laid_out_as_a_file_gives_them_back(case):
    given = laid_out_otherwise()[case]
    out = canonical_tensor(given)
    assert torch.equal(out, given)
    fresh = torch.empty(given.shape, dtype=given.dtype)
    assert out.stride() == fresh.stride()
    assert (out.is_conj(), out.is_neg(), out.data_ptr() % 64) == (False, False, 0)
    assert canonical_tensor(out) is out


def test_only_what_lies_otherwise_is_copied():
    X, Theta = normal(6, 2), normal(2, 2).mT
    canonical_point = canonical(LowRank(X, Theta))
    assert canonical_point.X is X
    assert canonical_point.Theta is not Theta
    assert torch.equal(canonical_point.Theta, Theta)
    assert canonical_point.Y is None
    assert canonical(canonical_point) is canonical_point
