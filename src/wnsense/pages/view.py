"""Content of an interactive page: charts with a choice of axes, and runs moment by moment."""

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Num, Shaped
from matplotlib.image import imsave

from wnsense.pages.style import Look

# Axes of the page and of the long form, in order.
STEPS, APPLICATIONS, SECONDS = "step", "applications", "seconds"
# Largest numbers of points of a curve and of positions of a slider; more are not visible on a screen.
_MOST_POINTS = 1000
_MOST_MOMENTS = 300
# Digits of drawn numbers; a screen shows fewer.
_DIGITS = 6

_DASHES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
_SYMBOLS = {
    "o": "circle",
    ".": "circle",
    "s": "square",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "D": "diamond",
    "d": "diamond-tall",
    "P": "cross",
    "X": "x",
    "x": "x-thin-open",
    "p": "pentagon",
    "h": "hexagon",
    "H": "hexagon2",
    "8": "octagon",
    "*": "star",
}


@dataclass(frozen=True)
class Line:
    """Curve of a chart.

    Attributes:
        name: Label of its button, unique in its chart.
        group: Name of the group of curves that one button shows, usually the method.
        look: Colour, dashes and marker, as in the pictures.
        x: Positions on each axis of the chart, by name, (points,).
        y: Values, (points,).
        low: Lower edge of the band, (points,); None without a band.
        high: Upper edge of the band, (points,); None without a band.
    """

    name: str
    group: str
    look: Look
    x: Mapping[str, Shaped[np.ndarray, " points"]]
    y: Shaped[np.ndarray, " points"]
    low: Shaped[np.ndarray, " points"] | None = None
    high: Shaped[np.ndarray, " points"] | None = None


@dataclass(frozen=True)
class Chart:
    """Curves in one pair of axes.

    Attributes:
        key: Name for the page's script, letters only.
        title: Title above the chart.
        x_titles: Titles of the possible horizontal axes with units, by name.
        y_title: Title of the vertical axis with units.
        lines: Curves.
        alternative: Content of the chart for screen readers.
        band: Meaning of the bands; empty without bands.
        log_x: True if the horizontal axis is logarithmic at first.
        log_y: True if the vertical axis is logarithmic at first.
        run: Index of the run whose slider position is marked in the chart; None without one.
    """

    key: str
    title: str
    x_titles: Mapping[str, str]
    y_title: str
    lines: tuple[Line, ...]
    alternative: str
    band: str = ""
    log_x: bool = False
    log_y: bool = True
    run: int | None = None

    @property
    def groups(self) -> list[str]:
        """Groups of the lines, each once."""
        return list(dict.fromkeys(line.group for line in self.lines))


@dataclass(frozen=True)
class Panel:
    """Matrix or spectrum at each moment of a run.

    Attributes:
        title: Title above the panel.
        values: Values of a spectrum, (moments, values), or of a matrix, (moments, rows, columns).
        row_title: Title of the vertical axis.
        column_title: Title of the horizontal axis.
        caption: Caption below the panel.
        is_image: True if a matrix is a grey image without axes.
        ends: Values of black and of white; None for the least and the largest of all moments.
    """

    title: str
    values: Num[np.ndarray, "moments ..."]
    row_title: str
    column_title: str
    caption: str
    is_image: bool = False
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class Moments:
    """Run moment by moment.

    Attributes:
        name: Name of the run.
        x: Step, applications and seconds of each moment, where known, (moments,).
        words: Further text on each moment, perhaps empty.
        panels: Panels of the run.
    """

    name: str
    x: Mapping[str, Shaped[np.ndarray, " moments"]]
    words: tuple[str, ...]
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class View:
    """Interactive content of a page.

    Attributes:
        charts: Charts of curves.
        moments: Runs, each with a slider.
    """

    charts: tuple[Chart, ...] = ()
    moments: tuple[Moments, ...] = ()


def thinned(length: int, most: int) -> Shaped[np.ndarray, " kept"]:
    """Return up to `most` indices of a column, evenly spread, with the first and the last."""
    places: np.ndarray = np.unique(np.linspace(0, max(length - 1, 0), min(length, most)).round().astype(int))
    return places


def page_data(view: View) -> dict[str, object]:
    """Return the data for the page's script, ready for JSON."""
    return {
        "charts": [_chart_data(chart) for chart in view.charts],
        "runs": [_moments_data(moments) for moments in view.moments],
    }


def kept_moments(moments: Moments) -> Shaped[np.ndarray, " kept"]:
    """Return the indices of the moments at which the slider stops."""
    return thinned(len(moments.words), _MOST_MOMENTS)


def _chart_data(chart: Chart) -> dict[str, object]:
    return {
        "key": chart.key,
        "xTitles": dict(chart.x_titles),
        "yTitle": chart.y_title,
        "logX": chart.log_x,
        "logY": chart.log_y,
        "run": chart.run,
        "band": chart.band,
        "lines": [_line_data(line, chart.x_titles) for line in chart.lines],
    }


def _line_data(line: Line, axes: Iterable[str]) -> dict[str, object]:
    kept = thinned(len(line.y), _MOST_POINTS)
    data: dict[str, object] = {
        "name": line.name,
        "group": line.group,
        "color": line.look.color,
        "dash": _DASHES[line.look.line],
        "symbol": _SYMBOLS[line.look.marker],
        "x": {name: _numbers(line.x[name][kept]) for name in axes},
        "y": _numbers(line.y[kept]),
    }
    if line.low is not None and line.high is not None:
        data |= {"low": _numbers(line.low[kept]), "high": _numbers(line.high[kept])}
    return data


def _moments_data(moments: Moments) -> dict[str, object]:
    kept = kept_moments(moments)
    return {
        "name": moments.name,
        "x": {name: _numbers(column[kept]) for name, column in moments.x.items()},
        "words": [moments.words[place] for place in kept],
        "panels": [_panel_data(panel, kept) for panel in moments.panels],
    }


def _panel_data(panel: Panel, kept: np.ndarray) -> dict[str, object]:
    values = panel.values[kept]
    data: dict[str, object] = {"rowTitle": panel.row_title, "columnTitle": panel.column_title}
    finite = values[np.isfinite(values)]
    low, high = panel.ends or ((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))
    data |= {"low": low, "high": high}
    if panel.is_image:
        return data | {"kind": "image", "images": [image_source(image, low, high) for image in values]}
    if values.ndim == 2:
        return data | {"kind": "spectrum", "values": [_numbers(row) for row in values]}
    return data | {"kind": "matrix", "values": [[_numbers(row) for row in matrix] for matrix in values]}


def image_source(image: Num[np.ndarray, "rows columns"], low: float, high: float) -> str:
    """Return a matrix as the data URI of a grey image, black at the low value and white at the high one."""
    buffer = io.BytesIO()
    imsave(buffer, image, cmap="gray", vmin=low, vmax=high, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _numbers(values: np.ndarray) -> list[float | int | None]:
    """Return the values for JSON; those that are not finite are None."""
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


# ------------------------------------------------------------------------------------------------ the long form

_HEAD = ("chart", "curve", STEPS, APPLICATIONS, SECONDS, "value", "low", "high")


def long_form(view: View) -> list[Sequence[str]]:
    """Return a header and one row for each curve and step, with all digits; unknown values are empty.

    Included are charts with an axis of steps, and the spectra of runs with one curve for each value.
    """
    rows: list[Sequence[str]] = [_HEAD]
    for chart in view.charts:
        if STEPS in chart.x_titles:
            for line in chart.lines:
                rows += _rows((chart.title, line.name), line.x, (line.y, line.low, line.high))
    for moments in view.moments:
        for panel in moments.panels:
            if panel.values.ndim == 2:
                for place, column in enumerate(panel.values.T):
                    rows += _rows((panel.title, f"{moments.name}, {place + 1}"), moments.x, (column, None, None))
    return rows


def _rows(
    names: tuple[str, str], x: Mapping[str, np.ndarray], values: Sequence[np.ndarray | None]
) -> list[Sequence[str]]:
    columns = [*(x.get(name) for name in (STEPS, APPLICATIONS, SECONDS)), *values]
    length = max(len(column) for column in columns if column is not None)
    return [
        (*names, *("" if column is None else _exact(column[place]) for column in columns)) for place in range(length)
    ]


def _exact(value: np.generic) -> str:
    number = value.item()
    return "" if isinstance(number, float) and math.isnan(number) else repr(number)
