"""Pictures of the study: error and steps against the scale of the start."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.diagonal.looks import grid, log_axes, outer_labels, rate_look
from wnsense.lab.studies.diagonal.recovery.table import RecoveryGroup, RecoveryTable
from wnsense.lab.studies.diagonal.sparse_drawing import Rate
from wnsense.lab.studies.diagonal.table import FOUND
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import titled
from wnsense.pages.style import FAINT, INK, TEXT, dress, legend_below


def pictures(study: RecoveryTable) -> Mapping[str, Figure]:
    """Return the pictures of errors and steps against the start, and of errors against steps."""
    groups = study.entries
    return {
        "": _panels(study.head, groups, "Error of the answer against the scale of the start", _draw_error),
        "-steps": _panels(study.head, groups, "Steps to the residual against the scale of the start", _draw_steps),
        "-curves": _curves(study.head, groups),
    }


def _panels(
    head: StudyHead, groups: Sequence[RecoveryGroup], words: str, draw: Callable[[Axes, RecoveryGroup], None]
) -> Figure:
    depths = sorted({group.first.depth for group in groups})
    sparsities = sorted({group.sparsity for group in groups})
    figure, panels = grid(len(depths), len(sparsities), 3.0, 2.5)
    by_key = {(group.first.depth, group.sparsity): group for group in groups}
    for (row, depth), (column, sparsity) in product(enumerate(depths), enumerate(sparsities)):
        draw(panels[row, column], by_key[depth, sparsity])
        panels[row, column].set_title(f"L = {depth}, s = {sparsity}", fontsize=TEXT, color=INK, loc="left")
    outer_labels(panels)
    titled(figure, head, words)
    legend_below(figure, panels[0, 0], 3)
    return figure


def _draw_error(axes: Axes, group: RecoveryGroup) -> None:
    for ratio in group.ratios:
        errors, arrived = group.stacked("error", ratio), group.arrived(ratio)
        _draw_band(axes, group, ratio, errors, arrived)
    axes.axhline(FOUND, color=FAINT, linestyle=":", linewidth=1.2)
    axes.set_ylim(5e-5, 3)
    dress(axes, x="alpha, scale of the start", y="relative error")


def _draw_steps(axes: Axes, group: RecoveryGroup) -> None:
    for ratio in group.ratios:
        _draw_band(axes, group, ratio, group.stacked("counts", ratio), group.arrived(ratio))
    axes.axhline(group.first.steps, color=FAINT, linestyle=":", linewidth=1.2)
    axes.set_ylim(10, 2 * group.first.steps)
    dress(axes, x="alpha, scale of the start", y="steps (dotted: budget)")


def _draw_band(axes: Axes, group: RecoveryGroup, ratio: Rate, values: np.ndarray, arrived: np.ndarray) -> None:
    look = rate_look(ratio, group.ratios)
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(group.scales, low, high, color=look.color, alpha=0.15, linewidth=0)
    axes.plot(group.scales, median, color=look.color, linestyle=look.line, linewidth=1.6, zorder=3)
    for shown, face in ((arrived, look.color), (~arrived, "white")):
        axes.plot(
            group.scales[shown],
            median[shown],
            color=look.color,
            markerfacecolor=face,
            marker=look.marker,
            markersize=5,
            linestyle="none",
            zorder=4,
        )
    # One entry of the legend with a line and a filled marker.
    axes.plot([], [], color=look.color, linestyle=look.line, marker=look.marker, markersize=5, label=look.label)
    axes.axvline(group.critical_scale, color=INK, linestyle="--", linewidth=0.9)
    log_axes(axes)


def _middle(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def _curves(head: StudyHead, groups: Sequence[RecoveryGroup]) -> Figure:
    """Return the picture of median errors along the runs, from a start in the middle."""
    sparsity = _middle(sorted({group.sparsity for group in groups}))
    shown = [group for group in groups if group.sparsity == sparsity]
    figure, panels = grid(1, len(shown), 3.2, 3.0)
    place = len(shown[0].scales) // 3
    for axes, group in zip(panels[0], shown, strict=True):
        marks = group.parts[0].arrays["marks"]
        for ratio in group.ratios:
            look, column = rate_look(ratio, group.ratios), group.ratios.index(ratio)
            errors = np.stack([part.arrays["errors"][:, place, column] for part in group.parts])
            low, median, high = np.quantile(errors, [0.25, 0.5, 0.75], axis=0)
            axes.fill_between(marks, low, high, color=look.color, alpha=0.15, linewidth=0)
            axes.plot(marks, median, color=look.color, linestyle=look.line, linewidth=1.8, label=look.label)
        axes.axhline(FOUND, color=FAINT, linestyle=":", linewidth=1.2)
        log_axes(axes)
        dress(axes, title=f"L = {group.first.depth}", x="steps", y="relative error")
    outer_labels(panels)
    titled(figure, head, f"Error along the run, s = {sparsity}, alpha = {shown[0].scales[place]:g}")
    legend_below(figure, panels[0, 0], 3)
    return figure
