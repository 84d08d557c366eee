"""Pictures of one recovery, from the table of `Recovery.table()`."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.pages.style import (
    FAINT,
    METHODS,
    QUANTITIES,
    SHADE,
    TEXT,
    curve,
    dress,
    legend,
    log_if_wide,
    new_figure,
    whole_numbers,
)

APPLICATIONS = "applications [one M or M* on one point]"
# Least width of a labelled stage, as a share of the axis.
_LABEL_ROOM = 0.055


def has_convergence(table: Table) -> bool:
    """Return True if the trace has at least one step."""
    return len(table.arrays.get("trace_applications", ())) > 1


def has_rank_choice(table: Table) -> bool:
    """Return True if at least two ranks were compared on held-out measurements."""
    return bool(np.isfinite(table.arrays.get("candidate_holdout_residual", np.empty(0))).sum() > 1)


def has_spectrum(table: Table) -> bool:
    """Return True if the matrix is not zero."""
    return bool((np.abs(spectrum_values(table)) > 0).any())


def spectrum_values(table: Table) -> np.ndarray:
    """Return the eigenvalues, or the singular values of a rectangular matrix; empty if the table has neither."""
    arrays = table.arrays
    return arrays.get("eigenvalues", arrays.get("singular_values", np.empty(0)))


def convergence(table: Table) -> Figure:
    """Draw the residuals, fitted and held out, and the error if known, against applications, with marked stages."""
    arrays = table.arrays
    figure = new_figure(6.2, 3.9)
    axes = figure.add_subplot()
    x = arrays["trace_applications"].astype(float)
    shown = [name for name in QUANTITIES if np.isfinite(arrays.get(f"trace_{name}", np.empty(0))).any()]
    stages = arrays.get("trace_stage", np.zeros(len(x)))
    for name in shown:
        y = arrays[f"trace_{name}"]
        for k, stage in enumerate(np.unique(stages)):
            rows = stages == stage
            curve(axes, QUANTITIES[name], x[rows], y[rows], label=None if k == 0 else "_")
    drawn = np.concatenate([arrays[f"trace_{name}"] for name in shown])
    log_if_wide(axes, drawn, ratio=1.0)
    _mark_stages(axes, x, stages, arrays.get("trace_rank", np.zeros(len(x))))
    dress(axes, x=APPLICATIONS, y="relative residual, relative error" if "error" in shown else "relative residual")
    legend(axes)
    return figure


def spectrum(table: Table) -> Figure:
    """Draw the eigenvalues (singular values) of the recovered matrix by size."""
    values = spectrum_values(table)
    name = "eigenvalue" if "eigenvalues" in table.arrays else "singular value"
    figure = new_figure(6.2, 3.4)
    axes = figure.add_subplot()
    index = np.arange(1, len(values) + 1)
    color = METHODS["recover"].color
    positive = values >= 0
    axes.vlines(index, 0, np.abs(values), color=color, linewidth=1.0, alpha=0.4)
    axes.plot(index[positive], values[positive], "o", color=color, label="positive")
    if not positive.all():
        axes.plot(index[~positive], -values[~positive], "o", color=color, markerfacecolor="white", label="negative")
        legend(axes)
        name = f"|{name}|"
    axes.set_xlim(0.4, len(values) + 0.6)
    log_if_wide(axes, np.abs(values))
    whole_numbers(axes)
    dress(axes, x="index, the largest first", y=f"{name} [units of the matrix]")
    return figure


def rank_choice(table: Table) -> Figure:
    """Draw the fitted and the held-out residual of each rank tried, with the rank returned."""
    figure = new_figure(6.2, 3.4)
    draw_rank_choice(figure.add_subplot(), table)
    return figure


def draw_rank_choice(axes: Axes, table: Table) -> None:
    """Draw the residuals of each rank tried into given axes."""
    arrays = table.arrays
    ranks, held = arrays["candidate_rank"], arrays["candidate_holdout_residual"]
    fitted = arrays["candidate_residual"]
    for name, values in (("residual", fitted), ("holdout_residual", held)):
        look = QUANTITIES[name]
        axes.plot(
            ranks,
            np.where(values > 0, values, np.nan),
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markersize=5,
            label=look.label,
        )
    rank = table.header.get("rank")
    if isinstance(rank, int) and rank in ranks:
        axes.axvline(rank, color=FAINT, linewidth=1.0, linestyle="--", zorder=1, label=f"rank returned, {rank}")
    log_if_wide(axes, np.concatenate([fitted, held]))
    whole_numbers(axes)
    dress(axes, x="rank tried", y="relative residual")
    legend(axes)


def _mark_stages(axes: Axes, x: np.ndarray, stages: np.ndarray, ranks: np.ndarray) -> None:
    """Shade every second stage, and write its rank above it if there is room."""
    names = np.unique(stages)
    starts = [x[stages == stage][0] for stage in names]
    span = max(x[-1] - x[0], 1.0)
    axes.set_xlim(x[0] - 0.02 * span, x[-1] + 0.02 * span)
    if len(names) == 1:
        return
    top = axes.secondary_xaxis("top")
    top.tick_params(length=0, labelsize=TEXT - 2, colors=FAINT)
    top.spines["top"].set_visible(False)
    places, words = [], []
    for k, (left, right) in enumerate(pairwise([*starts, x[-1] + 0.02 * span])):
        if k % 2:
            axes.axvspan(left, right, color=SHADE, zorder=0, linewidth=0)
        if right - left >= _LABEL_ROOM * span:
            places.append((left + right) / 2)
            words.append(str(int(ranks[stages == names[k]][-1])))
    top.set_xticks(places, words)
    top.set_xlabel("working rank", fontsize=TEXT - 2, color=FAINT)
