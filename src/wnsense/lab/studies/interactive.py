"""Reports of a study or a recovery: one interactive page, pictures, or one long table."""

import csv
import io
import json
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files

import numpy as np
from matplotlib.figure import Figure

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.study_page import study_facts, words_above, words_below
from wnsense.lab.studies.lookup import study_of
from wnsense.pages import html, recovery_page
from wnsense.pages import recovery_picture as recovery_figures
from wnsense.pages.citation import citation
from wnsense.pages.controls import chart_controls, run_controls
from wnsense.pages.recovery_view import matrix_image, run_view
from wnsense.pages.view import View, image_source, kept_moments, long_form, page_data
from wnsense.pages.words import number, size, words
from wnsense.running.status import Status

_RECOVERY_PICTURES = {
    "": "What each step left unexplained",
    "-spectrum": "The spectrum of the matrix found",
    "-ranks": "What each rank tried left unexplained",
}
_DPI = 150
# Longer side of a small image on the page, in pixels.
_LARGE = 400
# Widths in inches: a wider picture has too small letters on paper; one no wider than a column keeps its size.
_WIDEST, _COLUMN = 10.0, 7.0
# The page may run its own scripts only, and may load nothing.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


class Source(StrEnum):
    """Subjects of tables for which there are reports."""

    STUDY = "study"
    RECOVERY = "recovery"


def source_of(table: Table) -> Source | None:
    """Return the subject of a table, None if there are no reports of it."""
    if "form" in table.header and "claim" in table.header:
        return Source.STUDY
    return Source.RECOVERY if {"status", "rank"} <= set(table.header) and "trace_step" in table.arrays else None


def view_of(table: Table) -> View:
    """Return the charts of a table; studies with pictures only have none.

    Raises:
        InputError: If the table is neither that of a study nor that of a recovery, or is damaged.
    """
    if _source(table) is Source.RECOVERY:
        return run_view(table)
    return study_of(table).presentation.view(table)


def pictures(table: Table) -> Mapping[str, Figure]:
    """Return the figures of a table by the suffix of their file names; the main one has the suffix "".

    Raises:
        InputError: If the table is neither that of a study nor that of a recovery, or has nothing to draw.
    """
    if _source(table) is Source.STUDY:
        return study_of(table).presentation.pictures(table)
    figures: dict[str, Figure] = {}
    if recovery_figures.has_convergence(table):
        figures[""] = recovery_figures.convergence(table)
    if recovery_figures.has_spectrum(table):
        figures["-spectrum"] = recovery_figures.spectrum(table)
    if recovery_figures.has_rank_choice(table):
        figures["-ranks"] = recovery_figures.rank_choice(table)
    require(figures, "a recovery with steps or a matrix", "one of neither step nor matrix", "there is nothing to draw")
    return figures


def drawn(figure: Figure, kind: str) -> bytes:
    """Return a figure as the content of a png, svg or pdf file, equal for equal tables (except names inside svg)."""
    buffer = io.BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(buffer, format=kind, dpi=_DPI, metadata=dates.get(kind))
    return buffer.getvalue()


def comma_separated(table: Table) -> str:
    """Return a row for each curve and step, or, if there are no charts, a row for each number of the arrays.

    Raises:
        InputError: If the table is neither that of a study nor that of a recovery.
    """
    rows = long_form(view_of(table))
    if len(rows) == 1:
        rows = [("array", "place", "value")]
        for name, array in table.arrays.items():
            rows += [(name, " ".join(map(str, place)), repr(array[place].item())) for place in np.ndindex(array.shape)]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def interactive_page(table: Table) -> str:
    """Return the page as HTML; it needs neither other files nor a network.

    Raises:
        InputError: If plotly is not installed, or the table is neither that of a study nor that of a recovery.
    """
    source, library = _source(table), _library()
    view = view_of(table)
    title, before, after = _study_parts(table) if source is Source.STUDY else _recovery_parts(table)
    still = html.section("Pictures", *_stills(table), kind="" if not view.charts else "still")
    data = json.dumps(page_data(view), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    scripts = [
        f'<script type="application/json" id="data">{data}</script>',
        f"<script>{library}</script>",
        f"<script>{_resource('interactive.js')}</script>",
    ]
    return html.page(
        title,
        *before,
        html.section("Curves", *_moving(view), kind="moving"),
        still,
        *after,
        html.section("How to cite", html.code(citation())),
        recovery_page.footer(),
        *(scripts if view.charts else ()),
        head=(
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f"<style>\n{_resource('interactive.css')}</style>"
        ),
    )


def _moving(view: View) -> list[str]:
    """Return the charts of all runs, then for each run its charts and its slider."""
    parts = [chart_controls(chart) for chart in view.charts if chart.run is None]
    for place, moments in enumerate(view.moments):
        parts += [chart_controls(chart) for chart in view.charts if chart.run == place]
        parts.append(run_controls(place, moments, len(kept_moments(moments))))
    return parts


def _study_parts(table: Table) -> tuple[str, list[str], list[str]]:
    caption = study_of(table).caption(table)
    below = [*words_below(caption), html.section("What made it", *study_facts(caption, table))]
    return caption.title, words_above(caption), below


def _recovery_parts(table: Table) -> tuple[str, list[str], list[str]]:
    header = table.header
    status = str(header["status"])
    good = status in {str(one) for one in Status if one.is_success}
    before = [
        html.verdict(words(status).capitalize(), str(header.get("advice", "")), good=good),
        html.paragraph(recovery_page.summary(table)),
        html.section("Warnings", html.bullets(recovery_page.warnings(table))),
    ]
    facts = html.facts(recovery_page.fact_rows(table), "What was asked, found and spent")
    return (
        f"{size(header.get('size'))} matrix, {words(status)}",
        before,
        [_found_image(table), html.section("What made it", facts)],
    )


def _found_image(table: Table) -> str:
    image = matrix_image(table)
    if image is None:
        return ""
    low, high = float(image.min()), float(image.max())
    source = image_source(image, low, high)
    # A small image is enlarged by a whole number.
    width = image.shape[1] * max(1, _LARGE // max(image.shape))
    subject = f"The matrix found as a picture, {image.shape[0]} rows of {image.shape[1]}"
    caption = f"{subject}: black is {number(low)}, white {number(high)}."
    return html.section("The matrix", html.image(source, width=width, alternative=f"{subject}.", caption=caption))


def _stills(table: Table) -> list[str]:
    """Return the pictures, for paper and for browsers without scripts."""
    return [_still(figure, _still_name(table, suffix)) for suffix, figure in pictures(table).items()]


def _still(figure: Figure, name: str) -> str:
    width, height = figure.get_size_inches()
    figure.set_size_inches(min(width, _WIDEST), height)
    picture = html.picture(figure, alternative=f"{name}, drawn from the same table as this page.", caption=f"{name}.")
    return f'<div class="wide">{picture}</div>' if width > _COLUMN else picture


def _still_name(table: Table, suffix: str) -> str:
    if _source(table) is Source.RECOVERY:
        return _RECOVERY_PICTURES[suffix]
    title = str(table.header["title"])
    return f"{title} ({suffix.strip('-_')})" if suffix else title


def _source(table: Table) -> Source:
    source = source_of(table)
    if source is None:
        raise InputError(
            "needed the table of a study or the result of a recovery, got another table; "
            "make one with wnsense study run or wnsense recover --out"
        )
    return source


def _library() -> str:
    """Return the script of plotly."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise InputError(
            "needed plotly for an interactive page, got none installed; pip install 'wnsense[report]', "
            "or ask for --format png, svg, pdf or csv"
        ) from error
    return str(get_plotlyjs())


def _resource(name: str) -> str:
    return files("wnsense.pages").joinpath(name).read_text(encoding="utf-8")
