"""Pictures of the study: every cell beside its bound, and the reference table."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.diagonal.bound.table import BoundCells, BoundTable, Reported, cell_groups, reference_cells
from wnsense.lab.studies.diagonal.looks import DEPTH_MARKERS, log_axes
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, dress, legend, legend_below, new_figure

# Smaller excesses are drawn at this value.
_SHOWN = 1e-8
_DEPTH_COLORS = {2: "#0072B2", 3: "#E69F00", 4: "#009E73"}


def pictures(study: BoundTable) -> Mapping[str, Figure]:
    """Return the pictures of cells beside their bounds, and of the reference table beside its problems."""
    return {"": _cells(study), "-reference": _reference(study)}


def _cells(study: BoundTable) -> Figure:
    figure = new_figure(9.0, 8.2)
    panels = figure.subplots(2, 2).ravel()
    groups = cell_groups(study.entries)
    plans = (
        ("L = 2, any start", "excess", "bound", "l1 norm, L = 2, any start"),
        ("L > 2, equal entries", "excess", "bound", "l1 norm, L > 2, equal entries"),
        ("L > 2, unequal entries", "weighted_excess", "weighted_bound", "weighted norm, L > 2, unequal entries"),
        ("L > 2, unequal entries", "excess", "bound", "l1 norm, L > 2, unequal: no bound"),
    )
    for axes, (name, excess, bound, title) in zip(panels, plans, strict=True):
        if name in groups:
            _scatter(axes, groups[name], excess, bound)
        dress(axes, title=title, x="bound on the excess", y="excess over the least, relative")
        legend(axes)
    titled(figure, study.head, "Every cell beside its bound: below the line it holds (less than 1e-8 drawn there)")
    return figure


def _scatter(axes: Axes, cells: BoundCells, excess: str, bound: str) -> None:
    x, y = cells.columns[bound], np.maximum(cells.columns[excess], _SHOWN)
    finite = np.isfinite(x)
    for depth in np.unique(cells.depth):
        shown = finite & (cells.depth == depth)
        axes.plot(
            np.maximum(x[shown], _SHOWN),
            y[shown],
            linestyle="none",
            marker=DEPTH_MARKERS[int(depth)],
            markersize=4,
            alpha=0.6,
            color=_DEPTH_COLORS[int(depth)],
            label=f"L = {depth}",
        )
    ends = np.array([_SHOWN, max(float(x[finite].max(initial=1.0)), 1.0) * 2])
    axes.plot(ends, ends, color=INK, linewidth=1.2, label="excess = bound")
    log_axes(axes)


def _reference(study: BoundTable) -> Figure:
    ours = reference_cells(study.entries)
    figure = new_figure(9.0, 3.9)
    panels = figure.subplots(1, 3)
    for axes, name in zip(panels, ("relative l1 excess", "bound epsilon", "magnification rho"), strict=True):
        for place, (entry, cells) in enumerate(ours.items()):
            _draw_entry(axes, place, entry, cells, name)
        axes.set_yscale("log")
        dress(axes, title=name)
        labels = [f"L={entry.depth}, " + (f"eta {entry.ratio:g}" if entry.ratio else "plain") for entry in ours]
        axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=TEXT - 1)
        axes.axhline(1.0, color=FAINT, linewidth=0.8)
    legend_below(figure, panels[0], 2)
    titled(figure, study.head, "The reference table beside problems of its size")
    return figure


def _draw_entry(axes: Axes, place: int, entry: Reported, cells: BoundCells, name: str) -> None:
    """Draw the range of our cells, and the reported number."""
    values, reported = {
        "relative l1 excess": (cells.columns["excess"], entry.excess),
        "bound epsilon": (cells.columns["bound"], float(entry.bound)),
        "magnification rho": (np.exp(cells.columns["log_rho"]), float(entry.magnification)),
    }[name]
    low, median, high = np.quantile(values, [0.0, 0.5, 1.0])
    look = METHODS["wn" if entry.ratio else "gd"]
    axes.errorbar(
        [place],
        [median],
        yerr=[[median - low], [high - median]],
        color=look.color,
        marker=look.marker,
        markersize=6,
        capsize=3,
        label="ours: median, range" if place == 0 else None,
    )
    axes.plot(
        [place],
        [reported],
        marker="x",
        color=INK,
        markersize=8,
        markeredgewidth=1.6,
        linestyle="none",
        zorder=4,
        label="reported" if place == 0 else None,
    )
