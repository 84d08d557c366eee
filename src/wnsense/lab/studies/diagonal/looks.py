"""Looks of rates and depths in pictures, and grids of panels."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.diagonal.sparse_drawing import Rate
from wnsense.pages.style import METHODS, Look, new_figure

# Weight normalization at ratios from large to small: one order of colours, from light to dark.
_RATIO_COLORS = ("#56B4E9", "#009E73", "#0072B2", "#5b2a86", "#000000")
_RATIO_MARKERS = ("v", "s", "o", "D", "P")
# Width at which titles and legends have room, in inches.
_NARROWEST = 7.5
DEPTH_MARKERS = {2: "o", 3: "s", 4: "^"}


def rate_look(ratio: Rate, ratios: Sequence[Rate]) -> Look:
    """Return the look of a rate: that of gradient descent if plain, others by their place from large to small."""
    if ratio is None:
        look = METHODS["gd"]
        return Look("without WN", look.color, look.line, look.marker)
    order = sorted((value for value in ratios if value is not None), reverse=True)
    place = order.index(ratio) % len(_RATIO_COLORS)
    return Look(f"WN, eta = {ratio:g}", _RATIO_COLORS[place], "-", _RATIO_MARKERS[place])


def grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """Return a figure with a panel for each row and column, of a given width and height in inches."""
    figure = new_figure(max(_NARROWEST, 0.6 + width * columns), 1.1 + height * rows)
    panels: np.ndarray = figure.subplots(rows, columns, squeeze=False, sharex="col", sharey="row")
    return figure, panels


def outer_labels(panels: np.ndarray) -> None:
    """Leave the names of axes at the outer panels only, since all panels share them."""
    for axes in panels.ravel():
        first: Axes = axes
        first.label_outer()


def log_axes(*panels: Axes) -> None:
    """Make both axes of each panel logarithmic."""
    for axes in panels:
        axes.set_xscale("log")
        axes.set_yscale("log")
