"""Page of the grid `users` in Markdown, from its rows; methods that are told the rank stand apart from `recover()`."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from wnsense.lab.bench.markdown import head_lines, markdown_table, number_text
from wnsense.lab.bench.users.user_comparison import MethodSummary, UserComparison, compare_user_cells
from wnsense.lab.bench.users.user_rows import EXACT_ERROR, EXACT_VALUES, FALSE_ERROR, UserRow

_NONE = "-"
_EXPLANATION = (
    "recover() is given the operator and the measurements alone. All other methods are told the rank. A success is a "
    f"run that calls itself one, with the right rank, a relative error of at most {EXACT_ERROR:g} and each singular "
    f"value to {EXACT_VALUES:g} of itself. A false success calls itself one at an error above {FALSE_ERROR:g}. Right "
    "are the successes, and refusals where a row or column has fewer entries than the rank. Medians are over all runs "
    "of a method in a cell; seconds are CPU seconds. The peer is the fastest method told the rank that succeeds in at "
    "least half of its runs. The ratio is the median over the problems that recover() and the peer both solved."
)


def user_summary(rows: Sequence[UserRow], facts: Mapping[str, object]) -> str:
    """Return the page.

    Args:
        rows: Rows of the table.
        facts: Description of the table.
    """
    comparisons = compare_user_cells(rows)
    exact = [c for c in comparisons if c.cell.is_exact]
    # Where recover() does worst stands first.
    exact.sort(key=lambda c: (c.recover.right / c.recover.runs, -c.recover.false_successes))
    decaying = [c for c in comparisons if not c.cell.is_exact]
    parts = [
        *head_lines(facts),
        _EXPLANATION,
        user_totals(rows),
        "## recover(), not told the rank, and the fastest peer, told the rank",
        markdown_table(_EXACT_HEAD, [_exact_line(c) for c in exact]),
    ]
    if decaying:
        parts += ["## Spectra that decay", markdown_table(_DECAY_HEAD, [_decay_line(c) for c in decaying])]
    others = [_told_line(c, method) for c in comparisons for method in c.others]
    if others:
        parts += ["## Methods that are told the rank", markdown_table(_TOLD_HEAD, others)]
    return "\n\n".join(parts) + "\n"


_COSTS = ("applications", "CPU s", "MiB")
_EXACT_HEAD = (
    "cell",
    "right",
    "success",
    "false",
    *_COSTS,
    "peer, told r",
    "its success",
    "its CPU s",
    "ratio of CPU s",
)
_DECAY_HEAD = ("cell", "rank", "error over best", *_COSTS, "best told r", "its error over best", "its CPU s")
_TOLD_HEAD = ("cell", "method, told r", "success", "false", "error over best", *_COSTS)


def user_totals(rows: Sequence[UserRow]) -> str:
    """Return one line on all cells whose truth is of low rank."""
    comparisons = [c for c in compare_user_cells(rows) if c.cell.is_exact]
    own = [c.recover for c in comparisons]
    ratios = [c.seconds_ratio for c in comparisons if not math.isnan(c.seconds_ratio)]
    text = (
        f"recover(): {sum(m.right for m in own)} of {sum(m.runs for m in own)} runs right, "
        f"{sum(m.successes for m in own)} successes, {sum(m.false_successes for m in own)} false successes, "
        f"{len(own)} cells."
    )
    if not ratios:
        return text
    spread = f"median {median(ratios):.2g}, largest {max(ratios):.2g}"
    return f"{text} CPU seconds over those of the fastest peer told the rank, {len(ratios)} cells: {spread}."


def _exact_line(c: UserComparison) -> list[str]:
    own, peer = c.recover, c.peer
    line = [c.cell.text, f"{own.right} of {own.runs}", _share(own), str(own.false_successes), *_cost_texts(own)]
    if peer is None:
        return [*line, "none", _NONE, _NONE, _NONE]
    return [*line, peer.method, _share(peer), number_text(peer.seconds), number_text(c.seconds_ratio)]


def _decay_line(c: UserComparison) -> list[str]:
    own, best = c.recover, c.best_other
    line = [c.cell.text, f"{own.rank:g}", number_text(own.best_ratio), *_cost_texts(own)]
    if best is None:
        return [*line, "none", _NONE, _NONE]
    return [*line, best.method, number_text(best.best_ratio), number_text(best.seconds)]


def _told_line(c: UserComparison, method: MethodSummary) -> list[str]:
    success, false = (_share(method), str(method.false_successes)) if c.cell.is_exact else (_NONE, _NONE)
    return [c.cell.text, method.method, success, false, number_text(method.best_ratio), *_cost_texts(method)]


def _share(method: MethodSummary) -> str:
    return f"{method.successes} of {method.runs}"


def _cost_texts(method: MethodSummary) -> list[str]:
    return [f"{method.applications:.0f}", number_text(method.seconds), number_text(method.memory)]
