"""Drawing of networks: their looks, curves with the spread of seeds, and logarithmic axes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.networks.table import NetworkKind, mean_interval
from wnsense.networks.network import Scaling
from wnsense.pages.style import METHODS, TEXT, Look, logarithmic

# Least ratio of neighbouring ticks whose labels do not overlap.
_APART = 1.3
# Factor of room above and below curves on a logarithmic axis.
_ROOM = 1.4
_PUBLISHED_LINE = "#777777"
_WIDTH_COLOR = "#0072B2"


def look_of(kind: NetworkKind) -> Look:
    """Return the look of a network, with the colors of weight normalization and of gradient descent elsewhere."""
    wn, plain = METHODS["wn"], METHODS["gd"]
    looks = {
        (True, Scaling.ONE): Look("with WN, s = 1", wn.color, "-", wn.marker),
        (False, Scaling.ONE): Look("without, s = 1", plain.color, "--", plain.marker),
        (True, Scaling.WIDTH): Look("with WN, s = 1/sqrt(m)", _WIDTH_COLOR, "-", "D"),
        (False, Scaling.WIDTH): Look("without, s = 1/sqrt(m)", "#000000", "--", "v"),
    }
    return looks[kind.normalized, kind.scaling]


def draw_band(axes: Axes, x: np.ndarray, values: Float[np.ndarray, "seeds points"], look: Look, label: str) -> None:
    """Draw the curve of the means over seeds, shaded from the least to the largest seed."""
    low, high = values.min(axis=0), values.max(axis=0)
    axes.fill_between(x, low, high, color=look.color, alpha=0.2, linewidth=0)
    axes.plot(x, values.mean(axis=0), color=look.color, linestyle=look.line, linewidth=1.7, label=label)


def draw_points(
    axes: Axes,
    x: np.ndarray,
    values: Float[np.ndarray, "points seeds"],
    look: Look,
    label: str,
    *,
    logarithmic: bool = True,
) -> None:
    """Draw means over seeds with Student's 95% intervals; those of the logarithms on a logarithmic axis."""
    mean, half = mean_interval(np.log(values.T) if logarithmic else values.T)
    low, high = (np.nan_to_num(end, posinf=0.0, neginf=0.0) for end in (mean - half, mean + half))
    bounded = np.isfinite(half)
    ends = np.where(bounded, low, mean), mean, np.where(bounded, high, mean)
    below, middle, above = (np.exp(end) if logarithmic else end for end in ends)
    axes.errorbar(
        x,
        middle,
        yerr=np.stack([middle - below, above - middle]),
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markersize=5,
        linewidth=1.6,
        capsize=3,
        label=label,
    )
    if logarithmic:
        axes.set_yscale("log")


def set_log_places(axes: Axes, places: Sequence[float]) -> None:
    """Make the x axis logarithmic with a tick at each place; labels that would overlap are left out."""
    axes.set_xscale("log")
    labels, last = [], 0.0
    for place in places:
        labels.append(f"{place:.3g}" if place < 1 and place >= _APART * last else f"{place:g}" if place >= 1 else "")
        last = place if labels[-1] else last
    axes.set_xticks(list(places), labels)
    axes.minorticks_off()


def set_log_values(axes: Axes) -> None:
    """Make the y axis logarithmic around its curves, with enough ticks."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    shown = values[np.isfinite(values) & (values > 0)]
    if shown.size:
        logarithmic(axes, float(shown.min()) / _ROOM, float(shown.max()) * _ROOM)


def draw_published(
    axes: Axes, x: np.ndarray, values: Float[np.ndarray, " points"], law: Float[np.ndarray, " points"]
) -> None:
    """Draw a published power as an upper bound, with the least constant that bounds the values.

    Args:
        axes: Axes to draw into.
        x: Places of the values.
        values: Values to bound.
        law: Values of the power, up to a constant.
    """
    label = "published power, least constant that bounds"
    axes.plot(x, law * float((values / law).max()), color=_PUBLISHED_LINE, linestyle=":", linewidth=2.0, label=label)


def draw_legend(figure: Figure, panels: Sequence[Axes], columns: int) -> None:
    """Draw one legend below the panels, with each label once."""
    handles: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        fontsize=TEXT - 1,
        frameon=False,
        loc="outside lower center",
        ncols=columns,
    )
