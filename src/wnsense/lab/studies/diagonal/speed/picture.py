"""Pictures of the study: error against steps, rates at the end, losses and their bound."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from wnsense.lab.studies.diagonal.looks import DEPTH_MARKERS, grid, log_axes, outer_labels, rate_look
from wnsense.lab.studies.diagonal.sparse_drawing import Rate
from wnsense.lab.studies.diagonal.speed.table import BestSteps, MeasuredLayers, MeasuredRate, SpeedTable
from wnsense.lab.studies.diagonal.table import FOUND
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.pages.style import FAINT, INK, TEXT, Look, dress, legend, legend_below, new_figure

# Error above which a run has hardly begun; such points lie in one place and have no label.
_UNMOVED = 0.9


def pictures(study: SpeedTable) -> Mapping[str, Figure]:
    """Return the pictures of error against steps, of rates, and of losses."""
    content = study
    return {
        "": _traded(study.head, content.bests),
        "-rates": _rates(study.head, content),
        "-loss": _losses(study.head, content.flows),
    }


def _ratios(bests: Sequence[BestSteps]) -> list[Rate]:
    return list(dict.fromkeys(best.ratio for best in bests))


def _traded(head: StudyHead, bests: Sequence[BestSteps]) -> Figure:
    depths, ratios = sorted({best.depth for best in bests}), _ratios(bests)
    figure, panels = grid(1, len(depths), 3.2, 3.2)
    for axes, depth in zip(panels[0], depths, strict=True):
        for ratio in ratios:
            look = rate_look(ratio, ratios)
            same = [best for best in bests if (best.depth, best.ratio) == (depth, ratio) and math.isfinite(best.error)]
            there = [best for best in same if math.isfinite(best.steps)]
            x, y = [best.steps for best in there], [best.error for best in there]
            axes.plot(x, y, color=look.color, linestyle=look.line, linewidth=1.0, alpha=0.6)
            axes.plot([], [], color=look.color, linestyle=look.line, marker=look.marker, label=look.label)
            for best in same:
                _draw_point(axes, best, min(best.steps, best.budget), look)
        axes.axhline(FOUND, color=FAINT, linestyle=":", linewidth=1.2)
        log_axes(axes)
        axes.set_xlim(min(best.steps for best in bests) / 2, 2 * max(best.budget for best in bests))
        axes.set_ylim(min(best.error for best in bests if math.isfinite(best.error)) / 2, 2)
        axes.xaxis.set_minor_formatter(NullFormatter())
        dress(axes, title=f"L = {depth}", x="steps to the residual, best step size", y="relative error there")
    outer_labels(panels)
    titled(
        figure,
        head,
        "What an error costs: a point for each start, its alpha beside it; hollow: not there in the budget",
    )
    legend_below(figure, panels[0, 0], 4)
    return figure


def _draw_point(axes: Axes, best: BestSteps, steps: float, look: Look) -> None:
    """Draw a point, hollow if the budget was used up."""
    face = look.color if math.isfinite(best.steps) else "white"
    axes.plot([steps], [best.error], color=look.color, marker=look.marker, markersize=6, markerfacecolor=face)
    if best.error > _UNMOVED:
        return
    # Points at the budget stand above each other; their labels have room at the side.
    plain = best.ratio is None
    if math.isfinite(best.steps):
        side, offset = "center", (0, 9 if plain else -10)
    else:
        side, offset = ("left", (7, 0)) if plain else ("right", (-7, 0))
    axes.annotate(
        f"{best.scale:g}",
        (steps, best.error),
        xytext=offset,
        textcoords="offset points",
        horizontalalignment=side,
        verticalalignment="center",
        fontsize=TEXT - 2.5,
        color=look.color,
    )


def _rates(head: StudyHead, content: SpeedTable) -> Figure:
    figure = new_figure(9.0, 4.6)
    left, right = figure.subplots(1, 2)
    _draw_flows(left, content.flows)
    _draw_models(right, content.models)
    titled(figure, head, "Rates at the end of the flow, per unit of time; the line is where both are equal")
    return figure


def _draw_flows(axes: Axes, flows: Sequence[MeasuredRate]) -> None:
    ratios = list(dict.fromkeys(part.part.ratio for part in flows))
    for part in flows:
        axes.plot(
            [max(part.single("predicted"), _least_shown(flows))],
            [part.single("measured")],
            linestyle="none",
            marker=DEPTH_MARKERS[part.part.depth],
            markersize=5,
            color=rate_look(part.part.ratio, ratios).color,
            alpha=0.7,
        )
    for ratio in ratios:
        look = rate_look(ratio, ratios)
        axes.plot([], [], linestyle="none", marker="o", color=look.color, label=look.label)
    for depth in sorted({part.part.depth for part in flows}):
        axes.plot([], [], linestyle="none", marker=DEPTH_MARKERS[depth], color=INK, label=f"L = {depth}")
    _equal_line(axes, [part.single("measured") for part in flows])
    dress(axes, title="Diagonal networks: residual", x="least eigenvalue of the linearized flow", y="rate measured")
    legend(axes)


def _draw_models(axes: Axes, models: Sequence[MeasuredLayers]) -> None:
    ratios = models[0].part.ratios
    for place, ratio in enumerate(ratios):
        look = rate_look(ratio, ratios)
        predicted = [part.arrays["predicted"][place] for part in models]
        measured = [part.arrays["measured"][place] for part in models]
        axes.plot(
            predicted, measured, linestyle="none", marker=look.marker, color=look.color, alpha=0.7, label=look.label
        )
    bounds = [(part.arrays["bound"][0], part.arrays["measured"][0]) for part in models if ratios[0] is None]
    finite = [(bound, rate) for bound, rate in bounds if math.isfinite(bound) and bound > 0]
    axes.plot(*zip(*finite, strict=True), linestyle="none", marker="x", color=INK, label="bound from imbalance, plain")
    _equal_line(axes, [float(value) for part in models for value in part.arrays["measured"]])
    dress(axes, title="Multi-layer linear models: loss", x="rate predicted, or its bound", y="rate measured")
    legend(axes)


def _least_shown(flows: Sequence[MeasuredRate]) -> float:
    """Return the least drawn rate, a hundredth of the least measured one; smaller predictions are drawn there."""
    return min(part.single("measured") for part in flows) / 100


def _equal_line(axes: Axes, values: Sequence[float]) -> None:
    ends = np.array([min(values), max(values)])
    axes.plot(ends, ends, color=FAINT, linewidth=1.0, zorder=1)
    log_axes(axes)


def _losses(head: StudyHead, flows: Sequence[MeasuredRate]) -> Figure:
    """Return the picture of losses for the first problem of each rate and scale, `L = 2`."""
    shown = [part for part in flows if part.part.depth == 2]
    scales = sorted({part.part.scale for part in shown})
    ratios = list(dict.fromkeys(part.part.ratio for part in shown))
    figure, panels = grid(1, len(scales), 4.2, 3.2)
    for axes, scale in zip(panels[0], scales, strict=True):
        for ratio in ratios:
            part = next(part for part in shown if part.part.ratio == ratio and part.part.scale == scale)
            look, time = rate_look(ratio, ratios), part.arrays["time"]
            axes.plot(time, part.arrays["loss"], color=look.color, linewidth=1.8, label=look.label)
            axes.plot(time, part.arrays["loss_bound"], color=look.color, linestyle=":", linewidth=1.4)
        log_axes(axes)
        axes.set_ylim(1e-12, 1e2)
        axes.set_xlim(left=1e-2)
        dress(axes, title=f"alpha = {scale:g}", x="time", y="loss")
    outer_labels(panels)
    titled(figure, head, "Loss of the flow, L = 2, first problem; dotted: the bound that falls like 1/t")
    legend_below(figure, panels[0, 0], 3)
    return figure
