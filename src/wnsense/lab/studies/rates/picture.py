"""Pictures of the study of Table 1."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.rates.table import CountedRow, RateTable, row_name, stated
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, dress, legend_below, new_figure
from wnsense.theory.published_rates import TABLE_1

_MARKERS = ("o", "s", "^", "D")
_LINES = ("-", "--", "-.", ":")


def pictures(study: RateTable) -> Mapping[str, Figure]:
    """Return the picture of Table 1, and the curves on which its steps were counted."""
    return {"": _rows(study), "-curves": _curves(study)}


def _rows(study: RateTable) -> Figure:
    figure = new_figure(7.4 + 3.6 * len(study.counted), 2.2 + 0.62 * len(TABLE_1))
    panels = figure.subplots(1, len(study.counted), sharey=True, squeeze=False)[0]
    for axes, rows, kappa in zip(panels, study.counted, study.conditions, strict=True):
        for row in rows:
            _draw_row(axes, row, len(study.head.levels))
        for place in study.reasons:
            axes.text(1.2, _height(place), "not run", fontsize=TEXT - 1, color=FAINT, va="center")
        axes.set_xscale("log")
        axes.set_xlim(1.0, 12.0 * study.head.steps)
        axes.set_ylim(-0.7, len(TABLE_1) - 0.3)
        dress(axes, title=f"kappa = {kappa:g}", x="steps, median over starts")
    names = [f"{row_name(rate)}\n{stated(rate)}" for rate in TABLE_1]
    panels[0].set_yticks(range(len(TABLE_1) - 1, -1, -1), names)
    for marker, level in zip(_MARKERS, study.head.levels, strict=False):
        panels[0].plot([], [], marker=marker, linestyle="none", color=INK, label=f"relative error {level:g}")
    figure.suptitle(study.head.scaled_title, fontsize=TEXT + 3, color=INK, x=0.01, ha="left")
    legend_below(figure, panels[0], len(study.head.levels))
    return figure


def _height(row: int) -> int:
    """Return the place of a row of Table 1 on the y axis, the first at the top."""
    return len(TABLE_1) - 1 - row


def _draw_row(axes: Axes, row: CountedRow, levels: int) -> None:
    look, height = METHODS[row.head.method], _height(row.head.row)
    steps = [row.reached(level) for level in range(levels)]
    marks = [(place, max(count, 1.0)) for place, count in enumerate(steps) if count is not None]
    axes.plot([count for _, count in marks], [height] * len(marks), color=look.color, linewidth=1.2, zorder=2)
    for place, count in marks:
        axes.plot([count], [height], marker=_MARKERS[place], color=look.color, markersize=7, zorder=3)
    if len(marks) < levels:
        end = float(row.step[-1])
        text = f"> {end:,.0f}: {row.final:.0e}"
        axes.text(1.15 * end, height, text, fontsize=TEXT - 1, color=look.color, va="center")


def _curves(study: RateTable) -> Figure:
    figure = new_figure(5.4 * len(study.counted), 5.6)
    panels = figure.subplots(1, len(study.counted), sharey=True, squeeze=False)[0]
    for axes, rows, kappa in zip(panels, study.counted, study.conditions, strict=True):
        for row in rows:
            label = f"{row.head.row + 1}: {row_name(row.rate)}" + (f", noise {row.noise:g}" if row.noise else "")
            axes.plot(
                row.step + 1,
                np.median(row.error, axis=1),
                color=METHODS[row.head.method].color,
                linestyle=_LINES[row.head.row % len(_LINES)],
                label=label,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(1e-12, 10)
        dress(axes, title=f"kappa = {kappa:g}", x="steps + 1", y="relative error, median over starts")
    figure.suptitle(study.head.scaled_title, fontsize=TEXT + 2, color=INK, x=0.01, ha="left")
    legend_below(figure, panels[0], 2)
    return figure
