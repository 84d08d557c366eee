"""Style of all pictures: one colour and line for each method and quantity, and sizes of letters and axes."""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

# Sizes of letters in points, for a page about 6 inches wide.
TEXT = 10.0
TITLE = 11.0
INK = "#222222"
FAINT = "#8a8a8a"
SHADE = "#f1f3f5"

# Largest number of points of a curve; more are not visible and make the file large.
_MOST_POINTS = 1000
# Axes of up to this number of decades have ticks between the powers of ten.
_FEW_DECADES = 3


@dataclass(frozen=True)
class Look:
    """Look of a method or a quantity, the same in every picture.

    Attributes:
        label: Name in words.
        color: Colour from the set of Okabe and Ito, which colour-blind people can distinguish.
        line: Line style, as a distinction beside the colour.
        marker: Marker.
    """

    label: str
    color: str
    line: str = "-"
    marker: str = "o"


METHODS = {
    "recover": Look("recover(), rank unknown", "#009E73", "-", "*"),
    "preconditioned-wn": Look("preconditioned WN", "#0072B2", "-", "o"),
    "wn": Look("WN, Algorithm 1", "#E69F00", "--", "s"),
    "gd": Look("gradient descent", "#D55E00", "-.", "^"),
    "least-squares": Look("least squares, no low rank", "#777777", ":", "D"),
    "truth": Look("true", "#000000", "-", "."),
    # There are more methods than colours; methods of one colour differ in line and marker.
    "conjugate-wn": Look("conjugate WN", "#009E73", "--", "P"),
    "gauss-newton": Look("Gauss-Newton", "#000000", ":", "X"),
    "scaledgd": Look("ScaledGD", "#56B4E9", "-.", "v"),
    "scaledgd-lambda": Look("ScaledGD(lambda)", "#CC79A7", "--", "<"),
    "precgd": Look("PrecGD", "#0072B2", "-.", ">"),
    "agn": Look("AGN", "#E69F00", ":", "d"),
    "risro": Look("RISRO", "#D55E00", "-", "h"),
    "lmm": Look("LMM", "#CC79A7", "-", "p"),
    "mifgd": Look("MiFGD", "#56B4E9", ":", "H"),
    "svp": Look("SVP", "#777777", "-", "8"),
}

QUANTITIES = {
    "residual": Look("fitted measurements", "#56B4E9", "-", "o"),
    "holdout_residual": Look("held-out measurements", "#CC79A7", "-", "s"),
    "error": Look("error of the matrix", "#000000", "--", "^"),
}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, outside of matplotlib's global state."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def dress(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Set title, axis names, letter sizes and a faint grid."""
    if title:
        axes.set_title(title, fontsize=TITLE, color=INK, loc="left")
    axes.set_xlabel(x, fontsize=TEXT, color=INK)
    axes.set_ylabel(y, fontsize=TEXT, color=INK)
    axes.tick_params(labelsize=TEXT - 1, colors=INK, which="both")
    axes.grid(visible=True, color="#dddddd", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def whole_numbers(axes: Axes) -> None:
    """Set ticks at whole numbers only, for ranks and indices."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def legend(axes: Axes) -> None:
    """Add a legend on white, at the place where it covers least."""
    axes.legend(fontsize=TEXT - 1, frameon=True, framealpha=0.9, edgecolor="none", loc="best")


def curve(axes: Axes, look: Look, x: np.ndarray, y: np.ndarray, *, label: str | None = None) -> None:
    """Draw a curve in its look, thinned if it is long; values of 0 or less are left out."""
    shown = np.isfinite(x) & np.isfinite(y) & (y > 0)
    x, y = x[shown], y[shown]
    places = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).round().astype(int))
    alone = look.marker if len(places) == 1 else "none"
    axes.plot(
        x[places],
        y[places],
        color=look.color,
        linestyle=look.line,
        linewidth=1.8,
        marker=alone,
        label=look.label if label is None else label,
    )


def legend_below(figure: Figure | SubFigure, axes: Axes, columns: int) -> None:
    """Add the legend of some axes below the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=TEXT - 1, frameon=False, loc="outside lower center", ncols=columns)


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """Set a logarithmic y axis from low to high, with ticks between powers of ten if there are few decades."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    decades = math.log10(high / low)
    if decades > _FEW_DECADES:
        return
    steps = (1, 2, 3, 5, 7) if decades < 1 else (1, 2, 5)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [k * 10.0**power for power in range(first, last + 1) for k in steps]
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_yticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()


def log_if_wide(axes: Axes, values: np.ndarray, *, ratio: float = 20.0) -> None:
    """Set a logarithmic y axis if positive values span more than a ratio, else a linear one from zero."""
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size and positive.max() > ratio * positive.min():
        margin = (positive.max() / positive.min()) ** 0.06
        logarithmic(axes, float(positive.min() / margin), float(positive.max() * margin))
    else:
        axes.set_ylim(bottom=0)
