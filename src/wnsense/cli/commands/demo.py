"""`wnsense demo`: its options."""

from dataclasses import dataclass
from pathlib import Path

from wnsense.cli.commands.execution import execute
from wnsense.cli.commands.parameters import DemoDirectory, Seed


@dataclass(frozen=True)
class DemoOptions:
    """Options of `wnsense demo` and of `wnsense demo-networks`."""

    out: Path
    seed: int


def demo(*, out: DemoDirectory = Path("demo"), seed: Seed = 0) -> None:
    """Recover the covariance of handwritten digits from random sketches, and write a page that shows how."""
    from wnsense.cli.demo import demo as work

    execute(work, DemoOptions(out, seed))
