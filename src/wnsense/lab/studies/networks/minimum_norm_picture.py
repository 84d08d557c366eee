"""Row lengths in pictures and words: set at the start, or changed midway by a symmetry that leaves f alone."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.lab.studies.networks.table import (
    LONG,
    SHORT,
    Seeds,
    band,
    data_lines,
    legend_of,
    log_places,
    log_values,
    points,
    power_over,
    power_words,
    published_line,
    seeds_of,
    span_words,
    within_row_bound,
)
from wnsense.pages.style import FAINT, Look, dress, log_if_wide, new_figure

# From short rows to long ones.
_COLORS = ("#E69F00", "#D55E00", "#CC79A7", "#0072B2", "#000000")
_LINES = (":", "-.", "--", "-", "--")
_MARKERS = ("v", "s", "o", "D", "P")
# Single precision, a few layers and a division by what was multiplied.
_ROUNDING = 1e-5


def pictures(table: Table) -> Mapping[str, Figure]:
    """Along training; and what is measured at the start against the rows' length.

    Raises:
        InputError: When it is no table of such a study.
    """
    starts, midway = runs_of(table)
    return {"": _along(table, starts, midway), "-start": _starts(table, starts)}


def runs_of(table: Table) -> tuple[list[Seeds], list[Seeds]]:
    """Those whose rows were set at the start, and those whose rows were changed midway, by length and by factor.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = seeds_of(table, "TrainingPart", "ratio")
    starts = sorted((run for run in runs if run.number("rescale_at") == 0), key=length)
    midway = sorted((run for run in runs if run.number("rescale_at") > 0), key=factor)
    return starts, midway


def length(run: Seeds) -> float:
    """Of rows at the start."""
    return run.number("row_norm")


def factor(run: Seeds) -> float:
    """By which rows were multiplied."""
    return run.number("rescale_by")


def _look(place: int, label: str) -> Look:
    return Look(label, _COLORS[place % len(_COLORS)], _LINES[place % len(_LINES)], _MARKERS[place % len(_MARKERS)])


def _along(table: Table, starts: Sequence[Seeds], midway: Sequence[Seeds]) -> Figure:
    figure = new_figure(9.0, 6.6)
    grid = figure.subplots(2, 2, sharex="col")
    columns: tuple[tuple[Sequence[Seeds], Callable[[Seeds], float], str], ...] = (
        (starts, length, "rows of length {:g} from the start"),
        (midway, factor, "rows times {:g} midway"),
    )
    for column, (runs, place, words) in enumerate(columns):
        for row, (quantity, name) in enumerate((("train_loss", "training loss"), ("ratio", "||grad L||$^2$ / L"))):
            axes: Axes = grid[row][column]
            for index, run in enumerate(runs):
                values = run.stack(quantity)
                steps = run.steps_per_epoch * np.arange(values.shape[1])
                band(axes, steps, values, _look(index, ""), words.format(place(run)))
            if runs and column == 1:
                axes.axvline(runs[0].number("rescale_at") * runs[0].steps_per_epoch, color=FAINT, linewidth=1.0)
            title = "" if row else ("set at the start" if column == 0 else "changed midway, f left alone")
            dress(axes, title=title, x="steps of SGD" if row else "", y=name if column == 0 else "")
            log_if_wide(axes, np.concatenate([line.get_ydata() for line in axes.lines[: len(runs)]]), ratio=5.0)
    titled(figure, table, "How long rows are, along training")
    legend_of(figure, list(grid.flat), 2)
    return figure


_AT_START = (
    ("output_curvature", "||grad$^2$ f||$_2$"),
    ("loss_curvature", "largest eigenvalue of grad$^2$ L"),
    ("gradient_to_loss", "||grad L||$^2$ / L"),
)


def _starts(table: Table, starts: Sequence[Seeds]) -> Figure:
    figure = new_figure(9.0, 3.6)
    panels = figure.subplots(1, len(_AT_START))
    places = np.array([length(run) for run in starts])
    law = 1 / np.minimum(places, places**2)
    for axes, (name, words) in zip(panels, _AT_START, strict=True):
        values = np.stack([run.first(name) for run in starts])
        points(axes, places, values, _look(3, ""), "measured")
        if name == "output_curvature":
            published_line(axes, places, values.mean(axis=1), law)
        dress(axes, x="rows' length w", y=words)
        log_values(axes)
        log_places(axes, list(places))
    titled(figure, table, "The same function at the start, with longer and shorter rows")
    legend_of(figure, panels, 2)
    return figure


def findings(table: Table) -> list[Finding]:
    """Whether f stays, curvature falls as published, and longer rows help.

    Raises:
        InputError: When it is no table of such a study.
    """
    starts, midway = runs_of(table)
    return [
        _same_function(starts),
        *(_symmetry(run) for run in midway if factor(run) != 1),
        *_curvature(starts),
        _helps(starts),
        _learned(starts, "set at the start", length),
        _learned(midway, "changed midway", factor),
        _growth(starts),
    ]


def _same_function(starts: Sequence[Seeds]) -> Finding:
    losses = np.stack([run.first("train_loss") for run in starts])
    spread = float((np.ptp(losses, axis=0) / losses.mean(axis=0)).max())
    text = (
        f"rows of length {length(starts[0]):g} to {length(starts[-1]):g} at the start leave f alone: losses differ by "
        f"{spread:.1e} of themselves"
    )
    return Finding(text, spread <= _ROUNDING)


def _symmetry(run: Seeds) -> Finding:
    moved, fall = run.first("moved_output"), run.first("gradient_fall")
    off = float(np.abs(fall / factor(run) - 1).max())
    ratio = span_words(run.first("ratio_fall"))
    text = (
        f"rows times {factor(run):g} midway: f moves by {float(moved.max()):.1e} of its largest value, and the "
        f"gradient by W is divided by {span_words(fall)}; ||grad L||^2 / L by {ratio}"
    )
    return Finding(text, float(moved.max()) <= _ROUNDING and off <= 1e-3)


def _curvature(starts: Sequence[Seeds]) -> list[Finding]:
    """Short and long rows apart, as the published bound has them."""
    found = []
    for words, low, high, published in (("up to 1", 0.0, 1.0, SHORT), ("from 1 on", 1.0, np.inf, LONG)):
        sweep = [run for run in starts if low <= length(run) <= high]
        if len(sweep) < 3:
            continue
        power = power_over(sweep, length, lambda run: run.first("output_curvature"))
        text = (
            f"for rows {words}, ||grad^2 f|| at the start goes as length^{power_words(power)}; published, as an upper "
            f"bound, {published:g}"
        )
        found.append(Finding(text, within_row_bound(power, published)))
    return found


def _helps(starts: Sequence[Seeds]) -> Finding:
    """The two terms of alpha at the start."""

    def quotient(run: Seeds) -> np.ndarray:
        gain = run.number("cosine") ** 2 / 2 * run.first("gradient_to_loss")
        slope, loss = run.first("output_slope"), np.sqrt(run.first("loss"))
        return np.asarray(gain / (2 * run.first("output_curvature") * (slope * run.number("distance") + loss)))

    power = power_over(starts, length, quotient)
    ratio = power_over(starts, length, lambda run: run.first("gradient_to_loss"))
    alphas = np.stack([run.first("convexity_estimate") for run in starts])
    text = (
        f"what adds to alpha over what takes away goes as length^{power_words(power)}: longer rows are to help, though "
        f"||grad L||^2 / L itself goes as length^{power_words(ratio)}; alpha by the formula is {span_words(alphas)}"
    )
    return Finding(text, power.low > 0)


def _learned(runs: Sequence[Seeds], words: str, place: Callable[[Seeds], float]) -> Finding:
    told = ", ".join(f"{place(run):g}: {run.last('train_loss').mean():.3g}" for run in runs)
    return Finding(f"{words}, the training loss at the end by length or factor is {told}", None)


def _growth(starts: Sequence[Seeds]) -> Finding:
    told = ", ".join(
        f"{length(run):g}: {(run.last('shortest') / run.first('shortest')).mean() - 1:.2g}" for run in starts
    )
    fall = max(float((1 - run.stack("shortest")[:, 1:] / run.stack("shortest")[:, :-1]).max()) for run in starts)
    text = f"the shortest row never falls, and grows over the training by these parts of its length: {told}"
    return Finding(text, fall <= _ROUNDING)


def paragraphs(table: Table) -> list[Paragraph]:
    """The images.

    Raises:
        InputError: When it is no table of such a study.
    """
    return [Paragraph("Images:", data_lines(table))]
