"""Smooth activations and activations with a kink, in pictures and words, beside theory for smooth ones."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.lab.studies.networks.table import Seeds, band, data_lines, legend_of, seeds_of, span_words
from wnsense.pages.style import Look, dress, log_if_wide, new_figure

_LOOKS = {
    "tanh": Look("tanh", "#0072B2", "-", "o"),
    "gelu": Look("GELU", "#009E73", "--", "s"),
    "silu": Look("SiLU", "#56B4E9", "--", "v"),
    "relu": Look("ReLU", "#D55E00", "-", "^"),
    "leaky_relu": Look("leaky ReLU", "#000000", ":", "D"),
}


def pictures(table: Table) -> Mapping[str, Figure]:
    """Along training, and second differences.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs, kinks = seeds_of(table, "TrainingPart", "ratio"), seeds_of(table, "KinkPart", "differences")
    return {"": _along(table, runs), "-kinks": _kinks(table, kinks)}


def _along(table: Table, runs: Sequence[Seeds]) -> Figure:
    figure = new_figure(9.0, 4.0)
    panels = figure.subplots(1, 2)
    for axes, (quantity, words) in zip(
        panels, (("train_loss", "training loss"), ("ratio", "||grad L||$^2$ / L")), strict=True
    ):
        for run in runs:
            values = run.stack(quantity)
            look = _LOOKS[run.activation]
            band(axes, run.steps_per_epoch * np.arange(values.shape[1]), values, look, look.label)
        dress(axes, x="steps of SGD", y=words)
        log_if_wide(axes, np.concatenate([line.get_ydata() for line in axes.lines]), ratio=5.0)
    titled(figure, table, "Along training, with WN")
    legend_of(figure, panels, 4)
    return figure


def largest(of: Seeds) -> np.ndarray:
    """The largest second difference over images and seeds, at each distance."""
    return np.asarray(of.stack("differences").max(axis=(0, 1)))


def distances(of: Seeds) -> np.ndarray:
    """How far."""
    return np.array(of.fact("distances"), dtype=float)


def _kinks(table: Table, kinks: Sequence[Seeds]) -> Figure:
    figure = new_figure(9.0, 4.6)
    axes = figure.subplots()
    for of in kinks:
        look, r = _LOOKS[of.activation], distances(of)
        axes.plot(
            r, largest(of), color=look.color, linestyle=look.line, marker=look.marker, markersize=4, label=look.label
        )
        bound = of.stack("bound").max(axis=0)
        if np.isfinite(bound).any():
            axes.plot(r, bound, color=look.color, linewidth=3.0, alpha=0.35, label=f"bound, {look.label}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    dress(axes, x="distance r from the parameters", y="|f(+r) + f(-r) - 2 f| / r$^2$, largest")
    titled(figure, table, "Second differences of f across where a unit may have a kink")
    legend_of(figure, [axes], 3)
    return figure


def findings(table: Table) -> list[Finding]:
    """Which bounds hold, and what a kink does.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs, kinks = seeds_of(table, "TrainingPart", "ratio"), seeds_of(table, "KinkPart", "differences")
    smooth = [of for of in kinks if np.isfinite(of.stack("bound")).any()]
    found = [_slopes(run) for run in runs]
    found += [_within(of) for of in smooth]
    found += [_beyond(of, smooth) for of in kinks if of not in smooth]
    return [*found, *(_convexity(run) for run in runs), _learned(runs)]


def _slopes(run: Seeds) -> Finding:
    slopes, bounds = run.stack("output_slope"), run.stack("slope_bound")
    text = (
        f"{_LOOKS[run.activation].label}: ||grad f|| is {span_words(slopes)} at the start and the end of training, and "
        f"within its bound, {span_words(bounds)}, in {int((slopes <= bounds).sum())} of {slopes.size} measurements"
    )
    return Finding(text, bool((slopes <= bounds).all()))


def _within(of: Seeds) -> Finding:
    bound, seen = of.stack("bound").max(axis=0), largest(of)
    known = np.isfinite(bound)
    text = (
        f"{_LOOKS[of.activation].label}: second differences are at most {float(seen[known].max()):.3g}, and within the "
        f"bound on ||grad^2 f|| on the way at {int((seen <= bound)[known].sum())} of {int(known.sum())} distances"
    )
    return Finding(text, bool((seen <= bound)[known].all()))


def _beyond(of: Seeds, smooth: Sequence[Seeds]) -> Finding:
    """Nothing is said of kinks; seen beside what is said of a smooth activation."""
    seen, r = largest(of), distances(of)
    peak = int(seen.argmax())
    text = (
        f"{_LOOKS[of.activation].label}, of which theory for smooth activations says nothing: second differences reach "
        f"{float(seen[peak]):.3g} at r = {r[peak]:.2g}"
    )
    if smooth:
        beside = float(largest(smooth[0]).max())
        bound = float(np.nanmax(smooth[0].stack("bound")[:, peak]))
        text += (
            f", {float(seen[peak]) / beside:.3g} times the largest of {_LOOKS[smooth[0].activation].label} and "
            f"{float(seen[peak]) / bound:.3g} times its bound there"
        )
    gaps = of.stack("gaps")
    text += f"; the nearest kinks are {float(gaps.min()):.1e} away, and nearer ones would give more"
    return Finding(text, None)


def _convexity(run: Seeds) -> Finding:
    formula = run.stack("convexity_estimate")
    least = np.minimum(run.stack("convexity_here"), run.stack("convexity_away"))
    known = np.isfinite(formula) & np.isfinite(least)
    text = (
        f"{_LOOKS[run.activation].label}: alpha by the formula is {span_words(formula)}, the least found in the cone "
        f"{span_words(least)}, which is no less in {int((least >= formula)[known].sum())} of {int(known.sum())} cases"
    )
    return Finding(text, None)


def _learned(runs: Sequence[Seeds]) -> Finding:
    told = "; ".join(
        f"{_LOOKS[run.activation].label} {run.first('train_loss').mean():.3g} -> {run.last('train_loss').mean():.3g}, "
        f"ratio {run.first('ratio').mean():.3g} -> {run.last('ratio').mean():.3g}"
        for run in runs
    )
    return Finding(f"training loss and gradient-to-loss ratio from start to end: {told}", None)


def paragraphs(table: Table) -> list[Paragraph]:
    """The images.

    Raises:
        InputError: When it is no table of such a study.
    """
    return [Paragraph("Images:", data_lines(table))]
