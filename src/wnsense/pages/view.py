"""What an interactive page shows of a table: charts whose axes can be chosen, and a run moment by moment."""

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Num, Shaped
from matplotlib.image import imsave

from wnsense.pages.style import Look

# Axes that the page and the long form know, in the order in which they are offered.
STEPS, APPLICATIONS, SECONDS = "step", "applications", "seconds"
# A curve of more points shows nothing more; a slider of more stops is no finer on any screen.
_MOST_POINTS = 1000
_MOST_MOMENTS = 300
# Digits of what is drawn: a screen shows fewer.
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
    """A curve.

    Attributes:
        name: What its button says, unique in its chart.
        group: What is switched on and off together with it: its method, as words.
        look: Colour, dashes and marker, as in the pictures.
        x: Where its points are, for each axis of the chart, (points,).
        y: What is drawn, (points,).
        low: The lower edge of its band, (points,); None without one.
        high: The upper edge.
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
        key: A name for the page's script, letters only.
        title: A line above it.
        x_titles: What can lie along the horizontal axis, with words and units.
        y_title: What is drawn, with words and units.
        lines: The curves.
        alternative: What it shows, told to those who do not see it.
        band: What the bands are; empty without any.
        log_x: Whether the horizontal axis is logarithmic at first.
        log_y: Whether the vertical one is.
        run: Which run's slider is marked in it, by its place in the view; None where there is none.
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
        """Of the lines, each once."""
        return list(dict.fromkeys(line.group for line in self.lines))


@dataclass(frozen=True)
class Panel:
    """What a matrix or a spectrum is at each moment of a run.

    Attributes:
        title: A line above it.
        values: Of a spectrum (moments, values), of a matrix (moments, rows, columns).
        row_title: What is counted downwards; of a spectrum, what its numbers are.
        column_title: What is counted to the right.
        caption: What to see in it.
        is_image: Whether a matrix is a picture, in grey and without axes.
        ends: What is black and what is white; None for the least and the most of all moments.
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
    """A run moment by moment.

    Attributes:
        name: Which run.
        x: Step, applications and seconds of each moment, as far as they are known, (moments,).
        words: What else is said of each moment; empty texts where there is nothing.
        panels: What is shown.
    """

    name: str
    x: Mapping[str, Shaped[np.ndarray, " moments"]]
    words: tuple[str, ...]
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class View:
    """All that moves on a page.

    Attributes:
        charts: Curves.
        moments: Runs with a slider each.
    """

    charts: tuple[Chart, ...] = ()
    moments: tuple[Moments, ...] = ()


def thinned(length: int, most: int) -> Shaped[np.ndarray, " kept"]:
    """Places of a column to keep, evenly spread, first and last among them."""
    places: np.ndarray = np.unique(np.linspace(0, max(length - 1, 0), min(length, most)).round().astype(int))
    return places


def page_data(view: View) -> dict[str, object]:
    """What the page's script is given, fit for JSON."""
    return {
        "charts": [_chart_data(chart) for chart in view.charts],
        "runs": [_moments_data(moments) for moments in view.moments],
    }


def kept_moments(moments: Moments) -> Shaped[np.ndarray, " kept"]:
    """The places of the moments that the slider stops at."""
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
    """A matrix as a grey picture inside the page, black at the low value and white at the high one."""
    buffer = io.BytesIO()
    imsave(buffer, image, cmap="gray", vmin=low, vmax=high, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _numbers(values: np.ndarray) -> list[float | int | None]:
    """As JSON has them: what is not finite is nothing."""
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


# ------------------------------------------------------------------------------------------------ the long form

_HEAD = ("chart", "curve", STEPS, APPLICATIONS, SECONDS, "value", "low", "high")


def long_form(view: View) -> list[Sequence[str]]:
    """A head, and one row for each curve and step, with every digit; what is not known is empty.

    Of charts, those with steps along an axis; of runs with a slider, spectra with a curve for each value.
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
