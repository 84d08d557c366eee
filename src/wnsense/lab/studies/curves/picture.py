"""Pictures of the studies of curves."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator

from wnsense.lab.studies.curves.table import CurveTable, MeasuredCurve
from wnsense.lab.studies.study_methods import PAPER_METHODS
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, dress, legend, legend_below, new_figure

_WIDTH, _WIDE, _HEIGHT = 10.0, 13.0, 5.4
_SQUARED_ERROR = r"squared error $\|Z - A\|_F^2$, for $\|A\|_2 = 1$"
_STEPS = "steps"
_APPLICATIONS = "applications of M and M*"
_SECONDS = "seconds"
_X: Mapping[str, Callable[[MeasuredCurve], np.ndarray]] = {
    _STEPS: lambda curve: curve.step,
    _APPLICATIONS: lambda curve: curve.applications,
    _SECONDS: lambda curve: curve.seconds,
}
# Negative eigenvalues of this size are rounding.
_SMALLEST = 1e-16
# From this number of steps the axis has thousands as its unit.
_THOUSANDS = 10_000
_MARKERS = ("o", "s", "^", "D", "v", "P")
_MARKERS_ON_A_CURVE = 7
# Where curves coincide, the first is the widest and the last is drawn upon it.
_WIDTHS = (5.0, 3.2, 1.6)
_LINES = ("-", "--", ":")
_LEGEND_COLUMNS = 3


def pictures(study: CurveTable) -> Mapping[str, Figure]:
    """Return the figure of the study."""
    return {"": paper_picture(study)}


def paper_picture(study: CurveTable) -> Figure:
    """Return a figure of squared errors against steps, and beside them the panel that the study has."""
    beside = study.head.beside
    against_cost = beside not in {"ratio", "floor", "cone"}
    figure = new_figure(_WIDE if against_cost else _WIDTH, _HEIGHT)
    panels = figure.subplots(1, 3 if against_cost else 2)
    left = panels[0]
    # The picture of the paper has its two methods only.
    _draw_curves(left, study, _STEPS, [curve for curve in study.entries if curve.head.method in PAPER_METHODS])
    dress(left, title="median over seeds, shaded: 10% to 90%", x=_STEPS, y=_SQUARED_ERROR)
    if beside == "ratio":
        _draw_ratios(panels[1], study)
    elif beside == "floor":
        _draw_floor(panels[1], study)
    elif beside == "cone":
        _draw_least(panels[1], study)
    else:
        _draw_curves(panels[1], study, _APPLICATIONS, study.entries)
        later = any(curve.head.method not in PAPER_METHODS for curve in study.entries)
        dress(panels[1], title=f"against cost{', with later methods' if later else ''}", x=_APPLICATIONS)
        _draw_curves(panels[2], study, _SECONDS, study.entries)
        dress(panels[2], title="against time, all starts in one batch", x=_SECONDS)
        _draw_precision(panels, study)
    figure.suptitle(study.head.scaled_title, fontsize=TEXT + 3, color=INK, x=0.01, ha="left")
    # A column for each label, of all methods, where that fits.
    legend_below(figure, panels[1] if against_cost else left, min(len(study.labels), _LEGEND_COLUMNS))
    return figure


def shade(color: str, place: int, count: int) -> tuple[float, float, float]:
    """Return a shade of a method's colour, from light for its first curve to dark for its last."""
    r, g, b = to_rgb(color)
    if count == 1:
        return r, g, b
    # From 40% towards white to 45% towards black.
    toward = 0.4 - 0.85 * place / (count - 1)
    end, part = (1.0, toward) if toward > 0 else (0.0, -toward)
    return r + (end - r) * part, g + (end - g) * part, b + (end - b) * part


def _draw_curves(axes: Axes, study: CurveTable, x_name: str, curves: Sequence[MeasuredCurve]) -> None:
    overlapping = study.head.beside in {"ratio", "cone"}
    labels = study.labels
    for place, curve in enumerate(curves):
        shade_place = labels.index(curve.label)
        look = METHODS[curve.head.method]
        color = shade(look.color, shade_place, len(labels))
        x, y = _X[x_name](curve), curve.median
        shown = np.isfinite(x) if x_name == _STEPS else np.isfinite(x) & (x > 0)
        x, y = x[shown], y[shown]
        axes.fill_between(x, *(side[shown] for side in curve.band()), color=color, alpha=0.22, linewidth=0, zorder=1)
        axes.plot(
            x,
            np.where(np.isfinite(y) & (y > 0), y, np.nan),
            color=color,
            linestyle=_LINES[shade_place % len(_LINES)] if overlapping else look.line,
            linewidth=_WIDTHS[shade_place % len(_WIDTHS)] if overlapping else 1.8,
            marker=_MARKERS[shade_place % len(_MARKERS)],
            markersize=4.5,
            markevery=_marked(x if x_name == _STEPS else np.log(x), place / len(curves)),
            label=f"{look.label}, {curve.label}",
            zorder=3,
        )
    _log_axis(axes)
    if x_name != _STEPS:
        axes.set_xscale("log")
        return
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if max(int(curve.step[-1]) for curve in curves) >= _THOUSANDS:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_precision(panels: Sequence[Axes], study: CurveTable) -> None:
    """Draw the level of single precision, below which errors are rounding."""
    single = [curve for curve in study.entries if curve.head.dtype == "float32"]
    if not single:
        return
    for axes in panels:
        axes.axhline(single[0].rounding, color=FAINT, linewidth=1.0, linestyle=":", zorder=0)
    panels[0].annotate(
        "single precision", (0.02, single[0].rounding), xycoords=("axes fraction", "data"), color=INK, fontsize=TEXT - 2
    )


def _marked(x: np.ndarray, phase: float) -> list[int]:
    """Return the places of markers at about even distances; each curve has another phase, so that none is hidden."""
    reached = x[np.isfinite(x)]
    parts = (np.arange(_MARKERS_ON_A_CURVE) + phase) / _MARKERS_ON_A_CURVE
    places = reached[0] + (reached[-1] - reached[0]) * parts
    return sorted({int(np.abs(reached - place).argmin()) for place in places})


def _draw_ratios(axes: Axes, study: CurveTable) -> None:
    """Draw the ratio of each curve to the first, start by start."""
    first = study.entries[0]
    labels = study.labels
    for curve in study.entries[1:]:
        shade_place = labels.index(curve.label)
        seen = (first.median > first.rounding) & (curve.median > curve.rounding)
        ratios = curve.error[seen] / first.error[seen]
        color = shade(METHODS[curve.head.method].color, shade_place, len(labels))
        low, high = np.quantile(ratios, [0.1, 0.9], axis=1)
        axes.fill_between(curve.step[seen], low, high, color=color, alpha=0.22, linewidth=0)
        axes.plot(
            curve.step[seen],
            np.median(ratios, axis=1),
            color=color,
            linestyle=_LINES[shade_place % len(_LINES)],
            linewidth=2.0,
            label=f"{curve.label} over {first.label}",
        )
    axes.axhline(1.0, color=FAINT, linewidth=1.0, zorder=0)
    axes.set_xlim(left=0)
    dress(axes, title=f"squared error over that of {first.label}, to rounding", x=_STEPS, y="ratio")
    legend(axes)


def _draw_least(axes: Axes, study: CurveTable) -> None:
    """Draw the distance of Z from the cone, along the run."""
    labels = study.labels
    for curve in study.entries:
        shade_place = labels.index(curve.label)
        color = shade(METHODS[curve.head.method].color, shade_place, len(labels))
        outside = np.where(curve.least < 0, -curve.least, 0.0)
        # Zero, as it is within the cone, has no place on a logarithmic axis.
        shown = (curve.step > 0) & (outside.max(axis=1) > _SMALLEST)
        low, middle, high = (np.quantile(outside[shown], q, axis=1).clip(_SMALLEST) for q in (0.1, 0.5, 0.9))
        axes.fill_between(curve.step[shown], low, high, color=color, alpha=0.22, linewidth=0)
        axes.plot(
            curve.step[shown],
            middle,
            color=color,
            linestyle=_LINES[shade_place % len(_LINES)],
            linewidth=_WIDTHS[shade_place % len(_WIDTHS)],
            label=curve.label if shown.any() else f"{curve.label}: never outside",
        )
    axes.set_xscale("log")
    _log_axis(axes)
    dress(axes, title="how far Z is outside of the PSD cone", x=_STEPS, y=r"minus the least eigenvalue, $\|A\|_2 = 1$")
    legend(axes)


def _draw_floor(axes: Axes, study: CurveTable) -> None:
    """Draw the final errors against the noise, beside those of an oracle."""
    noisy = study.noisy
    look = METHODS["wn"]
    levels = np.array([curve.head.noise for curve in noisy])
    ends = np.array([[band[-1] for band in curve.band()] for curve in noisy])
    finals = np.array([curve.final for curve in noisy])
    axes.errorbar(
        levels,
        finals,
        yerr=np.abs(ends - finals[:, None]).T,
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        capsize=4,
        label=f"{look.label}, last step",
    )
    oracle = [float(np.median(curve.oracle)) for curve in noisy]
    axes.plot(
        levels,
        oracle,
        color="#000000",
        linestyle=":",
        marker="x",
        markersize=9,
        zorder=5,
        label="oracle: rank and start known",
    )
    axes.set_xscale("log")
    _log_axis(axes)
    dress(axes, title="where each level ends", x="noise, standard deviation / rms measurement", y=_SQUARED_ERROR)
    legend(axes)


def _log_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
