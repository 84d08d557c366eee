"""Speed in pictures and words: steps for an error, rates at the end beside those foretold, losses below their bound."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.ratio_picture import Family
from wnsense.lab.studies.diagonal.table import (
    DEPTH_MARKERS,
    FOUND,
    Measured,
    grid,
    outer_labels,
    parts_of,
    rate_look,
    rate_words,
)
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.pages.style import FAINT, INK, TEXT, Look, dress, legend, legend_below, new_figure

Rate = float | None

# Rates that differ by less are the same: the last decade of a residual still bends a little.
_SAME = 0.05
# Below this share of the other's steps a method is faster.
_FASTER = 0.9
# Above it a run has hardly begun, and all of them are in one place.
_UNMOVED = 0.9


@dataclass(frozen=True)
class Best:
    """What a method needs from a start, with the step that suits it best.

    Attributes:
        depth: L.
        scale: alpha.
        ratio: eta; None is gradient descent.
        steps: Median over problems; infinite where at least half of them do not arrive.
        error: The median there; at the budget where they do not.
        budget: Of steps.
    """

    depth: int
    scale: float
    ratio: Rate
    steps: float
    error: float
    budget: int


def bests_of(table: Table) -> list[Best]:
    """Every method from every start.

    Raises:
        InputError: When it is no table of such a study.
    """
    parts = parts_of(table, "GridPart", "stiffness")
    keys = list(dict.fromkeys((part.depth, part.number("scale"), str(part.facts["family"])) for part in parts))
    found = []
    for depth, scale, name in keys:
        of = [
            part for part in parts if (part.depth, part.number("scale"), part.facts["family"]) == (depth, scale, name)
        ]
        first = of[0]
        ratios, lengths = first.numbers("ratios"), first.numbers("lengths")
        family = Family(name, depth, ratios, lengths, first.number("residual"), of)
        for ratio, steps, there, late in zip(ratios, *family.best(), family.at_budget(), strict=True):
            error = float(there if math.isfinite(steps) else late)
            rate = None if name == "plain" else float(ratio)
            found.append(Best(depth, scale, rate, float(steps), error, int(first.number("steps"))))
    return found


def pictures(table: Table) -> Mapping[str, Figure]:
    """Error against steps; rates; losses.

    Raises:
        InputError: When it is no table of such a study.
    """
    return {"": _traded(table), "-rates": _rates(table), "-loss": _losses(table)}


def _ratios(bests: Sequence[Best]) -> list[Rate]:
    return list(dict.fromkeys(of.ratio for of in bests))


def _traded(table: Table) -> Figure:
    bests = bests_of(table)
    depths, ratios = sorted({of.depth for of in bests}), _ratios(bests)
    figure, panels = grid(1, len(depths), 3.2, 3.2)
    for axes, depth in zip(panels[0], depths, strict=True):
        for ratio in ratios:
            look = rate_look(ratio, ratios)
            of = [best for best in bests if (best.depth, best.ratio) == (depth, ratio) and math.isfinite(best.error)]
            steps = [min(best.steps, best.budget) for best in of]
            there = [best for best in of if math.isfinite(best.steps)]
            x, y = [best.steps for best in there], [best.error for best in there]
            axes.plot(x, y, color=look.color, linestyle=look.line, linewidth=1.0, alpha=0.6)
            axes.plot([], [], color=look.color, linestyle=look.line, marker=look.marker, label=look.label)
            for best, count in zip(of, steps, strict=True):
                _draw_point(axes, best, count, look)
        axes.axhline(FOUND, color=FAINT, linestyle=":", linewidth=1.2)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(min(best.steps for best in bests) / 2, 2 * max(best.budget for best in bests))
        axes.set_ylim(min(best.error for best in bests if math.isfinite(best.error)) / 2, 2)
        axes.xaxis.set_minor_formatter(NullFormatter())
        dress(axes, title=f"L = {depth}", x="steps to the residual, best step size", y="relative error there")
    outer_labels(panels)
    titled(
        figure,
        table,
        "What an error costs: a point for each start, its alpha beside it; hollow: not there in the budget",
    )
    legend_below(figure, panels[0, 0], 4)
    return figure


def _draw_point(axes: Axes, best: Best, steps: float, look: Look) -> None:
    """Hollow where the budget was spent."""
    face = look.color if math.isfinite(best.steps) else "white"
    axes.plot([steps], [best.error], color=look.color, marker=look.marker, markersize=6, markerfacecolor=face)
    if best.error > _UNMOVED:
        return
    # Those at the budget stand above each other: beside them there is room.
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


def _rates(table: Table) -> Figure:
    figure = new_figure(9.0, 4.6)
    left, right = figure.subplots(1, 2)
    flows = parts_of(table, "RatePart", "measured")
    ratios = list(dict.fromkeys(part.ratio for part in flows))
    for part in flows:
        look = rate_look(part.ratio, ratios)
        left.plot(
            [max(part.single("predicted"), _least_shown(flows))],
            [part.single("measured")],
            linestyle="none",
            marker=DEPTH_MARKERS[part.depth],
            markersize=5,
            color=look.color,
            alpha=0.7,
        )
    for ratio in ratios:
        look = rate_look(ratio, ratios)
        left.plot([], [], linestyle="none", marker="o", color=look.color, label=look.label)
    for depth in sorted({part.depth for part in flows}):
        left.plot([], [], linestyle="none", marker=DEPTH_MARKERS[depth], color=INK, label=f"L = {depth}")
    _equal_line(left, [part.single("measured") for part in flows])
    dress(left, title="Diagonal networks: residual", x="least eigenvalue of the linearized flow", y="rate measured")
    legend(left)
    models = parts_of(table, "LayersPart", "measured")
    all_ratios = models[0].ratios
    for place, ratio in enumerate(all_ratios):
        look = rate_look(ratio, all_ratios)
        predicted = [part.arrays["predicted"][place] for part in models]
        measured = [part.arrays["measured"][place] for part in models]
        right.plot(
            predicted, measured, linestyle="none", marker=look.marker, color=look.color, alpha=0.7, label=look.label
        )
    bounds = [(part.arrays["bound"][0], part.arrays["measured"][0]) for part in models if all_ratios[0] is None]
    known = [(bound, seen) for bound, seen in bounds if math.isfinite(bound) and bound > 0]
    right.plot(*zip(*known, strict=True), linestyle="none", marker="x", color=INK, label="bound from imbalance, plain")
    _equal_line(right, [float(value) for part in models for value in part.arrays["measured"]])
    dress(right, title="Multi-layer linear models: loss", x="rate foretold, or its bound", y="rate measured")
    legend(right)
    titled(figure, table, "Rates at the end of the flow, per unit of time; the line is where both are equal")
    return figure


def _least_shown(flows: Sequence[Measured]) -> float:
    """Rates foretold below a hundredth of the least measured one are drawn there."""
    return min(part.single("measured") for part in flows) / 100


def _equal_line(axes: Axes, values: Sequence[float]) -> None:
    ends = np.array([min(values), max(values)])
    axes.plot(ends, ends, color=FAINT, linewidth=1.0, zorder=1)
    axes.set_xscale("log")
    axes.set_yscale("log")


def _losses(table: Table) -> Figure:
    """The first problem of each rate and scale, L = 2."""
    flows = [part for part in parts_of(table, "RatePart", "measured") if part.depth == 2]
    scales = sorted({part.number("scale") for part in flows})
    ratios = list(dict.fromkeys(part.ratio for part in flows))
    figure, panels = grid(1, len(scales), 4.2, 3.2)
    for axes, scale in zip(panels[0], scales, strict=True):
        for ratio in ratios:
            part = next(part for part in flows if part.ratio == ratio and part.number("scale") == scale)
            look, time = rate_look(ratio, ratios), part.arrays["time"]
            axes.plot(time, part.arrays["loss"], color=look.color, linewidth=1.8, label=look.label)
            axes.plot(time, part.arrays["loss_bound"], color=look.color, linestyle=":", linewidth=1.4)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(1e-12, 1e2)
        axes.set_xlim(left=1e-2)
        dress(axes, title=f"alpha = {scale:g}", x="time", y="loss")
    outer_labels(panels)
    titled(figure, table, "Loss of the flow, L = 2, first problem; dotted: the bound that falls like 1/t")
    legend_below(figure, panels[0, 0], 3)
    return figure


def findings(table: Table) -> list[Finding]:
    """Which method is faster for a vector that is found, and which rates are as foretold.

    Raises:
        InputError: When it is no table of such a study.
    """
    bests = bests_of(table)
    depths = sorted({of.depth for of in bests})
    flows = parts_of(table, "RatePart", "measured")
    models = parts_of(table, "LayersPart", "measured")
    found = [_faster(bests, depth) for depth in depths]
    found += [_same_start(bests, depth) for depth in depths]
    found += [
        _flow_rates(flows),
        _loss_bounds(flows),
        _model_rates(models),
        _model_bounds(models),
        _model_speed(models),
    ]
    return found


def _faster(bests: Sequence[Best], depth: int) -> Finding:
    """Fewest steps over all starts of those that end with the vector found."""
    fewest: dict[bool, Best] = {}
    for best in bests:
        if best.depth != depth or not math.isfinite(best.steps) or best.error > FOUND:
            continue
        normalized = best.ratio is not None
        if normalized not in fewest or best.steps < fewest[normalized].steps:
            fewest[normalized] = best
    words = {
        normalized: f"{of.steps:,.0f} ({rate_words(of.ratio)}, alpha = {of.scale:g}, error {of.error:.1g})"
        for normalized, of in fewest.items()
    }
    text = (
        f"L = {depth}: fewest steps to the residual with an error of at most {FOUND:g}: "
        f"{words.get(False, 'never without WN')}; {words.get(True, 'never with WN')}"
    )
    if not fewest:
        return Finding(text, None)
    plain, ours = (fewest[of].steps if of in fewest else math.inf for of in (False, True))
    return Finding(text, ours < _FASTER * plain)


def _same_start(bests: Sequence[Best], depth: int) -> Finding:
    told = []
    for scale in sorted({of.scale for of in bests if of.depth == depth}):
        here = {of.ratio: of for of in bests if (of.depth, of.scale) == (depth, scale)}
        words = [
            f"{'WN ' + format(ratio, 'g') if ratio is not None else 'GD'} "
            + (f"{of.steps:,.0f} ({of.error:.1g})" if math.isfinite(of.steps) else f"> {of.budget:,} ({of.error:.1g})")
            for ratio, of in here.items()
        ]
        told.append(f"alpha = {scale:g}: {', '.join(words)}")
    return Finding(f"L = {depth}: steps to the residual (and error there), {'; '.join(told)}", None)


def _flow_rates(flows: Sequence[Measured]) -> Finding:
    """Above the least eigenvalue: its direction was not seen yet when the residual was small."""
    quotients = np.array([part.single("measured") / part.single("predicted") for part in flows])
    same = np.abs(quotients - 1) <= _SAME
    faster, slower = quotients > 1 + _SAME, quotients < 1 - _SAME
    text = (
        f"diagonal networks: the residual falls at the least eigenvalue of the linearized flow, within {_SAME:.0%}, in "
        f"{int(same.sum())} of {len(flows)} flows; faster in {int(faster.sum())} (by up to {quotients.max():.1e}: the "
        f"slowest direction carries too little to be seen above a residual of {flows[0].number('residual'):g}); slower "
        f"in {int(slower.sum())}"
    )
    return Finding(text, None)


def _loss_bounds(flows: Sequence[Measured]) -> Finding:
    of = [part for part in flows if part.depth == 2]
    quotients = [float((part.arrays["loss"] / part.arrays["loss_bound"]).max()) for part in of]
    text = (
        f"diagonal networks, L = 2: the loss is below its bound, of order 1/t, at all times of "
        f"{sum(quotient <= 1 for quotient in quotients)} of {len(of)} flows, at most {max(quotients):.2g} of it"
    )
    return Finding(text, max(quotients) <= 1)


def _model_rates(models: Sequence[Measured]) -> Finding:
    ratios = models[0].ratios
    told, holds = [], []
    for place, ratio in enumerate(ratios):
        quotients = np.array([part.arrays["measured"][place] / part.arrays["predicted"][place] for part in models])
        same = np.abs(quotients - 1) <= _SAME
        told.append(
            f"{rate_words(ratio)}: {int(same.sum())} of {len(models)} within {_SAME:.0%}, "
            f"{quotients.min():.3f} to {quotients.max():.3f} of it"
        )
        # A rate is a bound from below: an error without its slowest direction falls faster.
        holds.append(bool((quotients >= 1 - _SAME).all()))
    return Finding(f"multi-layer linear models, exponential rate beside that foretold: {'; '.join(told)}", all(holds))


def _model_bounds(models: Sequence[Measured]) -> Finding:
    place = models[0].ratios.index(None)
    quotients, from_start = [], []
    for part in models:
        bound, measured = float(part.arrays["bound"][place]), float(part.arrays["measured"][place])
        if math.isfinite(bound):
            quotients.append(measured / bound)
            from_start.append(float(part.arrays["bound_start"][place]) / measured)
    drift = max(float(part.arrays["imbalance_drift"][place]) for part in models)
    text = (
        f"multi-layer linear models without WN: imbalances move by at most {drift:.1e} of a layer's squared norm; the "
        f"rate of two layers is {min(quotients):.2f} to {max(quotients):.2f} times the bound from imbalance and least "
        f"singular value (the start alone guarantees {min(from_start):.2f} to {max(from_start):.2f} of the rate)"
    )
    return Finding(text, min(quotients) >= 1 - _SAME)


def _model_speed(models: Sequence[Measured]) -> Finding:
    ratios = models[0].ratios
    plain = ratios.index(None)
    told = []
    for place, ratio in enumerate(ratios):
        if place == plain:
            continue
        quotients = [part.arrays["measured"][place] / part.arrays["measured"][plain] for part in models]
        faster = sum(quotient > 1 for quotient in quotients)
        told.append(f"eta = {ratio:g}: {np.median(quotients):.2g} times (faster in {faster} of {len(models)})")
    text = f"multi-layer linear models, rate with WN over that without, in the flow's own time: {'; '.join(told)}"
    return Finding(text, None)


def paragraphs(table: Table) -> list[Paragraph]:
    """How to read the pictures.

    Raises:
        InputError: When it is no table of such a study.
    """
    parts_of(table, "GridPart", "stiffness")
    return [
        Paragraph(
            "In the pictures:",
            (
                "steps and errors: medians over problems, with the slower half; hollow: the error after the budget",
                "rates: those foretold below a hundredth of the least that was measured are drawn there",
            ),
        )
    ]
