"""Ctrl-C, SIGTERM and SIGHUP on the command line: a checkpoint, the command that resumes, and the same bits."""

import json
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wnsense import cli
from wnsense.cli import recover as recovering
from wnsense.files import tables
from wnsense.recovery import Recovery
from wnsense.running import progress_display

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The program in this process: its exit code, standard output and standard error."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise makes the search for the rank try several, so that there are many runs to be interrupted in."""
    path = tmp_path_factory.mktemp("problem") / "noisy.npz"
    with pytest.raises(SystemExit):
        cli.main(["simulate", "--out", str(path), "--size=20", "--rank=2", "--measurements=300", "--noise=0.05"])
    return path


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a signal arrive at the k-th sign of progress, a real one; returns what arranges that."""
    show = progress_display.Display.show

    def arrange(at: int, number: signal.Signals = signal.SIGINT) -> None:
        seen = 0

        def interrupting(self: progress_display.Display, progress: object) -> None:
            nonlocal seen
            seen += 1
            show(self, progress)
            if seen == at:
                signal.raise_signal(number)

        monkeypatch.setattr(progress_display.Display, "show", interrupting)

    return arrange


def assert_same_results(one: Path, other: Path) -> None:
    """Bit for bit, but for the time it took."""
    with np.load(one / "result.npz") as first, np.load(other / "result.npz") as second:
        assert first.files == second.files
        for name in set(first.files) - {"header_json", "trace_seconds"}:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    facts = [json.loads((place / "result.json").read_text()) for place in (one, other)]
    for found in facts:
        del found["seconds"]
    assert facts[0] == facts[1]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


SHARES = [(0, signal.SIGINT), (0.3, signal.SIGTERM), (0.7, signal.SIGHUP), (0.9, signal.SIGTERM)]


@pytest.mark.parametrize("interruption", SHARES, ids=str)
@pytest.mark.fast(interruption=["(0, <Signals.SIGINT: 2>)", "(0.3, <Signals.SIGTERM: 15>)"])
def test_interrupted_and_resumed_is_bit_for_bit_uninterrupted(run, problem, tmp_path, signals, interruption):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run("recover", problem, "--out", whole)[0] == 0
    with np.load(whole / "result.npz") as result:
        looks = len(result["trace_step"])
    share, number = interruption
    signals(max(1, round(share * looks)), number)
    code, out, err = run("recover", problem, "--out", parts)
    signals(0)
    assert (code, out) == (128 + number, "")
    assert names(parts) == ["checkpoint.npz"]
    [told, command] = err.splitlines()
    assert str(parts / "checkpoint.npz") in told
    words = shlex.split(command)
    assert "--resume" in words
    code, out, err = run(*words[words.index("recover") :])
    assert (code, err) == (0, "")
    assert_same_results(whole, parts)
    assert names(parts) == ["report.html", "result.json", "result.npz"]


def test_many_interruptions_change_nothing(run, problem, tmp_path, signals):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = ["--seed", "5", "--holdout", "0.2"]
    assert run("recover", problem, "--out", whole, *options)[0] == 0
    signals(5)
    resume: list[str] = []
    for _ in range(600):
        code, _, _ = run("recover", problem, "--out", parts, *options, *resume)
        if code == 0:
            break
        assert code == 130
        resume = ["--resume"]
        signals(5)
    assert resume
    assert_same_results(whole, parts)


def test_spent_budget_goes_on_with_the_command_that_was_shown(run, problem, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run("recover", problem, "--out", whole)[0] == 0
    code, out, _ = run("recover", problem, "--out", parts, "--max-applications", "30")
    assert code == 3
    assert (parts / "checkpoint.npz").exists()
    words = shlex.split(out.splitlines()[-1])
    assert run(*words[words.index("recover") :])[0] == 0
    assert_same_results(whole, parts)
    assert names(parts) == ["report.html", "result.json", "result.npz"]


def test_resume_command_repeats_the_options_that_were_typed(run, problem, tmp_path, signals):
    awkward = tmp_path / "it's a problem; really.npz"
    awkward.write_bytes(problem.read_bytes())
    numbers = {"--rank": 3, "--noise-level": 1e-3, "--tolerance": 1e-9, "--max-applications": 5000, "--seed": 4}
    typed = [word for name, value in numbers.items() for word in (name, str(value))]
    signals(3)
    code, out, err = run("recover", awkward, "--out", tmp_path / "r", "--solver", "wn", "--quiet", *typed)
    assert (code, out) == (130, "")
    words = shlex.split(err.splitlines()[-1])
    words = words[words.index("recover") :]
    assert words[1] == str(awkward)
    assert {name: float(words[words.index(name) + 1]) for name in numbers} == numbers
    assert words[words.index("--solver") + 1] == "wn"
    assert {"--quiet", "--resume"} <= set(words)
    assert "--dtype" not in words


def test_interruption_without_a_directory_says_what_would_have_helped(run, problem, signals, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    signals(3)
    code, out, err = run("recover", problem)
    assert (code, out) == (130, "")
    assert "--out" in err
    assert len(err.splitlines()) == 1
    assert not names(tmp_path)


def test_interruption_before_the_first_step_keeps_nothing(run, problem, tmp_path, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(recovering, "read_problem", interrupted)
    code, out, err = run("recover", problem, "--out", tmp_path / "r")
    assert (code, out) == (130, "")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "r").exists()


def test_asking_twice_does_not_cost_the_checkpoint(run, problem, tmp_path, signals, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run("recover", problem, "--out", whole)[0] == 0
    write = tables.write_bytes

    def impatient(path: Path, content: bytes) -> None:
        signal.raise_signal(signal.SIGINT)
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(tables, "write_bytes", impatient)
        signals(6)
        code, _, err = run("recover", problem, "--out", parts)
    assert code == 130
    assert "--resume" in err
    assert names(parts) == ["checkpoint.npz"]
    signals(0)
    assert run("recover", problem, "--out", parts, "--resume")[0] == 0
    assert_same_results(whole, parts)


def test_interruption_while_results_are_written_lets_them_be_finished(run, problem, tmp_path, monkeypatch):
    save = Recovery.save

    def interrupted(self: Recovery, directory: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        save(self, directory)

    monkeypatch.setattr(Recovery, "save", interrupted)
    assert run("recover", problem, "--out", tmp_path)[0] == 0
    assert names(tmp_path) == ["report.html", "result.json", "result.npz"]


def test_signals_are_as_they_were_afterwards(run, problem):
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    run("recover", problem, "--max-applications", "30")
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_signal_that_was_ignored_stays_ignored(run, problem, tmp_path, signals):
    """`nohup` starts a program so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals(3, signal.SIGHUP)
        assert run("recover", problem, "--out", tmp_path)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_second_signal_does_not_change_the_exit_code(run, problem, tmp_path, signals, monkeypatch, number):
    write = tables.write_bytes

    def impatient(path: Path, content: bytes) -> None:
        signal.raise_signal(signal.SIGINT)
        write(path, content)

    monkeypatch.setattr(tables, "write_bytes", impatient)
    signals(6, number)
    assert run("recover", problem, "--out", tmp_path)[0] == 128 + number
    assert names(tmp_path) == ["checkpoint.npz"]


# -- going on from something else --------------------------------------------------------------------------------------


def _interrupted(run: Run, problem: Path, directory: Path, signals: Callable[..., None]) -> None:
    signals(4)
    assert run("recover", problem, "--out", directory)[0] == 130
    signals(0)


def test_beginning_anew_replaces_an_old_checkpoint_and_says_so(run, problem, tmp_path, signals):
    _interrupted(run, problem, tmp_path, signals)
    code, _, err = run("recover", problem, "--out", tmp_path)
    assert code == 0
    assert "--resume" in err
    assert len(err.splitlines()) == 1
    assert names(tmp_path) == ["report.html", "result.json", "result.npz"]


def test_checkpoint_of_other_options_or_damaged_is_refused_in_one_line(run, problem, tmp_path, signals):
    _interrupted(run, problem, tmp_path, signals)
    checkpoint = tmp_path / "checkpoint.npz"
    whole = checkpoint.read_bytes()
    for options in (["--seed", "1"], ["--rank", "2"], ["--solver", "wn"]):
        code, out, err = run("recover", problem, "--out", tmp_path, "--resume", *options)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert checkpoint.read_bytes() == whole
    for damaged in (whole[: len(whole) // 2], b"", b"no archive"):
        checkpoint.write_bytes(damaged)
        code, out, err = run("recover", problem, "--out", tmp_path, "--resume")
        assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert names(tmp_path) == ["checkpoint.npz"]


def test_resuming_needs_a_directory_with_a_checkpoint(run, problem, tmp_path):
    for place in ([], ["--out", tmp_path / "r"]):
        code, out, err = run("recover", problem, "--resume", *place)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert not names(tmp_path)
