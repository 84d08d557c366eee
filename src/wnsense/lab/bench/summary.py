"""Tables of the benchmark in Markdown, from its rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from wnsense.lab.bench.cells import Cell
from wnsense.lab.bench.comparison import (
    PLENTY,
    BestMethod,
    Comparison,
    RatioSummary,
    cells_of,
    compare_cells,
    group_rows,
    median_to,
    success,
    summarize_ratios,
)
from wnsense.lab.bench.contestants import CONTESTANTS, RECOVER
from wnsense.lab.bench.markdown import head_lines, markdown_table, number_text
from wnsense.lab.bench.rows import ACCURACIES, NEVER, Purpose, Row
from wnsense.running.status import Status

_NONE = "-"
# Largest relative error of an exact answer; few measurements may determine some directions only weakly.
_RIGHT = 1e-6
_ALONE = (
    "recover() is given nothing but operator and measurements, and what it holds out is part of n. The oracle is the "
    "least-squares fit of rank r_A started at the truth. Medians over seeds; applications are all that were spent."
)
_EXPLANATION = (
    "Applications are of M or M* on one point. Medians are over seeds; a run that never gets there counts as infinite. "
    "A baseline is given the rank cap and stops by the true error; recover() is given nothing."
)


def summary(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """Return the page of a grid in Markdown.

    Args:
        rows: Rows of the table.
        facts: Description of the table, as `grid_run.facts` returns it.
    """
    head = head_lines(facts)
    if all(row.key.method == RECOVER for row in rows):
        return "\n\n".join([*head, *_answers_parts(rows)]) + "\n"
    comparisons = compare_cells(rows)
    plenty = [c for c in comparisons if c.cell.oversampling >= PLENTY]
    scarce = [c for c in comparisons if c.cell.oversampling < PLENTY]
    parts = [
        *head,
        _EXPLANATION,
        "## recover() against the best baseline, applications to 1e-10",
        markdown_table(
            ["cells", "number", "median ratio, published", "median ratio, tuned", "largest ratio", "where"],
            [
                _ratios_line(f"n at least {PLENTY:g} degrees of freedom", summarize_ratios(plenty)),
                _ratios_line("fewer", summarize_ratios(scarce)),
            ],
        ),
        _shortfalls(comparisons),
        _ranks_found(rows),
        "## Cell by cell",
        markdown_table(
            [*_CELL_HEAD, "recover()", "success", "best published", "best tuned", "ratio", "ratio, tuned"],
            [_comparison_line(c) for c in comparisons],
        ),
        *_methods_parts(rows),
        *_noise_parts(rows),
    ]
    return "\n\n".join(parts) + "\n"


_CELL_HEAD = ["ensemble", "m", "r_A", "cap", "kappa", "n / freedom"]


def _cell_texts(cell: Cell) -> list[str]:
    numbers = (cell.size, cell.rank, cell.cap, cell.condition, cell.oversampling)
    return [f"{cell.ensemble} {cell.kind}", *(f"{number:g}" for number in numbers)]


def _ratios_line(words: str, ratios: RatioSummary) -> list[str]:
    where = _NONE if ratios.largest is None else cell_text(ratios.largest.cell)
    largest = None if ratios.largest is None else ratios.largest.largest_ratio
    medians = (number_text(ratios.median_default), number_text(ratios.median_tuned))
    return [words, str(ratios.cells), *medians, number_text(largest), where]


def cell_text(cell: Cell) -> str:
    """Return the text of a cell in one line."""
    text = (
        f"{cell.ensemble} {cell.kind}, m {cell.size}, r_A {cell.rank}, cap {cell.cap}, kappa {cell.condition:g}, "
        f"n / freedom {cell.oversampling:g}"
    )
    return f"{text}, noise {cell.noise:g}" if cell.noise else text


def _shortfalls(comparisons: Sequence[Comparison]) -> str:
    short = [c for c in comparisons if c.success < c.best_success]
    if not short:
        return "In no cell is recover()'s success rate below that of the best baseline."
    lines = [f"- {cell_text(c.cell)}: {c.success:.0%} against {c.best_success:.0%}" for c in short]
    return "\n".join(
        [f"Cells where recover()'s success rate is below that of the best baseline: {len(short)}", "", *lines]
    )


def _ranks_found(rows: Sequence[Row]) -> str:
    """Return how many answers that `recover()` calls converged are exact in rank and error."""
    exact = [row for row in rows if row.key.method == RECOVER and row.status == Status.CONVERGED]
    right = sum(row.rank == row.key.cell.rank and row.error <= _RIGHT for row in exact)
    result = f"{right} have the rank r_A and an error below {_RIGHT:g}"
    return f"Of {len(exact)} runs that recover() called converged, {result}."


def _answers_parts(rows: Sequence[Row]) -> list[str]:
    """Return the page of `recover()` alone: statuses and errors, cell by cell."""
    lines = []
    for cell in (*cells_of(rows, noisy=False), *cells_of(rows, noisy=True)):
        group = [row for row in rows if row.key.cell == cell]
        ratios = [row.oracle_ratio for row in group if row.oracle_ratio is not None]
        statuses = Counter(row.status for row in group)
        lines.append(
            [
                *_cell_texts(replace(cell, cap=cell.rank)),
                f"{cell.noise:g}",
                ", ".join(f"{status} x {count}" for status, count in statuses.most_common()),
                f"{sum(row.rank == cell.rank for row in group)} of {len(group)}",
                number_text(median(row.error for row in group)),
                number_text(median(ratios)) if ratios else _NONE,
                f"{median(row.applications for row in group):.0f}",
            ]
        )
    return [
        _ALONE,
        _ranks_found(rows),
        markdown_table([*_CELL_HEAD, "noise", "said", "rank r_A", "error", "over the oracle's", "applications"], lines),
    ]


def _comparison_line(c: Comparison) -> list[str]:
    return [
        *_cell_texts(c.cell),
        _spent(c.recover.applications),
        f"{c.success:.0%}",
        _best(c.default),
        _best(c.tuned),
        number_text(c.default_ratio),
        number_text(c.tuned_ratio),
    ]


def _best(best: BestMethod) -> str:
    return f"{best.method} {_spent(best.applications)}" if best.method else _NONE


def _methods_parts(rows: Sequence[Row]) -> list[str]:
    """Return the part on each method, over all cells without noise that it takes."""
    groups = {place: group for place, group in group_rows(rows).items() if place[0].noise == 0}
    lines = []
    for method in (RECOVER, *CONTESTANTS):
        for purpose in (Purpose.DEFAULT, Purpose.TUNED):
            cells = [group for (_, *rest), group in groups.items() if rest == [method, purpose]]
            if not cells:
                continue
            line = [method, str(purpose), str(len(cells))]
            for place in range(len(ACCURACIES)):
                seconds = [median(row.seconds_to[place] for row in group) for group in cells]
                share = sum(success(group, place) for group in cells) / len(cells)
                applications = median(median_to(group, place) for group in cells)
                line += [f"{share:.0%}", _spent(applications), number_text(median(seconds))]
            lines.append(line)
    head = [f"{what} to {accuracy}" for accuracy in ACCURACIES for what in ("success", "applications", "seconds")]
    return [
        "## Method by method",
        "Medians over the cells that a method takes, of medians over seeds; success is the mean over cells.",
        markdown_table(["method", "setting", "cells", *head], lines),
    ]


def _noise_parts(rows: Sequence[Row]) -> list[str]:
    """Return the part on noise: the error over that of least squares of the true rank, started at the truth."""
    cells = cells_of(rows, noisy=True)
    if not cells:
        return []
    groups = group_rows(rows)
    lines = []
    for method in (RECOVER, *CONTESTANTS):
        for purpose in (Purpose.DEFAULT, Purpose.TUNED):
            ratios = [
                [row.oracle_ratio for row in groups.get((cell, method, purpose), ()) if row.oracle_ratio is not None]
                for cell in cells
            ]
            if any(ratios):
                lines.append([method, str(purpose), *(number_text(median(r)) if r else _NONE for r in ratios)])
    return [
        "## Under noise",
        "Median error over that of the least-squares fit of rank r_A started at the truth, when the run ends.",
        markdown_table(["method", "setting", *map(_noisy_text, cells)], lines),
    ]


def _noisy_text(cell: Cell) -> str:
    return f"{cell.ensemble} {cell.kind}, cap {cell.cap}, noise {cell.noise:g}"


def _spent(applications: float) -> str:
    return f"{applications:.0f}" if applications < NEVER else "never"
