"""Pictures of the study of generalization."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.frame.typed_table import titled
from wnsense.lab.studies.networks.generalization.table import (
    Dimension,
    GapSweep,
    GapTable,
    gap,
    start_complexity,
)
from wnsense.lab.studies.networks.network_axes import draw_legend, draw_points, look_of, set_log_places
from wnsense.lab.studies.networks.table import TrainingRuns
from wnsense.pages.style import dress, new_figure

_NAMES = {Dimension.WIDTH: "width m", Dimension.DEPTH: "depth L, hidden layers"}


@dataclass(frozen=True)
class _PanelRow:
    """Row of panels.

    Attributes:
        values: Function that returns the quantity for each seed.
        words: Label of the y axis.
        logarithmic: True for a logarithmic y axis.
    """

    values: Callable[[TrainingRuns], np.ndarray]
    words: str
    logarithmic: bool = False


def pictures(study: GapTable) -> Mapping[str, Figure]:
    """Draw gaps and bounds, and losses and accuracies."""
    gaps = (
        _PanelRow(gap, "gap: test less train loss"),
        _PanelRow(start_complexity, "bound on Rademacher complexity", logarithmic=True),
    )
    losses = (
        _PanelRow(lambda run: run.last("train_loss"), "training loss at the end"),
        _PanelRow(lambda run: run.last("test_accuracy"), "test accuracy, part of 1"),
    )
    title = "Gap of the mean squared loss at the end of training, and the bound that is to explain it"
    return {"": _panels(study, gaps, title), "-learned": _panels(study, losses, "What was learned")}


def _panels(study: GapTable, rows: Sequence[_PanelRow], title: str) -> Figure:
    sweeps = study.entries
    variables = list(dict.fromkeys(sweep.variable for sweep in sweeps))
    figure = new_figure(4.5 * len(variables), 2.9 * len(rows) + 1.1)
    grid = figure.subplots(len(rows), len(variables), squeeze=False, sharey="row")
    for place, row in enumerate(rows):
        for column, variable in enumerate(variables):
            axes: Axes = grid[place][column]
            own = [sweep for sweep in sweeps if sweep.variable is variable]
            for sweep in own:
                _draw_sweep(axes, sweep, row)
            fixed = variable.other
            head = f"{fixed} {fixed.of(own[0].begun[0])}" if place == 0 else ""
            name = _NAMES[variable] if place == len(rows) - 1 else ""
            dress(axes, title=head, x=name, y=row.words if column == 0 else "")
            set_log_places(axes, sorted({sweep.place(run) for sweep in own for run in sweep.begun}))
    titled(figure, study.head, title)
    draw_legend(figure, list(grid.flat), 2)
    return figure


def _draw_sweep(axes: Axes, sweep: GapSweep, row: _PanelRow) -> None:
    look = look_of(sweep.kind)
    # The bound at the start exists also for runs that diverged later.
    runs = sweep.begun if row.values is start_complexity else sweep.runs
    if runs:
        places = np.array([sweep.place(run) for run in runs])
        values = np.stack([row.values(run) for run in runs])
        draw_points(axes, places, values, look, look.label, logarithmic=row.logarithmic)
