"""`wnsense demo-networks`: training on real digits, with weight normalization and without."""

import os
import sys
import webbrowser

from wnsense.atomic import write_text
from wnsense.cli.commands.demo_networks import NetworkDemoOptions
from wnsense.cli.inputs import require_seed, require_writable
from wnsense.cli.interrupts import interruptible
from wnsense.cli.terminal import display, say, say_command
from wnsense.files.tables import write_table
from wnsense.lab.demos.networks.networks_demo import run_demo
from wnsense.lab.demos.networks.networks_page import networks_page

_TABLE, _PAGE = "networks-demo.npz", "networks-demo.html"


def demo_networks(options: NetworkDemoOptions) -> int:
    """Run the demo, write its table and page, and open the page on a screen; returns the exit code.

    Raises:
        InputError: If the digits are not installed or the directory cannot be written.
    """
    require_seed(options.seed)
    require_writable(options.out, [_TABLE, _PAGE])
    page = options.out / _PAGE
    with interruptible() as interrupts, display("reading digits") as shown:
        table = run_demo(options.seed, shown.count)
        shown.stage("drawing the page")
        with interrupts.held():
            write_table(options.out / _TABLE, table)
            write_text(page, networks_page(table))
    for name, words in (("wn", "with weight normalization"), ("plain", "without")):
        losses, accuracy = table.arrays[f"{name}_train_loss"], table.arrays[f"{name}_test_accuracy"]
        say(f"{words}: loss {losses[0]:.3f} to {losses[-1]:.3f}, {100 * accuracy[-1]:.1f} % of new digits right")
    say("The page, which opens in any browser:")
    say_command(str(page.resolve()))
    if has_screen():
        webbrowser.open(page.resolve().as_uri())
    return 0


def has_screen() -> bool:
    """Return True if a window would be seen: from a terminal, and on Linux with a display besides."""
    if not sys.stdout.isatty():
        return False
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
