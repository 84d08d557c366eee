"""A study or a recovery as one interactive page, as pictures, and as one long table; from its table alone."""

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
# The longer side of a small image, in pixels of a page.
_LARGE = 400
# In inches: letters of a wider picture are too small on paper; one no wider than a column stays at its size.
_WIDEST, _COLUMN = 10.0, 7.0
# A page may run what stands in it and nothing else, and ask nobody for anything.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


class Source(StrEnum):
    """What a table is of."""

    STUDY = "study"
    RECOVERY = "recovery"


def source_of(table: Table) -> Source | None:
    """What a table is of; None where no page can be made of it."""
    if "form" in table.header and "claim" in table.header:
        return Source.STUDY
    return Source.RECOVERY if {"status", "rank"} <= set(table.header) and "trace_step" in table.arrays else None


def view_of(table: Table) -> View:
    """What moves on the page of a table: nothing for studies of a form that has only pictures.

    Raises:
        InputError: When the table is of neither a study nor a recovery, or lacks what its form has.
    """
    if _source(table) is Source.RECOVERY:
        return run_view(table)
    return study_of(table).presentation.view(table)


def pictures(table: Table) -> Mapping[str, Figure]:
    """The figures of a table by the suffix of their files' names; the main one has none.

    Raises:
        InputError: When the table is of neither a study nor a recovery, or there is nothing to draw.
    """
    if _source(table) is Source.STUDY:
        return study_of(table).presentation.pictures(table)
    found: dict[str, Figure] = {}
    if recovery_figures.has_convergence(table):
        found[""] = recovery_figures.convergence(table)
    if recovery_figures.has_spectrum(table):
        found["-spectrum"] = recovery_figures.spectrum(table)
    if recovery_figures.has_rank_choice(table):
        found["-ranks"] = recovery_figures.rank_choice(table)
    require(found, "a recovery with steps or a matrix", "one of neither step nor matrix", "there is nothing to draw")
    return found


def drawn(figure: Figure, kind: str) -> bytes:
    """A figure as the content of a file: png, svg or pdf, the same for the same table (but for names inside svg)."""
    buffer = io.BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(buffer, format=kind, dpi=_DPI, metadata=dates.get(kind))
    return buffer.getvalue()


def comma_separated(table: Table) -> str:
    """One row for each curve and step; of a form whose curves are not known, one for each number of its arrays.

    Raises:
        InputError: When the table is of neither a study nor a recovery.
    """
    rows = long_form(view_of(table))
    if len(rows) == 1:
        rows = [("array", "place", "value")]
        for name, array in table.arrays.items():
            rows += [(name, " ".join(map(str, at)), repr(array[at].item())) for at in np.ndindex(array.shape)]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def interactive_page(table: Table) -> str:
    """The page as HTML, everything inside: it works from a file, by mail, and without a network.

    Raises:
        InputError: When plotly is not installed, or the table is of neither a study nor a recovery.
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
    """The charts of all runs, then for each run its own, and its slider under them."""
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
    # Few pixels are shown large, each as a whole number of the page's.
    width = image.shape[1] * max(1, _LARGE // max(image.shape))
    told = f"The matrix found as a picture, {image.shape[0]} rows of {image.shape[1]}"
    caption = f"{told}: black is {number(low)}, white {number(high)}."
    return html.section("The matrix", html.image(source, width=width, alternative=f"{told}.", caption=caption))


def _stills(table: Table) -> list[str]:
    """The pictures, for paper and for browsers without scripts."""
    return [_still(figure, _still_name(table, suffix)) for suffix, figure in pictures(table).items()]


def _still(figure: Figure, name: str) -> str:
    width, height = figure.get_size_inches()
    figure.set_size_inches(min(width, _WIDEST), height)
    picture = html.picture(figure, alternative=f"{name}, drawn as the words on this page tell it.", caption=f"{name}.")
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
    """Plotly's own script."""
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
