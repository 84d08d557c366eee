"""Pictures of the study of curvature."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.lab.studies.networks.curvature.table import (
    ROW_LENGTHS,
    VARIABLES,
    CurvatureSweep,
    CurvatureTable,
    hessian_norms,
    sweeps_of,
)
from wnsense.lab.studies.networks.network_axes import (
    draw_legend,
    draw_points,
    draw_published,
    set_log_places,
    set_log_values,
)
from wnsense.lab.studies.networks.table import CurvatureRuns
from wnsense.networks.network import Scaling
from wnsense.pages.style import dress, new_figure
from wnsense.theory.networks import PUBLISHED_HESSIAN_EXPONENTS

_Values = Callable[[CurvatureRuns], np.ndarray]


def pictures(study: CurvatureTable) -> Mapping[str, Figure]:
    """Draw the Hessians of outputs, and those of the loss, against each variable."""
    sweeps = sweeps_of(study.entries)
    outputs = _panels(
        study.head, sweeps, hessian_norms, "||grad$^2$ f||$_2$", "Hessian of an output f at the start", published=True
    )
    losses = _panels(
        study.head,
        [replace(sweep, runs=[run for run in sweep.runs if _has_loss(run)]) for sweep in sweeps],
        lambda run: run.first("loss_curvature"),
        "||grad$^2$ L||$_2$",
        "Hessian of the mean squared loss at the start",
        published=False,
    )
    return {"": outputs, "-loss": losses}


def _has_loss(run: CurvatureRuns) -> bool:
    return bool(np.isfinite(run.first("loss_curvature")).all())


def _panels(
    head: StudyHead, sweeps: Sequence[CurvatureSweep], values: _Values, words: str, title: str, *, published: bool
) -> Figure:
    variables = [variable for variable in VARIABLES if any(sweep.variable is variable for sweep in sweeps)]
    scalings = [
        scaling for scaling in (Scaling.ONE, Scaling.WIDTH) if any(sweep.kind.scaling is scaling for sweep in sweeps)
    ]
    figure = new_figure(3.3 * len(variables) + 0.4, 3.3 * len(scalings) + 1.2)
    grid = figure.subplots(len(scalings), len(variables), squeeze=False)
    for row, scaling in enumerate(scalings):
        for column, variable in enumerate(variables):
            axes: Axes = grid[row][column]
            own = [sweep for sweep in sweeps if sweep.variable is variable and sweep.kind.scaling is scaling]
            for sweep in own:
                draw_points(
                    axes, sweep.places, np.stack([values(run) for run in sweep.runs]), sweep.look, sweep.look.label
                )
            if published and own:
                _draw_published(axes, own[0], values)
            dress(
                axes,
                title=f"s = {scaling}" if column == 0 else "",
                x=variable.words if row == len(scalings) - 1 else "",
                y=words if column == 0 else "",
            )
            if own:
                set_log_values(axes)
                set_log_places(axes, sorted({place for sweep in own for place in sweep.places}))
    titled(figure, head, title)
    draw_legend(figure, list(grid.flat), 3)
    return figure


def _draw_published(axes: Axes, sweep: CurvatureSweep, values: _Values) -> None:
    """Draw the published power of a variable, for the first sweep."""
    x = sweep.places
    if sweep.variable is ROW_LENGTHS:
        law = 1 / np.minimum(x, x**2)
    else:
        law = x ** PUBLISHED_HESSIAN_EXPONENTS[sweep.variable.name]
    draw_published(axes, x, np.array([values(run).mean() for run in sweep.runs]), law)
