"""Pieces of the benchmark's pages in Markdown."""

import math
from collections.abc import Mapping, Sequence


def head_lines(facts: Mapping[str, object]) -> list[str]:
    """Return the title of a page, and a line on the machine and the versions.

    Args:
        facts: Description of the table.
    """
    stored = facts.get("versions")
    versions = ", ".join(f"{k} {v}" for k, v in stored.items()) if isinstance(stored, Mapping) else ""
    return [f"# Benchmark: grid {facts.get('grid')}", f"{facts.get('machine')}; {versions}; one thread a process."]


def number_text(value: float | None) -> str:
    """Return a number with three digits; `-` for None and NaN."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.3g}" if math.isfinite(value) else "infinite"


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))
