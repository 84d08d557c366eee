"""Pictures of figure 1: six panels for each kind of measurements."""

from collections.abc import Mapping
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from wnsense.lab.studies.learning.specification import Sensed
from wnsense.lab.studies.learning.table import LearningRun, LearningTable
from wnsense.pages.style import FAINT, INK, SHADE, TEXT, TITLE, dress, new_figure

_WIDTH, _HEIGHT = 10.0, 10.6
_STEPS = "step + 1"
_LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")
_MARK = "#555555"
# The rounding of ||A||_F^2 = 1, squared.
_LOWEST = 1e-34


def pictures(study: LearningTable) -> Mapping[str, Figure]:
    """Return a figure of six panels for each kind of measurements; the first is the main one."""
    runs, scale = study.entries, study.head.scale_words
    suffixes = ["", *(f"_{run.setting.sensed}" for run in runs[1:])]
    return {suffix: learning_picture(run, scale) for suffix, run in zip(suffixes, runs, strict=True)}


def learning_picture(run: LearningRun, scale: str) -> Figure:
    """Return panels (a) to (f) of one kind of measurements, with every escape marked in all six."""
    figure = new_figure(_WIDTH, _HEIGHT)
    panels = figure.subplots(3, 2, sharex=True)
    draw = (_draw_error, _draw_gradients, _draw_distances, _draw_cosines, _draw_outside, _draw_magnitudes)
    for axes, draw_panel in zip(panels.flat, draw, strict=True):
        axes.set_xscale("log")
        axes.set_xlim(1, float(run.step[-1]) + 1)
        draw_panel(axes, run)
        # Room for the l of each stay.
        axes.set_title(axes.get_title(loc="left"), fontsize=TITLE, color=INK, loc="left", pad=17)
        _mark(axes, run)
    for axes in panels[-1]:
        axes.set_xlabel(_STEPS, fontsize=TEXT, color=INK)
    setting = run.setting
    sizes = (
        f"m = {setting.size}, r_A = {setting.rank}, r = {setting.width}, kappa = {setting.condition:g}, "
        f"eta = {setting.step_size:g}"
    )
    title = f"Sequential learning by WN (Algorithm 1), {run.label}{scale}"
    figure.suptitle(f"{title}\n{sizes}", fontsize=TEXT + 2, color=INK, x=0.01, ha="left")
    _legend(figure, run)
    return figure


def _color(index: int, run: LearningRun) -> tuple[float, float, float, float]:
    """Return the colour of the i-th eigenvalue or saddle, the same in all panels, from dark to light."""
    r, g, b, a = mpl.colormaps["viridis"](0.92 * index / max(run.levels, 1))
    return r, g, b, a


def _mark(axes: Axes, run: LearningRun) -> None:
    """Shade the stays, with their `l` above, and draw a line at each escape."""
    for stay in run.stays():
        end = float(run.step[-1]) if stay.escape is None else float(stay.escape)
        axes.axvspan(stay.first + 1, end + 1, color=SHADE, linewidth=0, zorder=0)
        middle = np.sqrt((stay.first + 1) * (end + 1))
        axes.annotate(
            f"l={stay.index}",
            (middle, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=TEXT - 1,
            color=_MARK,
        )
        if stay.escape is not None:
            axes.axvline(stay.escape + 1, color=_MARK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)


def _legend(figure: Figure, run: LearningRun) -> None:
    """Draw one legend for all panels: the indices and the marks."""
    handles = [
        Line2D([], [], color=_color(index, run), linestyle=_LINES[index % len(_LINES)], linewidth=2, label=str(index))
        for index in range(run.levels + 1)
    ]
    handles.append(Line2D([], [], color=FAINT, linewidth=1.2, label="surplus"))
    handles.append(
        Line2D([], [], color=_MARK, linewidth=0.9, linestyle=(0, (4, 2)), label="a saddle is left (its l above)")
    )
    figure.legend(
        handles=handles,
        title="l of A_l in (c); i of the i-th value in (d), (e), (f)",
        title_fontsize=TEXT - 1,
        fontsize=TEXT - 1,
        frameon=False,
        loc="outside lower center",
        ncols=len(handles),
    )


def _draw_error(axes: Axes, run: LearningRun) -> None:
    errors = run.arrays["squared_error"]
    low, high = np.quantile(errors, [0.1, 0.9], axis=1)
    axes.fill_between(run.step + 1, low, high, color=FAINT, alpha=0.35, linewidth=0, label="10% to 90% of starts")
    axes.plot(run.step + 1, run.error, color="#000000", linewidth=1.8, label="first start")
    plateau = np.append(np.cumsum(run.eigenvalues[::-1] ** 2)[::-1], 0.0)[: run.levels]
    for level, value in enumerate(plateau):
        label = r"$\|A_l - A\|_F^2$" if level == 0 else None
        axes.axhline(value, color=_color(level, run), linewidth=0.9, linestyle=":", label=label, zorder=1)
    _log(axes, errors)
    dress(axes, title="(a) error", y=r"$\|X\Theta X^T - A\|_F^2$")
    _small_legend(axes, "lower left")


def _draw_gradients(axes: Axes, run: LearningRun) -> None:
    norms = run.arrays["gradient_norms"]
    looks = (
        (r"in $X$", "#0072B2", "-"),
        (r"in $\Theta$, at the new $X$", "#D55E00", "--"),
        (r"in $\Theta$, at $(X_t, \Theta_t)$", "#CC79A7", ":"),
    )
    for place, (label, color, line) in enumerate(looks):
        axes.plot(run.step + 1, _positive(norms[:, place]), color=color, linestyle=line, linewidth=1.8, label=label)
    _log(axes, norms)
    dress(axes, title="(b) gradient", y="norm")
    _small_legend(axes, "lower left" if run.setting.sensed is not Sensed.IDENTITY else "center left")


def _draw_distances(axes: Axes, run: LearningRun) -> None:
    distances = run.arrays["saddle_distances"]
    for level in range(run.levels + 1):
        _plot(axes, run, level, distances[:, level])
    _log(axes, distances)
    dress(axes, title="(c) distance to each saddle", y=r"$\|X\Theta X^T - A_l\|_F^2$")


def _draw_cosines(axes: Axes, run: LearningRun) -> None:
    cosines = run.arrays["squared_cosines"]
    for place in range(run.levels):
        _plot(axes, run, place + 1, cosines[:, place])
    axes.set_ylim(0, 1.04)
    predicted = run.predicted_escapes()[0]
    for place, steps in enumerate(predicted):
        axes.plot(
            steps + 1,
            0.5,
            marker="D",
            markersize=6,
            markerfacecolor=_color(place + 1, run),
            markeredgecolor=INK,
            linestyle="none",
            label=r"half learned, by $\dot s = 2\eta\sigma^2 s^2(1-s)$" if place == 0 else None,
            zorder=5,
        )
    dress(axes, title="(d) alignment with U", y=r"$\sigma_i(\Phi\Phi^T)$")
    _small_legend(axes, "lower right")


def _draw_outside(axes: Axes, run: LearningRun) -> None:
    outside = run.arrays["outside"]
    surplus = outside.shape[1] - run.levels
    for place in range(surplus):
        axes.plot(run.step + 1, _positive(outside[:, place]), color=FAINT, linewidth=1.2)
    # The least sine is that of the direction learned first.
    for place in range(run.levels):
        _plot(axes, run, place + 1, outside[:, outside.shape[1] - 1 - place])
    _log(axes, outside)
    dress(axes, title="(e) alignment with the complement of U", y=r"$\sigma_i(U_\perp^T X)$")


def _draw_magnitudes(axes: Axes, run: LearningRun) -> None:
    magnitudes = np.abs(run.arrays["magnitudes"])
    for place in range(run.levels, magnitudes.shape[1]):
        axes.plot(run.step + 1, _positive(magnitudes[:, place]), color=FAINT, linewidth=0.8)
    for place in range(run.levels):
        _plot(axes, run, place + 1, magnitudes[:, place])
        axes.axhline(run.eigenvalues[place], color=_color(place + 1, run), linewidth=0.9, linestyle=":", zorder=1)
    _log(axes, magnitudes)
    dress(axes, title=r"(f) magnitudes (dotted: those of $A$)", y=r"$|\sigma_i(\Theta)|$")


def _plot(axes: Axes, run: LearningRun, index: int, values: np.ndarray) -> None:
    axes.plot(
        run.step + 1,
        _positive(values),
        color=_color(index, run),
        linestyle=_LINES[index % len(_LINES)],
        linewidth=1.8,
        zorder=3,
    )


def _positive(values: np.ndarray) -> np.ndarray:
    """Return values with NaN for those that a logarithmic axis cannot show."""
    return np.where(values > 0, values, np.nan)


def _log(axes: Axes, values: np.ndarray) -> None:
    """Set a logarithmic axis over the values, cut off at the rounding of a square."""
    seen = values[values > 0]
    axes.set_yscale("log")
    axes.set_ylim(max(float(seen.min()) / 3, _LOWEST), float(seen.max()) * 3)
    axes.yaxis.set_major_locator(LogLocator(numticks=7))


def _small_legend(axes: Axes, place: Literal["lower left", "center left", "lower right"]) -> None:
    axes.legend(fontsize=TEXT - 2, frameon=True, framealpha=0.85, edgecolor="none", loc=place)
