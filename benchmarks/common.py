"""What every benchmark prints first, and how results are written down."""

import argparse
import os
import platform
import sys
from pathlib import Path

import numpy as np
import torch

import wnsense as wn

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Processor, cores, memory and versions, as one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores ({torch.get_num_threads()} threads), {memory:.0f} GiB; "
        f"Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}, wnsense {wn.__version__}"
    )


def arguments(description: str, *extra: tuple[str, int | bool]) -> argparse.Namespace:
    """`--seeds N`, `--write`, which stores the table under benchmarks/results, and options with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=int, default=10)
    for name, default in extra:
        if isinstance(default, bool):
            parser.add_argument(f"--{name}", action="store_true")
        else:
            parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--write", action="store_true", help="store the table under benchmarks/results")
    return parser.parse_args()


def show(name: str, title: str, rows: list[list[object]], *, write: bool) -> None:
    """Print a table in Markdown, the first row its head; store it when asked to."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [f"# {title}", "", machine(), "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
