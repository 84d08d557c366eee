"""Run the tests that concern a changed line of the source, on a copy, and say whether they fail.

Used by `planted_faults.py` and `mutants.py`. Each trial is a process of its own, forked from one that has imported
the large libraries, with one thread and a time limit.
"""

import contextlib
import importlib
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LIBRARIES = (
    *("torch", "numpy", "scipy.stats", "scipy.sparse.linalg", "scipy.optimize", "matplotlib.figure", "pytest"),
    *("beartype", "typer", "rich", "numba"),
)
_MEMORY = 8 << 30
# Seconds of CPU time after which the tests of one fault are given up: those that call the function, and whole files.
_LONGEST, _LONGEST_FILES = 120.0, 40.0
# A command line holds no more names.
_MOST_TESTS = 400


@dataclass(frozen=True)
class Coverage:
    """Tests of the fast suite by the functions that they call, with their seconds and those that fail anyway."""

    callers: dict[str, list[str]]
    seconds: dict[str, float]
    failed: tuple[str, ...] = ()

    @classmethod
    def measured(cls, folder: Path, source: Path) -> "Coverage":
        """Return what a run of the fast suite recorded in a folder; make the run if the folder is missing."""
        if not folder.exists():
            folder.mkdir(parents=True)
            environment = os.environ | {
                "RECORD_CALLS": str(folder / "calls"),
                "PYTHONPATH": str(source / "src"),
                "OMP_NUM_THREADS": "1",
            }
            words = ["-m", "not slow", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider"]
            subprocess.run([sys.executable, "-m", "pytest", "-q", *words], cwd=source, env=environment, check=False)
        callers: dict[str, set[str]] = defaultdict(set)
        seconds: dict[str, float] = {}
        failed: set[str] = set()
        for path in folder.glob("calls.*"):
            part = json.loads(path.read_text())
            for function, tests in part["callers"].items():
                callers[function].update(test for test in tests if test)
            seconds |= part["seconds"]
            failed.update(part.get("failed", ()))
        return cls({function: sorted(tests) for function, tests in callers.items()}, seconds, tuple(sorted(failed)))

    def tests_of(self, module: str, function: str | None) -> list[str]:
        """Return the tests that call a function, or anything of its module, the quickest first."""
        exact = self.callers.get(f"{module}:{function}", []) if function else []
        prefix = f"{module}:"
        near = {test for key, tests in self.callers.items() if key.startswith(prefix) for test in tests}
        return sorted(exact or near, key=lambda test: (self.seconds.get(test, 1.0), test))

    def files_of(self, module: str, function: str | None) -> list[str]:
        """Return the test files that call a function, or those that name its module if none is known."""
        tests = self.tests_of(module, function)
        if tests:
            return sorted({test.partition("::")[0] for test in tests})
        # Constants without a function: the tests of the modules that import them.
        users = [test for user in _modules_that_import(module) for test in self.tests_of(user, None)]
        return sorted({test.partition("::")[0] for test in users}) or ["tests/test_public_names.py"]

    def time_of(self, tests: list[str]) -> float:
        """Return the seconds that tests took."""
        return sum(self.seconds.get(test, 1.0) for test in tests)


@dataclass
class Copy:
    """A copy of the repository in which source files are changed."""

    root: Path
    _tick: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def made(cls, root: Path) -> "Copy":
        """Return a copy: source and tests are copied, all else is linked."""
        root.mkdir(parents=True, exist_ok=True)
        for name in ("src", "tests"):
            if not (root / name).exists():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in ROOT.iterdir():
            if path.name not in {"src", "tests", ".git"} and not (root / path.name).exists():
                (root / path.name).symlink_to(path)
        return cls(root)

    @contextlib.contextmanager
    def changed(self, path: str, text: str) -> Iterator[None]:
        """Put a text in place of a source file, with a time of its own, so that no stale bytecode is taken."""
        file = self.root / path
        before = file.read_text()
        try:
            self._write(file, text)
            yield
        finally:
            self._write(file, before)

    def _write(self, file: Path, text: str) -> None:
        file.write_text(text)
        stamp = time.time() - 1_000_000 + 10 * next(self._tick)
        os.utime(file, (stamp, stamp))


def warm_up() -> None:
    """Import what every trial needs and no fault changes."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)


class Ending(StrEnum):
    """Endings of a test run."""

    FAILED = "failed"
    PASSED = "passed"
    TIMED_OUT = "timed out"


def run_tests(copy: Copy, words: list[str], limit: float, log: Path) -> tuple[Ending, str]:
    """Run pytest on the copy in a forked process; return how it ended and the test that failed first."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_in_child(copy, words, limit, log)
    status = None
    while status is None:
        done, ended = os.waitpid(child, os.WNOHANG)
        if done:
            status = ended
        elif time.monotonic() - started > 8 * limit:
            os.killpg(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
        else:
            time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if os.WIFSIGNALED(status):
        return Ending.TIMED_OUT, ""
    lines = log.read_text(errors="replace").splitlines()
    first = next((line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-1] if lines else "")
    code = os.waitstatus_to_exitcode(status)
    # A file that cannot be imported is a failure; a test that does not exist is a mistake of these trials.
    if code == 70 or (code == 4 and not first.startswith("ERROR tests/")):
        raise RuntimeError(f"the tests could not be run, see {log}: {first}")
    # 5: nothing was collected, which no failure is.
    return (Ending.PASSED if code in {0, 5} else Ending.FAILED), first


def _run_in_child(copy: Copy, words: list[str], limit: float, log: Path) -> None:
    os.setsid()
    code = 70
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 5))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        output = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(copy.root)
        os.environ["PYTHONPATH"] = str(copy.root / "src")
        os.environ["OMP_NUM_THREADS"] = "1"
        sys.path[:0] = [str(copy.root / "src")]
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--tb=line", *words]))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def module_of(path: str) -> str:
    """Return the module of a path below the root."""
    parts = Path(path).with_suffix("").parts[1:]
    return ".".join(part for part in parts if part != "__init__")


@dataclass(frozen=True)
class Verdict:
    """Verdict of a suite on one changed line.

    Attributes:
        suite: "fast" or "slow", the suite that failed; "survived" if the fast one passes and the slow one is not tried;
            "none" if both pass; "undecided" if the slow one did not end in time.
        test: Test that failed first.
        seconds: Seconds that the trial took.
    """

    suite: str
    test: str
    seconds: float


def try_fast(copy: Copy, coverage: Coverage, path: str, text: str, function: str | None) -> Verdict:
    """Run the fast suite on a source file with another text.

    First the tests that call the function, then their files whole, in which fixtures are made once for several tests.
    """
    module = module_of(path)
    few = coverage.tests_of(module, function)[:_MOST_TESTS]
    files = coverage.files_of(module, function)
    in_files = coverage.time_of([test for test in coverage.seconds if test.startswith(tuple(files))])
    started = time.monotonic()
    with copy.changed(path, text):
        for words, expected, most in ((few, coverage.time_of(few), _LONGEST), (files, in_files, _LONGEST_FILES)):
            if words:
                skipped = [f"--deselect={test}" for test in coverage.failed]
                command = ["-m", "not slow", *skipped, *words]
                ending, first = run_tests(copy, command, min(30 + expected, most), copy.root / "trial.log")
                # Whole files that are given up show nothing; the few tests that call the function end by themselves.
                if ending is Ending.FAILED or (ending is Ending.TIMED_OUT and words is few):
                    return Verdict("fast", first or str(ending), time.monotonic() - started)
    return Verdict("survived", "", time.monotonic() - started)


def try_slow(copy: Copy, coverage: Coverage, path: str, text: str, function: str | None, *, limit: float) -> Verdict:
    """Run the slow cases of the files that call the function, within a limit in seconds of CPU time."""
    module = module_of(path)
    full = ["tests/test_full_operators.py"] if module.startswith(("wnsense.sensing", "wnsense.linalg")) else []
    started = time.monotonic()
    with copy.changed(path, text):
        words = ["-m", "slow", *full, *coverage.files_of(module, function)]
        ending, first = run_tests(copy, words, limit, copy.root / "trial.log")
    suites = {Ending.PASSED: "none", Ending.FAILED: "slow", Ending.TIMED_OUT: "undecided"}
    return Verdict(suites[ending], first, time.monotonic() - started)


def _modules_that_import(module: str) -> list[str]:
    words = f"from {module} import"
    paths = sorted((ROOT / "src").rglob("*.py"))
    return [module_of(str(path.relative_to(ROOT))) for path in paths if words in path.read_text()]
