"""`wnsense demo-networks`: training on real digits, with weight normalization and without."""

import os
import sys
import webbrowser

from wnsense.cli.commands.demo import DemoOptions
from wnsense.cli.demo_output import write_demo
from wnsense.cli.terminal import say, say_command
from wnsense.lab.demos.networks.networks_demo import run_demo
from wnsense.lab.demos.networks.networks_page import networks_page


def demo_networks(options: DemoOptions) -> int:
    """Run the demo, write its table and page, and open the page on a screen; returns the exit code.

    Raises:
        InputError: If the digits are not installed or the directory cannot be written.
    """
    table, page = write_demo(options, "networks-demo", "reading digits", run_demo, networks_page)
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
