"""Pictures of the study of activations."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.lab.studies.networks.activations.table import (
    LOOKS,
    ActivationTable,
    distances,
    largest_difference,
)
from wnsense.lab.studies.networks.network_axes import draw_band, draw_legend
from wnsense.lab.studies.networks.table import KinkRuns, TrainingRuns, steps_per_epoch
from wnsense.pages.style import dress, log_if_wide, new_figure


def pictures(study: ActivationTable) -> Mapping[str, Figure]:
    """Draw loss and gradient-to-loss ratio along training, and second differences."""
    runs, kinks = study.entries, study.kinks
    return {"": _along_training(study.head, runs), "-kinks": _kinks(study.head, kinks)}


def _along_training(head: StudyHead, runs: Sequence[TrainingRuns]) -> Figure:
    figure = new_figure(9.0, 4.0)
    panels = figure.subplots(1, 2)
    for axes, (quantity, words) in zip(
        panels, (("train_loss", "training loss"), ("ratio", "||grad L||$^2$ / L")), strict=True
    ):
        for run in runs:
            values = run.stack(quantity)
            look = LOOKS[run.activation]
            draw_band(axes, steps_per_epoch(run) * np.arange(values.shape[1]), values, look, look.label)
        dress(axes, x="steps of SGD", y=words)
        log_if_wide(axes, np.concatenate([line.get_ydata() for line in axes.lines]), ratio=5.0)
    titled(figure, head, "Along training, with WN")
    draw_legend(figure, panels, 4)
    return figure


def _kinks(head: StudyHead, kinks: Sequence[KinkRuns]) -> Figure:
    figure = new_figure(9.0, 4.6)
    axes = figure.subplots()
    for kink in kinks:
        look, r = LOOKS[kink.activation], distances(kink)
        y = largest_difference(kink)
        axes.plot(r, y, color=look.color, linestyle=look.line, marker=look.marker, markersize=4, label=look.label)
        bound = kink.stack("bound").max(axis=0)
        if np.isfinite(bound).any():
            axes.plot(r, bound, color=look.color, linewidth=3.0, alpha=0.35, label=f"bound, {look.label}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    dress(axes, x="distance r from the parameters", y="|f(+r) + f(-r) - 2 f| / r$^2$, largest")
    titled(figure, head, "Second differences of f across where a unit may have a kink")
    draw_legend(figure, [axes], 3)
    return figure
