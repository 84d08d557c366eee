"""Picture of a study of curves over many settings: the cost and the end of each curve."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.curves.table import FOUND_PART, CurveTable
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, Look, dress, legend_below, new_figure

_WIDTH, _HEIGHT = 11.0, 5.2
_NAMES = {"condition": "condition number of A", "width": "working rank r"}
# Distance between the methods at one setting that is no number.
_APART = 0.14


def pictures(study: CurveTable) -> Mapping[str, Figure]:
    """Return a figure of the applications that find all directions, and of the last error, over the settings."""
    figure = new_figure(_WIDTH, _HEIGHT)
    left, right = figure.subplots(1, 2)
    places = _places(study)
    for rank, method in enumerate(study.methods):
        curves = study.of_method(method)
        shift = 0.0 if _is_number(study) else _APART * (rank - (len(study.methods) - 1) / 2)
        x = np.array([places[curve.label] + shift for curve in curves])
        # Between settings that are no numbers there is nothing for a line to run through.
        look = METHODS[method] if _is_number(study) else replace(METHODS[method], line="none")
        _draw(left, look, x, [(curve.cost_to_find_all, curve.spent) for curve in curves])
        _draw(right, look, x, [(curve.final, np.inf) for curve in curves])
    figure.suptitle(study.head.scaled_title, fontsize=TEXT + 3, color=INK, x=0.01, ha="left")
    name = _NAMES.get(study.head.against, "")
    dress(left, title=r"to a squared error of $(\sigma_{r_A}/10)^2$; hollow: not reached", x=name)
    left.set_ylabel("applications of M and M*", fontsize=TEXT, color=INK)
    dress(right, title="where each ends", x=name, y=r"last squared error, for $\|A\|_2 = 1$")
    for axes in (left, right):
        axes.set_yscale("log")
        _mark_settings(axes, study, places)
    if study.head.against == "condition":
        ends = np.array(sorted(places.values()))
        right.plot(
            ends, FOUND_PART / ends**2, color=FAINT, linewidth=1.0, linestyle=":", label="what counts as reached"
        )
    legend_below(figure, right, 3)
    return {"": figure}


def _is_number(study: CurveTable) -> bool:
    return study.head.against in _NAMES


def _places(study: CurveTable) -> dict[str, float]:
    """Return the place of each setting on the x axis."""
    if not _is_number(study):
        return {label: float(place) for place, label in enumerate(study.labels)}
    by_condition = study.head.against == "condition"
    return {curve.label: curve.head.condition if by_condition else float(curve.head.width) for curve in study.entries}


def _mark_settings(axes: Axes, study: CurveTable, places: Mapping[str, float]) -> None:
    if study.head.against == "condition":
        axes.set_xscale("log")
    elif _is_number(study):
        axes.set_xticks(sorted(set(places.values())))
    else:
        axes.set_xticks(list(places.values()), list(places), rotation=20, ha="right")


def _draw(axes: Axes, look: Look, x: np.ndarray, values: Sequence[tuple[float | None, float]]) -> None:
    """Draw a method over the settings; a missing value is a hollow mark at the cost of the run."""
    y = np.array([np.nan if value is None or not np.isfinite(value) else value for value, _ in values])
    axes.plot(x, y, color=look.color, linestyle=look.line, marker=look.marker, markersize=7, label=look.label)
    spent = np.array([cost if np.isfinite(cost) else np.nan for _, cost in values])
    axes.plot(
        x,
        np.where(np.isnan(y), spent, np.nan),
        color=look.color,
        linestyle="none",
        marker=look.marker,
        markersize=7,
        markerfacecolor="none",
    )
