"""Pictures of the study of training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.lab.studies.networks.network_axes import draw_band, draw_legend, draw_points, look_of, set_log_places
from wnsense.lab.studies.networks.table import TrainingRuns, steps_per_epoch
from wnsense.lab.studies.networks.training.table import TrainingTable, gain_term, image_names, loss_term
from wnsense.pages.style import Look, dress, log_if_wide, new_figure

_LINES = (":", "--", "-")
_ROWS = (
    ("train_loss", "training loss, mean squared"),
    ("ratio", "||grad L||$^2$ / L"),
    ("shortest", "shortest row, change in %"),
)


def pictures(study: TrainingTable) -> Mapping[str, Figure]:
    """Draw quantities along training, and the two terms of `alpha` against the width."""
    runs = study.entries
    return {"": _along_training(study.head, runs), "-convexity": _terms(study.head, runs)}


def _along_training(head: StudyHead, runs: Sequence[TrainingRuns]) -> Figure:
    images = image_names(runs)
    widths = sorted({run.width for run in runs})
    figure = new_figure(max(6.4, 4.5 * len(images)), 8.6)
    panels = figure.subplots(len(_ROWS), len(images), squeeze=False, sharex="col")
    for column, name in enumerate(images):
        own = [run for run in runs if run.part.sampling.images == name]
        for row, (quantity, words) in enumerate(_ROWS):
            axes: Axes = panels[row][column]
            for run in own:
                line = _LINES[-len(widths) :][widths.index(run.width) % len(_LINES)]
                _draw_run(axes, run, quantity, line)
            last = row == len(_ROWS) - 1
            title = name if row == 0 else ""
            dress(axes, title=title, x="steps of SGD" if last else "", y=words if column == 0 else "")
            if quantity != "shortest":
                log_if_wide(axes, np.concatenate([line.get_ydata() for line in axes.lines]), ratio=5.0)
    part = runs[0].part
    words = f"Batch {part.batch:g}, learning rate {part.learning_rate:g}"
    titled(figure, head, f"{words}, {runs[0].depth} hidden layers")
    draw_legend(figure, list(panels.flat), 2)
    return figure


def _draw_run(axes: Axes, run: TrainingRuns, quantity: str, line: str) -> None:
    look = look_of(run.kind)
    values = run.stack(quantity)
    if quantity == "shortest":
        values = 100 * (values / values[:, :1] - 1)
    steps = steps_per_epoch(run) * np.arange(values.shape[1])
    draw_band(axes, steps, values, Look(look.label, look.color, line), f"{look.label}, m = {run.width}")


def _terms(head: StudyHead, runs: Sequence[TrainingRuns]) -> Figure:
    images = image_names(runs)
    figure = new_figure(max(6.4, 4.5 * len(images)), 4.4)
    panels = figure.subplots(1, len(images), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, images, strict=True):
        for kind in dict.fromkeys(run.kind for run in runs):
            sweep = [run for run in runs if run.part.sampling.images == name and run.kind == kind]
            look, widths = look_of(kind), np.array([run.width for run in sweep])
            for term, line, words in ((gain_term, "-", "ratio's part"), (loss_term, ":", "curvature's part")):
                styled = Look("", look.color, line, look.marker)
                values = np.stack([term(run) for run in sweep])
                draw_points(axes, widths, values, styled, f"{look.label}, {words}")
        dress(axes, title=name, x="width m", y="part of alpha" if axes is panels[0] else "")
        set_log_places(axes, sorted({run.width for run in runs}))
    titled(figure, head, "At the end of training: alpha is solid less dotted")
    draw_legend(figure, panels, 2)
    return figure
