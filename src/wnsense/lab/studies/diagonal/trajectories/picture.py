"""Pictures of the study: coordinates, radius and magnification, invariants."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.diagonal.looks import grid, log_axes, outer_labels, rate_look
from wnsense.lab.studies.diagonal.trajectories.table import CONSERVED, Trajectory, TrajectoryTable, depths_of, ratios_of
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.pages.style import FAINT, INK, TEXT, Look, dress, legend_below

_COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")
_FIRST_TIME = 1e-2


def pictures(study: TrajectoryTable) -> Mapping[str, Figure]:
    """Return the pictures of coordinates, of radius and magnification, and of the invariants."""
    head, runs = study.head, study.entries
    radius = "Radius and magnification along the flow; dotted: rho predicted without a run"
    invariants = f"Errors of the invariants, over the largest change along the run; dotted: {CONSERVED:g}"
    return {
        "": _coordinates(head, runs),
        "-radius": _two_rows(head, runs, radius, _draw_radius),
        "-invariants": _two_rows(head, runs, invariants, _draw_invariants),
    }


def _coordinates(head: StudyHead, runs: Sequence[Trajectory]) -> Figure:
    """Return a panel for each run: true nonzeros in colours, all other coordinates grey."""
    depths, ratios = depths_of(runs), ratios_of(runs)
    figure, panels = grid(len(depths), len(ratios), 2.2, 2.1)
    for run in runs:
        axes: Axes = panels[depths.index(run.part.depth), ratios.index(run.part.ratio)]
        time, z, truth = np.maximum(run.arrays["time"], _FIRST_TIME), run.arrays["z"], run.arrays["truth"]
        nonzero = np.flatnonzero(truth)
        axes.plot(time, np.delete(z, nonzero, axis=1), color=FAINT, linewidth=0.7)
        for place, entry in enumerate(nonzero):
            color = _COLORS[place % len(_COLORS)]
            axes.plot(time, z[:, entry], color=color, linewidth=1.8)
            axes.axhline(truth[entry], color=color, linestyle=":", linewidth=1.2)
        axes.set_xscale("log")
        axes.set_xticks([1e-2, 1e2, 1e6])
        look = rate_look(run.part.ratio, ratios)
        title = f"L = {run.part.depth}, {look.label.removeprefix('WN, ')}"
        dress(axes, x="time", y="coordinate of z")
        axes.set_title(title, fontsize=TEXT - 0.5, color=INK, loc="left")
    outer_labels(panels)
    titled(
        figure, head, "Coordinates along the flow: true nonzeros in colour, their true values dotted, all others grey"
    )
    return figure


def _two_rows(
    head: StudyHead, runs: Sequence[Trajectory], words: str, draw: Callable[[Trajectory, Look, Axes, Axes], None]
) -> Figure:
    """Draw two quantities of each run, one above the other, in a column for each depth."""
    depths, ratios = depths_of(runs), ratios_of(runs)
    figure, panels = grid(2, len(depths), 3.2, 2.6)
    for run in runs:
        draw(run, rate_look(run.part.ratio, ratios), *panels[:, depths.index(run.part.depth)])
    outer_labels(panels)
    titled(figure, head, words)
    legend_below(figure, panels[0, 0], 5)
    return figure


def _draw_radius(run: Trajectory, look: Look, upper: Axes, lower: Axes) -> None:
    time = np.maximum(run.arrays["time"], _FIRST_TIME)
    upper.plot(time, run.arrays["radius"], color=look.color, linestyle=look.line, linewidth=1.8, label=look.label)
    if run.part.ratio is not None:
        lower.plot(time, np.exp(run.arrays["log_rho"]), color=look.color, linewidth=1.8)
        for value in run.arrays["predicted"]:
            lower.axhline(np.exp(value), color=look.color, linestyle=":", linewidth=1.2)
    upper.set_xscale("log")
    lower.set_yscale("log")
    lower.axhline(1.0, color=INK, linewidth=0.8)
    dress(upper, title=f"L = {run.part.depth}", y="radius r = ||x||")
    dress(lower, x="time", y="magnification rho")


def _draw_invariants(run: Trajectory, look: Look, upper: Axes, lower: Axes) -> None:
    time, change = run.arrays["time"][1:], run.arrays["change"][1:]
    null_part = run.arrays["drift"][1:] * change / change.max()
    upper.plot(time, null_part, color=look.color, linestyle=look.line, linewidth=1.5, label=look.label)
    norm = np.maximum(run.arrays["norm_drift"][1:], np.finfo(float).eps / 2)
    lower.plot(time, norm, color=look.color, linestyle=look.line, linewidth=1.5)
    for axes in (upper, lower):
        log_axes(axes)
        axes.set_ylim(1e-17, 1e-6)
        axes.axhline(CONSERVED, color=INK, linestyle=":", linewidth=1.2)
        axes.set_xlim(_FIRST_TIME, 2 * time[-1])
    dress(upper, title=f"L = {run.part.depth}", y="null-space part of the change of h")
    dress(lower, x="time", y="| ||u|| - 1 |")
