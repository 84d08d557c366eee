"""Controls of an interactive page as HTML; `interactive.js` makes them work."""

from collections.abc import Sequence
from html import escape

from wnsense.pages.view import APPLICATIONS, SECONDS, STEPS, Chart, Line, Moments, Panel

# Labels of the horizontal axes.
_AXES = {STEPS: "steps", APPLICATIONS: "applications", SECONDS: "seconds"}
_SWATCH_DASHES = {"-": "none", "--": "6 3", "-.": "6 3 1.5 3", ":": "1.5 3"}


def chart_controls(chart: Chart) -> str:
    """Return a chart with the choice of its axes and a button for each curve."""
    choices = []
    if len(chart.x_titles) > 1:
        axes = [(name, _AXES.get(name, name)) for name in chart.x_titles]
        choices.append(_choice(chart.key, "x", "Horizontal:", axes, next(iter(chart.x_titles))))
    scales = [("linear", "linear"), ("log", "log")]
    choices.append(_choice(chart.key, "x-scale", "Horizontal scale:", scales, "log" if chart.log_x else "linear"))
    choices.append(_choice(chart.key, "y-scale", "Vertical scale:", scales, "log" if chart.log_y else "linear"))
    buttons = "\n".join(_curve_button(place, line) for place, line in enumerate(chart.lines))
    note = f'<p class="note">Shaded: {escape(chart.band)}.</p>' if chart.band else ""
    return (
        f'<section class="chart moving" data-chart="{escape(chart.key)}" aria-label="{escape(chart.title)}">\n'
        f"<h3>{escape(chart.title)}</h3>\n"
        f'<div class="controls">\n{"".join(choices)}</div>\n'
        f'<div class="drawing" role="img" aria-label="{escape(chart.alternative)}"></div>\n{note}\n'
        f'<fieldset class="legend"><legend>Curves:</legend>\n{_group_buttons(chart)}{buttons}\n</fieldset>\n</section>'
    )


def _group_buttons(chart: Chart) -> str:
    """Return the buttons for all curves, no curve, and each group alone if there are several groups."""
    if len(chart.lines) == 1:
        return ""
    groups = chart.groups if 1 < len(chart.groups) < len(chart.lines) else []
    offered = [("*", "All"), ("", "None"), *((group, f"Only {group}") for group in groups)]
    return "".join(
        f'<button type="button" data-only="{escape(name)}">{escape(words)}</button>\n' for name, words in offered
    )


def _curve_button(place: int, line: Line) -> str:
    return f'<button type="button" data-line="{place}" aria-pressed="true">{_swatch(line)}{escape(line.name)}</button>'


def _swatch(line: Line) -> str:
    look = line.look
    return (
        '<svg width="28" height="10" aria-hidden="true"><line x1="0" y1="5" x2="28" y2="5" '
        f'stroke="{look.color}" stroke-width="3" stroke-dasharray="{_SWATCH_DASHES[look.line]}"/></svg>'
    )


def _choice(key: str, name: str, words: str, options: Sequence[tuple[str, str]], selected: str) -> str:
    """Return radio buttons for the options, one of them selected."""
    inputs = "\n".join(
        f'<label><input type="radio" name="{escape(key)}-{name}" data-choice="{name}" value="{escape(value)}"'
        f"{' checked' if value == selected else ''}>{escape(label)}</label>"
        for value, label in options
    )
    return f"<fieldset><legend>{escape(words)}</legend>\n{inputs}\n</fieldset>\n"


def run_controls(number: int, moments: Moments, stops: int) -> str:
    """Return a run with its slider and its panels.

    Args:
        number: Index of the run in the view.
        moments: Moments of the run.
        stops: Number of positions of the slider.
    """
    panels = "\n".join(_panel(f"run{number}-{place}", panel) for place, panel in enumerate(moments.panels))
    recorded = len(moments.words)
    which = "each recorded step" if stops == recorded else f"{stops} of {recorded:,} recorded steps, evenly spread"
    name = f"run{number}-moment"
    return (
        f'<section class="run moving" data-run="{number}" aria-label="{escape(moments.name)}">\n'
        f"<h3>Moment by moment: {escape(moments.name)}</h3>\n"
        f'<div class="slider">\n<label for="{name}">{which[0].upper()}{escape(which[1:])}; arrow keys go from one '
        "to the next</label>\n"
        '<button type="button" data-move="-1" aria-label="Previous step">\N{LEFTWARDS ARROW}</button>\n'
        f'<input type="range" id="{name}" min="0" max="{stops - 1}" step="1" value="{stops - 1}">\n'
        '<button type="button" data-move="1" aria-label="Next step">\N{RIGHTWARDS ARROW}</button>\n'
        '<button type="button" data-play>Play</button>\n</div>\n'
        f'<p class="readout"></p>\n<div class="panels">\n{panels}\n</div>\n</section>'
    )


def _panel(key: str, panel: Panel) -> str:
    alternative = f"{panel.title} at the step of the slider. {panel.caption}"
    choice = ""
    if panel.is_image:
        drawing = f'<img alt="{escape(alternative)}" src="data:,">'
    else:
        drawing = f'<div class="drawing" role="img" aria-label="{escape(alternative)}"></div>'
        if panel.values.ndim == 2:
            scales = [("linear", "linear"), ("log", "log")]
            choice = f'<div class="controls">{_choice(key, "y-scale", "Vertical scale:", scales, "log")}</div>\n'
    return (
        f'<figure class="panel">\n<h3>{escape(panel.title)}</h3>\n{choice}{drawing}\n'
        f"<figcaption>{escape(panel.caption)}</figcaption>\n</figure>"
    )
