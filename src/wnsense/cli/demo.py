"""`wnsense demo`: recovery of the covariance of real images."""

from collections.abc import Mapping

from wnsense.cli.commands.demo import DemoOptions
from wnsense.cli.demo_output import write_demo
from wnsense.cli.terminal import say, say_command
from wnsense.files.tables import Table
from wnsense.lab.demos.covariance.covariance_demo import THREE_LINES, run_demo
from wnsense.lab.demos.covariance.covariance_page import demo_page
from wnsense.lab.demos.covariance.covariance_picture import method_names
from wnsense.pages.style import METHODS


def demo(options: DemoOptions) -> int:
    """Run the demo, write its table and page, and summarize it; returns the exit code.

    Raises:
        InputError: If the images are not installed or the directory cannot be written.
    """
    table, page = write_demo(
        options, "demo", "reading images", lambda seed, progress: run_demo(seed=seed, progress=progress), demo_page
    )
    for line in _summary(table):
        say(line)
    say("The program:")
    for line in THREE_LINES.splitlines():
        say_command(f"    {line}")
    say("The page, which opens in any browser:")
    say_command(str(page))
    # The demo has shown what it is to show, whatever the status; the summary and the page tell it.
    return 0


def _summary(table: Table) -> list[str]:
    """Return the results of the demo in a few lines."""
    header: Mapping[str, object] = table.header
    side = f"{len(table.arrays['true_eigenvalues']):,}"
    kept = f"{header['measurements']:,} sketches of {header['images']:,} images"
    ends = [f"{METHODS[name].label}: {table.arrays[f'{name}_error'][-1]:.3f}" for name in method_names(table)]
    return [
        f"A covariance of {side} x {side} pixels, or {header['unknowns']:,} numbers, from {kept}.",
        f"{header['status']}: {header['advice']}",
        f"  effective rank {header['rank']}, found and not given",
        f"  relative error {header['relative_error']:.3f}; of the best matrix of that rank: {header['best_error']:.3f}",
        *(f"  relative error of {end}" for end in ends),
    ]
