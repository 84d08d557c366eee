"""Pictures of the study: stable steps, and steps and errors against the ratio."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from wnsense.lab.studies.diagonal.looks import grid, log_axes, outer_labels
from wnsense.lab.studies.diagonal.ratio.table import RATE_RULES, RatioTable, depths_of
from wnsense.lab.studies.diagonal.step_grid import RateFamily
from wnsense.lab.studies.diagonal.step_grid_table import GridFamily
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.pages.style import INK, METHODS, TEXT, dress, legend_below

_COLORS = {RateFamily.CONSTANT: "#0072B2", RateFamily.SQUARED: "#009E73", RateFamily.SCHEDULED: "#CC79A7"}
_LINES = {RateFamily.CONSTANT: "-", RateFamily.SQUARED: "--", RateFamily.SCHEDULED: "-."}
_MARKERS = {RateFamily.CONSTANT: "o", RateFamily.SQUARED: "s", RateFamily.SCHEDULED: "D"}
_STEPS = "cividis_r"
_FEWEST = 100
_SLOW, _RISES = "#e4e4e4", "#8a8a8a"


def pictures(study: RatioTable) -> Mapping[str, Figure]:
    """Return the pictures of the grid of steps, and of steps and errors at the best step."""
    families = study.entries
    return {"": _regions(study.head, families), "-error": _errors(study.head, families)}


def _edges(values: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k1"]:
    """Return the edges of cells around values in equal ratios."""
    root = math.sqrt(float(values[1] / values[0]))
    return np.concatenate([[values[0] / root], values * root])


def _regions(head: StudyHead, families: Sequence[GridFamily]) -> Figure:
    """Return the picture of the first problem: colours for runs that arrive, two greys for others and unstable ones."""
    depths = depths_of(families)
    rules = [rule for rule in RATE_RULES if any(family.first.family is rule for family in families)]
    figure, panels = grid(len(depths), len(rules), 3.0, 2.9)
    budget = max(float(family.first.steps) for family in families)
    shades = LogNorm(_FEWEST, budget)
    for family in families:
        if family.first.family not in rules:
            continue
        axes: Axes = panels[depths.index(family.first.depth), rules.index(family.first.family)]
        _draw_region(axes, family, shades)
        dress(axes, x="ratio of learning rates eta", y="step size h")
        axes.set_title(
            f"L = {family.first.depth}: {RATE_RULES[family.first.family]}", fontsize=TEXT, color=INK, loc="left"
        )
        axes.grid(visible=False)
    outer_labels(panels)
    bar = figure.colorbar(ScalarMappable(shades, _STEPS), ax=panels, shrink=0.8, pad=0.01)
    bar.set_label("steps to the residual", fontsize=TEXT, color=INK)
    titled(figure, head, "Stable steps, first problem")
    legend_below(figure, panels[0, 0], 2)
    return figure


def _draw_region(axes: Axes, family: GridFamily, shades: LogNorm) -> None:
    first = family.parts[0]
    stable, arrived = family.stable(first), family.arrived(first)
    x, y = _edges(family.ratios), _edges(family.lengths)
    axes.set_facecolor(_RISES)
    greys = ListedColormap([_SLOW])
    axes.pcolormesh(x, y, np.where(stable & ~arrived, 0.0, np.nan).T, cmap=greys, rasterized=True)
    steps = np.where(arrived, first.arrays["counts"], np.nan)
    axes.pcolormesh(x, y, np.where(stable, steps, np.nan).T, norm=shades, cmap=_STEPS, rasterized=True)
    # Runs that arrive although their loss has risen.
    rows, columns = np.nonzero(arrived & ~stable)
    axes.plot(
        family.ratios[rows],
        family.lengths[columns],
        color=INK,
        marker="x",
        markersize=4,
        linestyle="none",
        label="arrives, though the loss has risen",
    )
    axes.plot(
        family.ratios, family.predicted_limit(first), color="#D55E00", linewidth=2.2, label="2 / lambda where runs end"
    )
    axes.plot([], [], color=_SLOW, linewidth=8, label="loss falls at every step, not there in the budget")
    axes.plot([], [], color=_RISES, linewidth=8, label="loss rises at some step")
    log_axes(axes)
    axes.set_ylim(y[0], y[-1])


def _errors(head: StudyHead, families: Sequence[GridFamily]) -> Figure:
    depths = depths_of(families)
    figure, panels = grid(2, len(depths), 4.2, 2.8)
    for family in families:
        upper, lower = panels[:, depths.index(family.first.depth)]
        steps, errors = family.best()
        if family.first.family is RateFamily.PLAIN:
            look = METHODS["gd"]
            for axes, value in ((upper, steps[0]), (lower, errors[0])):
                if np.isfinite(value):
                    axes.axhline(value, color=look.color, linestyle=look.line, linewidth=1.6, label=look.label)
            continue
        for axes, values in ((upper, np.where(np.isfinite(steps), steps, np.nan)), (lower, errors)):
            axes.plot(
                family.ratios,
                values,
                color=_COLORS[family.first.family],
                linestyle=_LINES[family.first.family],
                marker=_MARKERS[family.first.family],
                markersize=5,
                linewidth=1.6,
                label=RATE_RULES[family.first.family],
            )
        for axes in (upper, lower):
            log_axes(axes)
            axes.set_xlim(_edges(family.ratios)[0], _edges(family.ratios)[-1])
        dress(upper, title=f"L = {family.first.depth}", y="steps, best h")
        dress(lower, x="ratio of learning rates eta", y="relative error there")
    outer_labels(panels)
    titled(figure, head, "Fewest steps to the residual, and the error there, against the ratio")
    legend_below(figure, panels[0, 0], 4)
    return figure
