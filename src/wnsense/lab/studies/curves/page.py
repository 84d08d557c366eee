"""Charts of the studies of curves: squared errors against steps, applications and seconds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_hex

from wnsense.lab.studies.curves.picture import shade
from wnsense.lab.studies.curves.table import CurveTable, MeasuredCurve
from wnsense.pages.style import METHODS, Look
from wnsense.pages.view import APPLICATIONS, SECONDS, STEPS, Chart, Line, View
from wnsense.pages.words import number

_X_TITLES = {
    STEPS: "steps",
    APPLICATIONS: "applications of M and M*, one start",
    SECONDS: "seconds, all starts of a curve together",
}
_ERROR = "squared error of the matrix, for a truth of norm 1"
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LINES = ("-", "--", ":")


def curves_view(study: CurveTable) -> View:
    """Return a chart of squared errors, and one of ratios or floors if the study has them."""
    charts = [_errors(study)]
    beside = study.head.beside
    if beside == "ratio" and len(study.entries) > 1:
        charts.append(_ratios(study))
    if beside == "floor" and study.noisy:
        charts.append(_floor(study))
    return View(tuple(charts))


def _errors(study: CurveTable) -> Chart:
    lines = []
    for curve in study.entries:
        low, high = curve.band()
        x = {STEPS: curve.step, APPLICATIONS: curve.applications, SECONDS: curve.seconds}
        method = METHODS[curve.head.method].label
        lines.append(Line(f"{method}, {curve.label}", method, _look(study, curve), x, curve.median, low, high))
    ends = "; ".join(
        f"{line.name}: {number(float(line.y[-1]))} after {int(line.x[STEPS][-1]):,} steps" for line in lines
    )
    return Chart(
        "errors",
        "Squared errors, the median over seeds",
        _X_TITLES,
        _ERROR,
        tuple(lines),
        f"Squared errors on the way, a curve for each method and setting. Where they end: {ends}.",
        band="10% to 90% of seeds",
    )


def _look(study: CurveTable, curve: MeasuredCurve) -> Look:
    """Return the look of a curve as in the picture: colour and dashes of its method, shade and marker of its label."""
    labels = study.labels
    place = labels.index(curve.label)
    look = METHODS[curve.head.method]
    line = look.line if len(study.methods) > 1 else _LINES[place % len(_LINES)]
    return Look(look.label, to_hex(shade(look.color, place, len(labels))), line, _MARKERS[place % len(_MARKERS)])


def _ratios(study: CurveTable) -> Chart:
    first, lines = study.entries[0], []
    for curve in study.entries[1:]:
        seen = (first.median > first.rounding) & (curve.median > curve.rounding)
        ratios = curve.error[seen] / first.error[seen]
        low, high = np.quantile(ratios, [0.1, 0.9], axis=1)
        x = {STEPS: curve.step[seen], APPLICATIONS: curve.applications[seen], SECONDS: curve.seconds[seen]}
        name, group = f"{curve.label} over {first.label}", METHODS[curve.head.method].label
        lines.append(Line(name, group, _look(study, curve), x, np.median(ratios, axis=1), low, high))
    return Chart(
        "ratios",
        f"Squared errors over those of {first.label}, down to rounding",
        _X_TITLES,
        "ratio of squared errors",
        tuple(lines),
        "Ratios of squared errors. " + "; ".join(_range(line) for line in lines) + ".",
        band="10% to 90% of seeds",
        log_y=False,
    )


def _range(line: Line) -> str:
    if len(line.y) == 0:
        return f"{line.name}: nothing above rounding"
    return f"{line.name}: from {number(float(line.y.min()))} to {number(float(line.y.max()))}"


def _floor(study: CurveTable) -> Chart:
    noisy = study.noisy
    levels = np.array([curve.head.noise for curve in noisy])
    finals = np.array([curve.final for curve in noisy])
    low, high = np.array([[band[-1] for band in curve.band()] for curve in noisy]).T
    oracle = np.array([float(np.median(curve.oracle)) for curve in noisy])
    wn, oracle_name = METHODS["wn"], "oracle: rank and start known"
    lines = (
        Line(f"{wn.label}, last step", wn.label, wn, {"noise": levels}, finals, low, high),
        Line(oracle_name, oracle_name, Look(oracle_name, "#000000", ":", "X"), {"noise": levels}, oracle),
    )
    return Chart(
        "floor",
        "Where each level of noise ends",
        {"noise": "noise, standard deviation over rms measurement"},
        _ERROR,
        lines,
        f"Last squared errors against the noise: {_pairs(levels, finals)}. Of the oracle: {_pairs(levels, oracle)}.",
        band="10% to 90% of seeds",
        log_x=True,
    )


def _pairs(levels: Sequence[float] | np.ndarray, values: Sequence[float] | np.ndarray) -> str:
    return ", ".join(f"{number(float(v))} at {number(float(level))}" for level, v in zip(levels, values, strict=True))
