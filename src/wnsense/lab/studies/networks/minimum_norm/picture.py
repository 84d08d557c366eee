"""Pictures of the study of row lengths."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.lab.studies.networks.minimum_norm.table import RowLengthTable, row_factor, row_length
from wnsense.lab.studies.networks.network_axes import (
    draw_band,
    draw_legend,
    draw_points,
    draw_published,
    set_log_places,
    set_log_values,
)
from wnsense.lab.studies.networks.table import TrainingRuns, steps_per_epoch
from wnsense.pages.style import FAINT, Look, dress, log_if_wide, new_figure

# Styles from short rows to long ones.
_COLORS = ("#E69F00", "#D55E00", "#CC79A7", "#0072B2", "#000000")
_LINES = (":", "-.", "--", "-", "--")
_MARKERS = ("v", "s", "o", "D", "P")
_AT_START = (
    ("output_curvature", "||grad$^2$ f||$_2$"),
    ("loss_curvature", "largest eigenvalue of grad$^2$ L"),
    ("gradient_to_loss", "||grad L||$^2$ / L"),
)


def pictures(study: RowLengthTable) -> Mapping[str, Figure]:
    """Draw loss and gradient-to-loss ratio along training, and quantities at the start against the length of rows."""
    starts, midway = study.entries, study.midway
    return {"": _along_training(study.head, starts, midway), "-start": _at_start(study.head, starts)}


def _look(place: int, label: str) -> Look:
    return Look(label, _COLORS[place % len(_COLORS)], _LINES[place % len(_LINES)], _MARKERS[place % len(_MARKERS)])


def _along_training(head: StudyHead, starts: Sequence[TrainingRuns], midway: Sequence[TrainingRuns]) -> Figure:
    figure = new_figure(9.0, 6.6)
    grid = figure.subplots(2, 2, sharex="col")
    columns: tuple[tuple[Sequence[TrainingRuns], Callable[[TrainingRuns], float], str], ...] = (
        (starts, row_length, "rows of length {:g} from the start"),
        (midway, row_factor, "rows times {:g} midway"),
    )
    for column, (runs, place, words) in enumerate(columns):
        for row, (quantity, name) in enumerate((("train_loss", "training loss"), ("ratio", "||grad L||$^2$ / L"))):
            axes: Axes = grid[row][column]
            for index, run in enumerate(runs):
                values = run.stack(quantity)
                steps = steps_per_epoch(run) * np.arange(values.shape[1])
                draw_band(axes, steps, values, _look(index, ""), words.format(place(run)))
            if runs and column == 1:
                axes.axvline(runs[0].part.rescale_at * steps_per_epoch(runs[0]), color=FAINT, linewidth=1.0)
            title = "" if row else ("set at the start" if column == 0 else "changed midway, f left alone")
            dress(axes, title=title, x="steps of SGD" if row else "", y=name if column == 0 else "")
            log_if_wide(axes, np.concatenate([line.get_ydata() for line in axes.lines[: len(runs)]]), ratio=5.0)
    titled(figure, head, "How long rows are, along training")
    draw_legend(figure, list(grid.flat), 2)
    return figure


def _at_start(head: StudyHead, starts: Sequence[TrainingRuns]) -> Figure:
    figure = new_figure(9.0, 3.6)
    panels = figure.subplots(1, len(_AT_START))
    places = np.array([row_length(run) for run in starts])
    law = 1 / np.minimum(places, places**2)
    for axes, (name, words) in zip(panels, _AT_START, strict=True):
        values = np.stack([run.first(name) for run in starts])
        draw_points(axes, places, values, _look(3, ""), "measured")
        if name == "output_curvature":
            draw_published(axes, places, values.mean(axis=1), law)
        dress(axes, x="rows' length w", y=words)
        set_log_values(axes)
        set_log_places(axes, list(places))
    titled(figure, head, "The same function at the start, with longer and shorter rows")
    draw_legend(figure, panels, 2)
    return figure
