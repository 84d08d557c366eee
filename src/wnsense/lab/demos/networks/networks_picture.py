"""Pictures of the demo of deep networks, from its table."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.networks.network_axes import look_of
from wnsense.lab.studies.networks.table import NetworkKind
from wnsense.networks.network import Scaling
from wnsense.pages.style import INK, TEXT, dress, legend, log_if_wide, new_figure, whole_numbers

_KINDS = {
    "wn": NetworkKind(normalized=True, scaling=Scaling.ONE),
    "plain": NetworkKind(normalized=False, scaling=Scaling.ONE),
}
_LABELS = {"wn": "with weight normalization", "plain": "without"}
_WRONG = "#D55E00"
_COLUMNS = 8


def digits(table: Table) -> Figure:
    """Draw some digits with the network's answers."""
    shown, labels, answers = (table.arrays[name] for name in ("shown", "shown_labels", "shown_answers"))
    rows = -(-len(shown) // _COLUMNS)
    figure = new_figure(7.2, 1.15 * rows)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False)
    for place, axes in enumerate(panels.flat):
        axes.set_axis_off()
        if place >= len(shown):
            continue
        axes.imshow(shown[place], cmap="gray_r", vmin=0, vmax=255)
        is_right = labels[place] == answers[place]
        words = f"{answers[place]}" if is_right else f"{answers[place]}, is {labels[place]}"
        axes.set_title(words, fontsize=TEXT, color=INK if is_right else _WRONG)
    return figure


def learning(table: Table) -> Figure:
    """Draw loss and accuracy at each epoch."""
    figure = new_figure(7.2, 3.3)
    left, right = figure.subplots(1, 2)
    _curves(left, table, "train_loss", 1.0)
    _curves(right, table, "test_accuracy", 100.0)
    dress(left, x="epochs", y="training loss, mean squared")
    dress(right, x="epochs", y="test accuracy, %")
    right.set_ylim(0, 100)
    left.set_ylim(bottom=0)
    for axes in (left, right):
        whole_numbers(axes)
    legend(right)
    return figure


def measured(table: Table) -> Figure:
    """Draw gradient-to-loss ratio, curvature and shortest row at each epoch."""
    figure = new_figure(7.2, 3.0)
    panels = figure.subplots(1, 3)
    names = (("ratio", "||grad L||$^2$ / L"), ("loss_curvature", "curvature of L"), ("shortest", "shortest row"))
    for axes, (name, words) in zip(panels, names, strict=True):
        _curves(axes, table, name, 1.0)
        dress(axes, x="epochs", y=words)
        whole_numbers(axes)
        if name == "shortest":
            continue
        log_if_wide(axes, np.concatenate([line.get_ydata() for line in axes.lines]), ratio=5.0)
    return figure


def _curves(axes: Axes, table: Table, name: str, factor: float) -> None:
    for prefix, kind in _KINDS.items():
        look = look_of(kind)
        x, y = table.arrays[f"{prefix}_epoch"], factor * table.arrays[f"{prefix}_{name}"]
        axes.plot(
            x, y, color=look.color, linestyle=look.line, marker=look.marker, markersize=4, label=_LABELS[prefix], lw=1.8
        )
