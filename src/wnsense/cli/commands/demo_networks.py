"""`wnsense demo-networks`: its options."""

from pathlib import Path

from wnsense.cli.commands.demo import DemoOptions
from wnsense.cli.commands.execution import execute
from wnsense.cli.commands.parameters import DemoDirectory, Seed


def demo_networks(*, out: DemoDirectory = Path("demo"), seed: Seed = 0) -> None:
    """Learn real digits with weight normalization and without, and write a page that shows what happens."""
    from wnsense.cli.demo_networks import demo_networks as work

    execute(work, DemoOptions(out, seed))
