"""Picture of the study of learning rates."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from wnsense.lab.studies.frame.typed_table import titled
from wnsense.lab.studies.networks.network_axes import draw_legend, look_of
from wnsense.lab.studies.networks.rates.table import (
    PUBLISHED_RATE,
    LearningRateTable,
    absolute_rate,
    final_loss,
    runs_by_kind,
)
from wnsense.pages.style import FAINT, dress, new_figure


def pictures(study: LearningRateTable) -> Mapping[str, Figure]:
    """Draw the loss at the end against the rate, in units of `1 / beta` and as it is."""
    kinds = runs_by_kind(study.entries)
    runs = [run for own in kinds.values() for run in own]
    figure = new_figure(9.0, 4.6)
    left, right = figure.subplots(1, 2, sharey=True)
    worst = max(float(run.first("train_loss").max()) for run in runs)
    for kind, own in kinds.items():
        look = look_of(kind)
        relative = np.array([run.part.learning_rate for run in own])
        rates = np.array([absolute_rate(run) for run in own])
        ends = np.stack([final_loss(run) for run in own])
        # Runs that diverged are drawn at the upper edge.
        shown = np.minimum(np.nan_to_num(ends, nan=np.inf), 3 * worst)
        middle = np.median(shown, axis=1)
        for axes, x in ((left, relative), (right, rates)):
            axes.fill_between(x, shown.min(axis=1), shown.max(axis=1), color=look.color, alpha=0.2, linewidth=0)
            axes.plot(
                x,
                middle,
                color=look.color,
                linestyle=look.line,
                linewidth=1.6,
                marker=look.marker,
                markersize=5,
                label=look.label,
            )
    left.axvline(2.0, color=FAINT, linestyle="--", linewidth=1.4, label="2 / beta, beta as at the start")
    right.axvline(PUBLISHED_RATE, color=FAINT, linestyle=":", linewidth=1.8, label="the published rate, 0.001")
    for axes, words in ((left, "learning rate times beta"), (right, "learning rate")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        dress(axes, x=words, y="training loss at the end" if axes is left else "")
    title = f"After {runs[0].part.epochs} steps of gradient descent; at the upper edge: diverged or worse"
    titled(figure, study.head, title)
    draw_legend(figure, [left, right], 3)
    return {"": figure}
