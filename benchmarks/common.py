"""Arguments of every benchmark, and the head and storage of its tables."""

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

import wnsense as wn
from wnsense.lab import costs

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Return processor, cores, memory and versions as one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{costs.machine()} ({torch.get_num_threads()} threads), {memory:.0f} GiB; "
        f"Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}, wnsense {wn.__version__}"
    )


def arguments(
    description: str, *extra: tuple[str, int | bool | str], quick: Mapping[str, int] | None = None
) -> argparse.Namespace:
    """Parse `--seeds N`, `--quick`, `--write`, and further options with their defaults.

    Args:
        description: Text of `--help`.
        extra: Name and default of each further option; a name that begins with `_` is a size that only `--quick` changes.
        quick: Values of options under `--quick` besides one seed, unless they are given on the command line.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=int, default=10)
    for name, default in extra:
        if name.startswith("_"):
            parser.set_defaults(**{name[1:]: default})
        elif isinstance(default, bool):
            parser.add_argument(f"--{name}", action="store_true")
        else:
            parser.add_argument(f"--{name}", type=type(default), default=default)
    store = parser.add_mutually_exclusive_group()
    store.add_argument("--quick", action="store_true", help="small sizes, to check in seconds that the script runs")
    store.add_argument("--write", action="store_true", help="store the table under benchmarks/results")
    if parser.parse_args().quick:
        parser.set_defaults(seeds=1, **(quick or {}))
    return parser.parse_args()


def show(name: str, title: str, rows: list[list[object]], *, write: bool) -> None:
    """Print a table in Markdown, whose first row is the head, and store it if `write` is true."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [f"# {title}", "", machine(), "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text)
