"""Files on disk: whole or not at all, alone and together, with a full disk, and after a process that was killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import wnsense as wn
from wnsense import atomic
from wnsense.atomic import write_bytes, write_together
from wnsense.checks import InputError

NAMES = ("result.npz", "result.json", "report.html")


def contents(folder: Path, words: str) -> dict[Path, bytes]:
    return {folder / name: f"{words} {name}".encode() for name in NAMES}


def read(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.iterdir()}


def fail_at(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int, error: BaseException) -> None:
    """Let the k-th call of a function raise, and each later one work, as a disk does that somebody has cleared."""
    function: Callable[..., object] = getattr(owner, name)
    calls = []

    def failing(*args: object) -> object:
        calls.append(1)
        if len(calls) == call:
            raise error
        return function(*args)

    monkeypatch.setattr(owner, name, failing)


FAILURES = [
    (owner, name, call)
    for owner, name, calls in ((os, "fsync", (1, 2, 3)), (Path, "replace", (1, 2, 3)))
    for call in calls
]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OSError("full"), KeyboardInterrupt()], ids=repr
)
@pytest.mark.parametrize(("owner", "name", "call"), FAILURES)
@pytest.mark.parametrize("before", [False, True])
def test_files_appear_together_or_not_at_all(tmp_path, monkeypatch, before, owner, name, call, error):
    old = contents(tmp_path, "old") if before else {}
    if before:
        write_together(old)
    fail_at(monkeypatch, owner, name, call, error)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else InputError):
        write_together(contents(tmp_path, "new"))
    monkeypatch.undo()
    assert read(tmp_path) == old
    write_together(contents(tmp_path, "new"))
    assert read(tmp_path) == contents(tmp_path, "new")


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_in_the_way_of_one_file_stops_all(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"needed a place to write .*{name}, got: Is a directory"):
        write_together(contents(tmp_path, "new"))
    assert [path.name for path in tmp_path.iterdir()] == [name]


# A process that writes a file, tells when half of it is on disk, and then waits.
_WRITER = """
import sys, time
from pathlib import Path
from wnsense.atomic import write_chunks

def chunks():
    yield b"half"
    print("half", flush=True)
    time.sleep(60)

write_chunks(Path(sys.argv[1]), chunks())
"""


@pytest.fixture
def writer(tmp_path):
    with subprocess.Popen([sys.executable, "-c", _WRITER, tmp_path / "a.npz"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        yield process
        process.kill()


@pytest.mark.parametrize("name", ["a.npz", "another.json"])
def test_what_a_killed_process_left_is_cleared_by_the_next_write(tmp_path, writer, name):
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=60)
    assert len(list(tmp_path.iterdir())) == 1
    write_bytes(tmp_path / name, b"whole")
    assert read(tmp_path) == {tmp_path / name: b"whole"}


def test_the_file_of_a_living_process_is_left_alone(tmp_path, writer):
    partial = next(tmp_path.iterdir())
    write_bytes(tmp_path / "a.npz", b"whole")
    assert set(tmp_path.iterdir()) == {partial, tmp_path / "a.npz"}
    assert writer.poll() is None


def test_a_file_that_is_cleared_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    make, made = atomic.tempfile.mkstemp, []

    def cleared(**settings: object) -> tuple[int, str]:
        handle, name = make(**settings)
        made.append(name)
        if len(made) == 1:
            Path(name).unlink()
        return handle, name

    monkeypatch.setattr(atomic.tempfile, "mkstemp", cleared)
    write_bytes(tmp_path / "a.npz", b"whole")
    assert len(made) == 2
    assert read(tmp_path) == {tmp_path / "a.npz": b"whole"}


def test_files_of_others_are_no_leftovers(tmp_path):
    others = {tmp_path / name: b"mine" for name in (".a.npz.12345678", "wnsense-1.part", ".wnsense-1", ".x.part")}
    for path, content in others.items():
        path.write_bytes(content)
    write_bytes(tmp_path / "a.npz", b"whole")
    assert read(tmp_path) == {**others, tmp_path / "a.npz": b"whole"}


def test_the_longest_name_can_be_written(tmp_path):
    write_bytes(tmp_path / ("a" * 255), b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a" * 255]


def test_a_result_has_the_permissions_of_any_new_file(tmp_path):
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_full_disk_leaves_no_part_of_a_recovery(tmp_path, monkeypatch, call, before):
    operator = wn.GaussianSensing.draw(60, 6, generator=torch.Generator().manual_seed(0))
    recovery = wn.recover(operator, torch.ones(60, dtype=torch.float64), max_applications=20)
    if before:
        recovery.save(tmp_path)
    old = read(tmp_path)
    fail_at(monkeypatch, os, "fsync", call, OSError(28, "No space left on device"))
    with pytest.raises(InputError, match="got: No space left on device"):
        replace(recovery, seed=7).save(tmp_path)
    assert read(tmp_path) == old
    monkeypatch.undo()
    recovery.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(NAMES)
