"""The command line as a process of its own: pipes, signals from outside, and commands pasted into a shell."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# Whatever moves a cursor or colours text; a line's end is none of it.
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x9b]")

# The program with SIGINT ignored, as in a background job of a shell; after a few steps it waits for a signal.
_WAITING = f"""#!{sys.executable}
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
from wnsense.cli import main
from wnsense.running import progress_display
def wait(self, progress):
    if progress.step == 3:
        os.write(1, b"under way\\n")
        time.sleep(60)
if "--resume" not in sys.argv:
    progress_display.Display.show = wait
main()
"""


def start(*words: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Start a command with the tests' Python first in its PATH, in a shell's worst mood for a program that is piped."""
    environment = os.environ | {
        "PATH": f"{cwd}{os.pathsep}{os.environ.get('PATH', '')}",
        "OMP_NUM_THREADS": "1",
        "FORCE_COLOR": "1",
        "PYTHONWARNINGS": "error",
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    F, vectors = rng.standard_normal((20, 2)), rng.standard_normal((300, 20))
    path = tmp_path / "it's a problem.npz"
    np.savez(path, y=((vectors @ F) ** 2).sum(1), vectors=vectors)
    return path


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["--help"], {}),
        (["--version"], {}),
        (["study", "run", "--help"], {}),
        ([], {"_WNSENSE_COMPLETE": "complete_bash", "COMP_WORDS": "wnsense study run fig", "COMP_CWORD": "3"}),
        ([], {"_WNSENSE_COMPLETE": "source_bash"}),
    ],
    ids=["help", "version", "help of a command", "completion", "completion script"],
)
def test_help_and_completion_load_no_numerical_library(words, variables):
    program = """import sys
from wnsense.cli import main
try:
    main()
finally:
    print("loaded:", *sorted({name.split(".")[0] for name in sys.modules}))"""
    command = [sys.executable, "-c", program, *words]
    ended = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    said, _, loaded = ended.stdout.partition("loaded: ")
    assert "typer" in loaded.split()
    assert not {"torch", "numpy", "scipy", "matplotlib", "pandas"} & set(loaded.split())
    if "COMP_WORDS" in variables:
        assert set(said.split()) == {f"figure-{number}" for number in ("1", "2a", "2b", "2c", "3a", "3b", "4")}
    else:
        assert "wnsense" in said


def test_piped_output_has_no_control_characters(problem):
    with start(sys.executable, "-m", "wnsense", "recover", problem, cwd=problem.parent) as running:
        out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert "converged" in out
    assert not CONTROL.search(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.fast(number=["15"])
def test_signal_leaves_a_checkpoint_and_a_command_that_a_shell_takes(problem, number):
    here = problem.parent
    program = here / "wnsense"
    program.write_text(_WAITING)
    program.chmod(0o755)
    with start("wnsense", "recover", problem.name, "--out", "my results", cwd=here) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "under way\n"
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (128 + number, "")
    assert [path.name for path in (here / "my results").iterdir()] == ["checkpoint.npz"]
    [told, command] = err.splitlines()
    assert told.startswith("wnsense: interrupted")
    assert command.startswith("wnsense recover ")

    with start("sh", "-c", command, cwd=here) as resumed:
        out, err = resumed.communicate(timeout=60)
    assert (resumed.returncode, err) == (0, "")
    assert "converged" in out
    written = sorted(path.name for path in (here / "my results").iterdir())
    assert written == ["report.html", "result.json", "result.npz"]


def test_a_terminal_that_is_closed_leaves_a_checkpoint(problem):
    """The progress display and all messages have nowhere to go then."""
    here = problem.parent
    program = here / "wnsense"
    reading, writing = os.pipe()
    program.write_text(_WAITING.replace("os.write(1,", f"os.write({writing},"))
    child, terminal = pty.fork()
    if child == 0:
        os.set_inheritable(writing, True)
        os.execv(sys.executable, [sys.executable, str(program), "recover", str(problem), "--out", str(here / "r")])
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.readline() == "under way\n"
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    assert [path.name for path in (here / "r").iterdir()] == ["checkpoint.npz"]
