"""The program, run in the process of the tests."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from wnsense import cli


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


def run_command(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Outcome:
    """What became of `wnsense` with these words."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return Outcome(ended.value.code, said.out, said.err)


def assert_refused(outcome: Outcome, *words: str) -> None:
    """Bad input: exit code 2, and one line on standard error that says what was wrong."""
    assert outcome.code == 2
    assert outcome.out == ""
    assert re.fullmatch(r"wnsense: [^\n]+\n", outcome.err), outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err
