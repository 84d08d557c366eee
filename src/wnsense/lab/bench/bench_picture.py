"""Pictures of the benchmark: performance profiles, and maps of the success rate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.pages.style import INK, METHODS, TEXT, TITLE, dress, legend_below, new_figure

_PROFILE_WIDTH, _PROFILE_HEIGHT = 11.0, 5.4
_MAP_SIDE = 3.1
_MAPS_IN_A_ROW = 3
_LEGEND_COLUMNS = 5
_MARKERS = 7
# Ratios beyond this one are not shown.
_LARGEST_RATIO = 32.0


def profile(
    ratios: Sequence[float], largest: float
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Return a performance profile (Dolan and More, arXiv cs/0102001) as the corners of a step function.

    Args:
        ratios: Cost of a method over the least cost of any method, problem by problem; infinite if the method fails.
        largest: Last value of `tau`.

    Returns:
        The values of `tau`, from 1 to the largest, and the share of problems with a ratio of at most `tau`.
    """
    shown = np.sort([ratio for ratio in ratios if ratio <= largest])
    share = np.arange(1, len(shown) + 1) / max(len(ratios), 1)
    at_once = float(np.sum(shown <= 1)) / max(len(ratios), 1)
    tau = np.concatenate([[1.0], shown, [largest]])
    reached = np.concatenate([[at_once], share, [share[-1] if len(share) else 0.0]])
    return tau, reached


def profiles_picture(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draw profiles side by side.

    Args:
        panels: Performance ratios of each method, by the title of the panel.
    """
    figure = new_figure(_PROFILE_WIDTH, _PROFILE_HEIGHT)
    for axes, (title, methods) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True):
        problems = max((len(ratios) for ratios in methods.values()), default=0)
        for place, (name, ratios) in enumerate(methods.items()):
            _draw_profile(axes, name, ratios, place / max(len(methods), 1))
        axes.set_xscale("log", base=2)
        axes.set_xlim(1, _LARGEST_RATIO)
        ticks = [2.0**k for k in range(int(math.log2(_LARGEST_RATIO)) + 1)]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_ylim(0, 1.02)
        dress(
            axes,
            title=f"{title}, {problems} problems",
            x="applications to 1e-10 over the least of any method",
            y="share of problems solved",
        )
    legend_below(figure, figure.axes[-1], _LEGEND_COLUMNS)
    return figure


def _draw_profile(axes: Axes, name: str, ratios: Sequence[float], phase: float) -> None:
    look = METHODS[name]
    tau, reached = profile(ratios, _LARGEST_RATIO)
    axes.step(tau, reached, where="post", color=look.color, linestyle=look.line, linewidth=1.8, zorder=3)
    # Markers are evenly spaced on the log axis; each method's are shifted against the last one's, so that none hides.
    places = _LARGEST_RATIO ** ((np.arange(_MARKERS) + phase) / _MARKERS)
    heights = reached[np.searchsorted(tau, places, side="right") - 1]
    shown = heights > 0
    axes.plot(places[shown], heights[shown], color=look.color, linestyle="none", marker=look.marker, zorder=4)
    # The empty line gives the legend line and marker together.
    axes.plot([], [], color=look.color, linestyle=look.line, linewidth=1.8, marker=look.marker, label=look.label)


@dataclass(frozen=True)
class PhaseMap:
    """Success rate of a method by rank and oversampling.

    Attributes:
        oversamplings: Number of measurements `n` over the degrees of freedom, increasing.
        ranks: Ranks of the unknown matrix, increasing.
        success: Share of runs that succeed; NaN if there is no run.
    """

    oversamplings: tuple[float, ...]
    ranks: tuple[int, ...]
    success: Float[np.ndarray, "ranks oversamplings"]


def phase_picture(maps: Mapping[str, PhaseMap]) -> Figure:
    """Draw a map for each method, all on one color scale."""
    columns = min(len(maps), _MAPS_IN_A_ROW)
    rows = math.ceil(len(maps) / columns)
    figure = new_figure(_MAP_SIDE * columns + 1, _MAP_SIDE * rows)
    grid = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axes in grid[len(maps) :]:
        axes.set_axis_off()
    for place, (axes, (name, phase)) in enumerate(zip(grid, maps.items(), strict=False)):
        image = axes.imshow(phase.success, cmap="cividis", vmin=0, vmax=1, origin="lower", aspect="auto")
        axes.set_xticks(range(len(phase.oversamplings)), [f"{value:g}" for value in phase.oversamplings])
        axes.set_yticks(range(len(phase.ranks)), [str(rank) for rank in phase.ranks])
        axes.set_title(METHODS[name].label, fontsize=TITLE, color=INK, loc="left")
        axes.tick_params(labelsize=TEXT - 1, colors=INK)
        axes.set_xlabel("n / degrees of freedom", fontsize=TEXT, color=INK)
        axes.set_ylabel("rank" if place % columns == 0 else "", fontsize=TEXT, color=INK)
        # The numbers save comparing shades.
        for (i, j), share in np.ndenumerate(phase.success):
            if np.isfinite(share):
                ink = "black" if share > 0.5 else "white"
                axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=TEXT - 3, color=ink)
    bar = figure.colorbar(image, ax=list(grid), shrink=0.8)
    bar.set_label("runs that succeed, numbers in %", fontsize=TEXT, color=INK)
    bar.ax.tick_params(labelsize=TEXT - 1, colors=INK)
    return figure
