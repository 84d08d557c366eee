"""Training as published, in pictures and words: loss, gradient-to-loss ratio, shortest row, and the parts of alpha."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.lab.studies.networks.table import (
    ONE,
    Seeds,
    band,
    data_lines,
    legend_of,
    log_places,
    look_of,
    points,
    power_over,
    power_words,
    seeds_of,
    span_words,
)
from wnsense.pages.style import Look, dress, log_if_wide, new_figure

_LINES = (":", "--", "-")
_ROWS = (
    ("train_loss", "training loss, mean squared"),
    ("ratio", "||grad L||$^2$ / L"),
    ("shortest", "shortest row, change in %"),
)
# Single precision may round a length that stays.
_ROUNDING = 1e-5


def pictures(table: Table) -> Mapping[str, Figure]:
    """Along training; and the two terms of alpha against the width.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = seeds_of(table, "TrainingPart", "ratio")
    return {"": _along(table, runs), "-convexity": _terms(table, runs)}


def _images(runs: Sequence[Seeds]) -> list[str]:
    return list(dict.fromkeys(run.images for run in runs))


def _along(table: Table, runs: Sequence[Seeds]) -> Figure:
    images = _images(runs)
    widths = sorted({run.width for run in runs})
    figure = new_figure(max(6.4, 4.5 * len(images)), 8.6)
    panels = figure.subplots(len(_ROWS), len(images), squeeze=False, sharex="col")
    for column, name in enumerate(images):
        for row, (quantity, words) in enumerate(_ROWS):
            axes: Axes = panels[row][column]
            for run in (of for of in runs if of.images == name):
                look = look_of(run.kind)
                line = _LINES[-len(widths) :][widths.index(run.width) % len(_LINES)]
                styled = Look(look.label, look.color, line)
                values = run.stack(quantity)
                if quantity == "shortest":
                    values = 100 * (values / values[:, :1] - 1)
                steps = run.steps_per_epoch * np.arange(values.shape[1])
                band(axes, steps, values, styled, f"{look.label}, m = {run.width}")
            last = row == len(_ROWS) - 1
            title = name if row == 0 else ""
            dress(axes, title=title, x="steps of SGD" if last else "", y=words if column == 0 else "")
            if quantity == "shortest":
                continue
            log_if_wide(axes, np.concatenate([line.get_ydata() for line in axes.lines]), ratio=5.0)
    words = f"Batch {runs[0].number('batch'):g}, learning rate {runs[0].number('learning_rate'):g}"
    titled(figure, table, f"{words}, {runs[0].depth} hidden layers")
    legend_of(figure, list(panels.flat), 2)
    return figure


def gain_term(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """(kappa_c^2 / 2) ||grad L||^2 / L at the end, what makes alpha large."""
    return np.asarray(run.number("cosine") ** 2 / 2 * run.last("gradient_to_loss"))


def loss_term(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """2 ||grad^2 f|| (||grad f|| R + sqrt(L)) at the end, what takes away from it."""
    apart = run.last("output_slope") * run.number("distance") + np.sqrt(run.last("loss"))
    return np.asarray(2 * run.last("output_curvature") * apart)


def _terms(table: Table, runs: Sequence[Seeds]) -> Figure:
    images = _images(runs)
    figure = new_figure(max(6.4, 4.5 * len(images)), 4.4)
    panels = figure.subplots(1, len(images), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, images, strict=True):
        for kind in dict.fromkeys(run.kind for run in runs):
            sweep = [run for run in runs if run.images == name and run.kind == kind]
            look, widths = look_of(kind), np.array([run.width for run in sweep])
            for term, line, words in ((gain_term, "-", "ratio's part"), (loss_term, ":", "curvature's part")):
                styled = Look("", look.color, line, look.marker)
                points(axes, widths, np.stack([term(run) for run in sweep]), styled, f"{look.label}, {words}")
        dress(axes, title=name, x="width m", y="part of alpha" if axes is panels[0] else "")
        log_places(axes, sorted({run.width for run in runs}))
    titled(figure, table, "At the end of training: alpha is solid less dotted")
    legend_of(figure, panels, 2)
    return figure


def findings(table: Table) -> list[Finding]:
    """Whether the loss falls, rows grow, and alpha is what the theorem wants.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = seeds_of(table, "TrainingPart", "ratio")
    found = []
    for name in _images(runs):
        own = [run for run in runs if run.images == name]
        normalized = [run for run in own if run.is_normalized]
        found += [_falls(name, normalized), _rows_grow(name, normalized), _ratio(name, own)]
        found += [_is_positive(name, normalized), _width_helps(name, normalized), _probed(name, normalized)]
    return found


def _falls(name: str, runs: Sequence[Seeds]) -> Finding:
    losses = np.concatenate([run.stack("train_loss") for run in runs])
    rises = int((np.diff(losses, axis=1) > 0).sum())
    text = (
        f"{name}, with WN: the loss falls from {span_words(losses[:, 0])} to {span_words(losses[:, -1])}; it rises in "
        f"{rises} of {losses[:, 1:].size} epochs"
    )
    return Finding(text, bool(np.isfinite(losses).all()) and rises == 0)


def _rows_grow(name: str, runs: Sequence[Seeds]) -> Finding:
    shortest = np.concatenate([run.stack("shortest") for run in runs])
    fall = float((1 - shortest[:, 1:] / shortest[:, :-1]).max())
    growth = shortest[:, -1] / shortest[:, 0]
    text = (
        f"{name}: under WN the shortest row never falls (at most {max(fall, 0.0):.1e} of it in an epoch, which is "
        f"rounding up to {_ROUNDING:g}); over the training it grows by {span_words(100 * (growth - 1))} %"
    )
    return Finding(text, fall <= _ROUNDING)


def _ratio(name: str, runs: Sequence[Seeds]) -> Finding:
    told = []
    for run in runs:
        begun, ended = run.first("ratio").mean(), run.last("ratio").mean()
        told.append(f"{look_of(run.kind).label}, m = {run.width}: {begun:.3g} -> {ended:.3g}")
    return Finding(f"{name}: ||grad L||^2 / L from start to end, {'; '.join(told)}", None)


def _is_positive(name: str, runs: Sequence[Seeds]) -> Finding:
    alphas = np.concatenate([run.stack("convexity_estimate").ravel() for run in runs])
    short = np.concatenate([loss_term(run) / gain_term(run) for run in runs])
    text = (
        f"{name}, with WN: alpha by the formula, with measured numbers for its bounds, is above 0 in "
        f"{int((alphas > 0).sum())} of {alphas.size} measurements; at the end what takes away from it is "
        f"{span_words(short)} times what adds to it"
    )
    return Finding(text, bool((alphas > 0).all()))


def _width_helps(name: str, runs: Sequence[Seeds]) -> Finding:
    sweep = [run for run in runs if run.scaling == ONE]
    if len({run.width for run in sweep}) < 3:
        return Finding(f"{name}: too few widths to say whether width helps alpha", None)
    power = power_over(sweep, lambda run: run.width, lambda run: gain_term(run) / loss_term(run))
    text = f"{name}: what adds to alpha over what takes away goes as width^{power_words(power)}; width is to help"
    return Finding(text, power.low > 0)


def _probed(name: str, runs: Sequence[Seeds]) -> Finding:
    formula = np.concatenate([run.stack("convexity_estimate") for run in runs])
    least = np.concatenate([np.minimum(run.stack("convexity_here"), run.stack("convexity_away")) for run in runs])
    known = np.isfinite(least) & np.isfinite(formula)
    below = int((formula[known] <= least[known]).sum())
    text = (
        f"{name}, with WN: restricted strong convexity holds with the formula's alpha along every direction "
        f"of the cone that was probed in {below} of {int(known.sum())} measurements, "
        f"which where it is negative asks little; the least alpha found is "
        f"{span_words(least)}"
    )
    return Finding(text, below == int(known.sum()))


def paragraphs(table: Table) -> list[Paragraph]:
    """Accuracies, and the images.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = seeds_of(table, "TrainingPart", "ratio")
    lines = tuple(
        f"{run.images}, {look_of(run.kind).label}, m = {run.width}: {100 * run.last('test_accuracy').mean():.1f} %"
        for run in runs
    )
    return [Paragraph("Test accuracy at the end, mean over seeds:", lines), Paragraph("Images:", data_lines(table))]
