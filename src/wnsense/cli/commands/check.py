"""`wnsense check`: its options."""

from dataclasses import dataclass
from pathlib import Path

from wnsense.cli.commands.execution import execute
from wnsense.cli.commands.parameters import ProblemFile, Seed

EPILOG = "Exit codes: 0 usable; 2 bad input; 3 the adjoint is wrong."


@dataclass(frozen=True)
class CheckOptions:
    """Options of `wnsense check`."""

    problem: Path
    seed: int


def check(problem: ProblemFile, *, seed: Seed = 0) -> None:
    """Examine PROBLEM without solving it: its operator, its measurements, and the ranks that it can determine."""
    from wnsense.cli.check import check as work

    execute(work, CheckOptions(problem, seed))
