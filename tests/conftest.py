"""Set-up of every test run: shapes and types are checked, and each worker keeps to one thread."""

import gc
import signal
from functools import partial
from pathlib import Path

import jaxtyping
import pytest
import torch

from cases import sparing_checks

# Before anything of the package is imported: what its annotations say is then enforced. An int is a float, as PEP 484
# and mypy have it.
_CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
# Not in the compiled kernels, whose compiler would meet the checks instead of the code.
_SOURCE = Path(__file__).parents[1] / "src"
_CHECKED = [
    ".".join(path.with_suffix("").relative_to(_SOURCE).parts)
    for path in _SOURCE.rglob("*.py")
    if path.stem != "__init__" and not path.stem.endswith("kernels")
]
jaxtyping.jaxtyped = sparing_checks.jaxtyped
jaxtyping.install_import_hook(_CHECKED, _CHECKER)

torch.set_num_threads(1)

# Imports and thousands of tests make objects that stay, and each collection of garbage looks through all of them: a
# third of the time until the tests start. There is next to no garbage until then.
gc.disable()

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the full products out where no slow case is run: to collect them takes longer than many tests."""
    return (collection_path.name.startswith("test_full_") and config.option.markexpr == "not slow") or None


# Files whose tests take the longest, longest first. Workers take whole files; a long one begun last would end alone.
_LONGEST = (
    *("recovery", "network_studies", "report", "diagonal_flow", "studies", "cli", "diagonal_studies"),
    *("interactive_report", "bench", "operators", "learning_study", "cli_process", "diagnosis", "sparse_recover"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first."""
    places = {f"test_{name}": place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Collect garbage again, but not among what was made so far, which stays to the end, and less often."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a parametrized case slow if its test names others for the fast suite: `@pytest.mark.fast(name=values)`."""
    callspec = getattr(item, "callspec", None)
    for mark in item.iter_markers("fast"):
        for name, values in mark.kwargs.items():
            if str(callspec.params[name]) not in [str(value) for value in values]:
                item.add_marker(pytest.mark.slow)
        if mark.args and callspec.id not in mark.args:
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the checks begin anew with each test, and the generators that a draw takes if it names none."""
    torch.manual_seed(0)
    sparing_checks.CurrentTest.number += 1
    sparing_checks.CurrentTest.name = item.nodeid


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record how long each test takes, and whether it fails."""
    sparing_checks.record_outcome(report.nodeid, report.duration, failed=report.failed)


@pytest.fixture
def as_users_run(monkeypatch):
    """Switch the run-time checks off, so that hostile input meets what a user's hostile input meets."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def wnsense(capsys):
    """The program, run in this process: from words to how it ended."""
    # Imported now, after the hook.
    from cases.commands import run_command

    return partial(run_command, capsys)
