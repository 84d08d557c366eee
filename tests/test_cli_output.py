"""Standard output that is closed, full or without a reader: an exit code and at most one line, for every command."""

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wnsense import cli


class Failing(io.RawIOBase):
    """A file that cannot be written, as one on a full disk or a pipe without a reader."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.place = os.open(os.devnull, os.O_RDONLY)

    def fileno(self) -> int:
        return self.place

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        raise OSError(self.number, os.strerror(self.number))


def failing(number: int, *, buffered: bool) -> io.TextIOWrapper:
    """Return such a stream. It is left open, because closing it would write again."""
    raw = Failing(number)
    stream = io.TextIOWrapper(io.BufferedWriter(raw) if buffered else raw, write_through=not buffered)
    OPEN.append(stream)
    return stream


OPEN: list[io.TextIOWrapper] = []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    F, vectors = rng.standard_normal((8, 1)), rng.standard_normal((60, 8))
    np.savez(tmp_path / "p.npz", y=((vectors @ F) ** 2).sum(1), vectors=vectors)
    A, z = rng.standard_normal((20, 30)), np.zeros(30)
    z[3] = 1.0
    np.savez(tmp_path / "s.npz", A=A, y=A @ z)
    return tmp_path


COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "help": lambda _: ["--help"],
    "version": lambda _: ["--version"],
    "help of a command": lambda _: ["study", "run", "--help"],
    "study list": lambda _: ["study", "list"],
    "simulate": lambda at: ["simulate", "--size=8", "--rank=1", f"--out={at / 'new.npz'}"],
    "check": lambda at: ["check", str(at / "p.npz")],
    "recover": lambda at: ["recover", str(at / "p.npz"), f"--out={at / 'results'}"],
    "sparse": lambda at: ["sparse", str(at / "s.npz")],
}


def run(words: list[str], stream: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> object:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
    return ended.value.code


@pytest.mark.parametrize("buffered", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE, errno.EBADF, errno.EIO])
@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_output_that_cannot_be_written_is_one_line(folder, command, number, buffered, monkeypatch, capsys):
    code = run(COMMANDS[command](folder), failing(number, buffered=buffered), monkeypatch)
    said = capsys.readouterr().err
    assert code == 1
    if number == errno.EPIPE:
        assert said == ""
    else:
        assert said.startswith(f"wnsense: needed a place for the output, got: {os.strerror(number)}")
        assert len(said.splitlines()) == 1
    if command == "recover":
        assert sorted(path.name for path in (folder / "results").iterdir()) == [
            "report.html",
            "result.json",
            "result.npz",
        ]


def test_bad_input_keeps_its_code_and_its_line(folder, monkeypatch, capsys):
    for words in (["recover", str(folder / "none.npz")], ["recover", "--bad"]):
        assert run(words, failing(errno.ENOSPC, buffered=True), monkeypatch) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


WAYS = {
    "reader gone": ("| head -c 0", 0),
    "closed": (">&-", 1),
    "full": ("> /dev/full", 1),
    "both closed": (">&- 2>&-", 0),
    "both full": ("> /dev/full 2> /dev/full", 0),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("words", [["--help"], ["recover", "p.npz", "--out", "results"]], ids=lambda words: words[0])
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.fast(unbuffered=[""])
def test_a_shell_can_close_or_fill_the_output(folder, way, words, unbuffered):
    redirection, lines = WAYS[way]
    command = f'set -o pipefail; "{sys.executable}" -m wnsense {" ".join(words)} {redirection}'
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert len(ended.stderr.splitlines()) == lines
