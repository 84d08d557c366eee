"""Interactive pages in a real browser, and what `wnsense report` writes, refuses and says."""

import base64
import csv
import dataclasses
import io
import json
import re
import sys
import time
from dataclasses import replace
from html import escape
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch

import wnsense as wn
from cases.browser import CHROMIUM, Browser
from cases.commands import assert_refused
from cases.picture_tables import recovery_table
from cases.presented import findings
from cases.stored_results import RESULTS, needs_results
from cases.study_tables import curves_table, learning_table
from wnsense.checks import InputError
from wnsense.files.tables import Table, read_table, write_table
from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.images.table import IMAGE_TABLES, Equal
from wnsense.lab.studies.interactive import Source, comma_separated, interactive_page, pictures, source_of, view_of
from wnsense.lab.studies.lookup import study_named
from wnsense.pages import citation
from wnsense.pages.recovery_view import run_view
from wnsense.pages.style import METHODS, new_figure
from wnsense.pages.view import (
    STEPS,
    Chart,
    Line,
    Moments,
    Panel,
    View,
    kept_moments,
    long_form,
    page_data,
    thinned,
)
from wnsense.recovery import spectrum_columns as spectra
from wnsense.running.trace import Columns
from wnsense.solvers.objective import SensingObjective

pytest.importorskip("plotly", reason="plotly is not installed (pip install 'wnsense[report]')")

pytestmark = pytest.mark.usefixtures("as_users_run")
ROOT = Path(__file__).parents[1]
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
PHONE, DESKTOP = 360, 1100


def rectangular_table() -> Table:
    """A recovery with a spectrum at each step and a matrix that is a picture."""
    table = recovery_table()
    rng = np.random.default_rng(0)
    arrays = {name: of for name, of in table.arrays.items() if name != "eigenvalues"}
    arrays |= {"X": rng.standard_normal((20, 3)), "Y": rng.standard_normal((24, 3)), "singular_values": np.ones(3)}
    for place in range(6):
        arrays[f"trace_spectrum_{place + 1}"] = np.geomspace(1, 1e-3, 30) * (-1.0) ** place / (place + 1)
    arrays["trace_spectrum_6"] = np.where(arrays["trace_rank"] >= 6, arrays["trace_spectrum_6"], np.nan)
    return Table(dict(table.header) | {"versions": {"wnsense": "0.1.0"}, "size": [20, 24]}, arrays)


def image_table() -> Table:
    """The table of a study of some form that no view is made for."""
    header = {k: v for k, v in curves_table().header.items() if k != "curves"} | {"form": "unheard-of"}
    return Table(header, {"spent_seconds": np.array([1.0]), "peak_memory": np.array([1e6])})


@pytest.fixture
def unheard_of(monkeypatch):
    def drawn(table):
        figure = new_figure(2, 2)
        figure.subplots().plot([0, 1])
        return {"": figure, "_more": figure}

    known = study_named("figure-2a")
    presentation = Presentation(drawn, lambda table: [Finding("it is so", True)], lambda table: [])
    study = dataclasses.replace(known, presentation=presentation)
    monkeypatch.setattr("wnsense.lab.studies.interactive.study_of", lambda table: study)


# ---------------------------------------------------------------------------------------------- the page, as text


def data_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def without_library(page: str) -> str:
    """The page less plotly's own script, which holds all kinds of words."""
    return re.sub(r"<script>/\*\*\n\* plotly\.js.*?</script>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of each kind, as files."""
    folder = tmp_path_factory.mktemp("pages")
    tables = {
        "curves": curves_table(),
        "floor": curves_table("figure-3b", "floor", methods=("wn",), noises=(1e-3, 1e-2)),
        "learning": learning_table(),
        "recovery": rectangular_table(),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        for name, table in tables.items():
            (folder / f"{name}.html").write_text(interactive_page(table))
    return folder


def text_of(pages: Path, name: str) -> str:
    return without_library((pages / f"{name}.html").read_text())


@pytest.mark.parametrize("name", ["curves", "floor", "learning", "recovery"])
def test_a_page_is_whole_and_links_nowhere(pages, name):
    whole = (pages / f"{name}.html").read_text()
    assert len(whole) < 8_000_000
    page = without_library(whole)
    assert len(whole) - len(page) > 1_000_000
    assert not re.search(r"https?:|//cdn|<a\b|<link\b|<iframe\b|@import|url\(|\son\w+=", page)
    assert all(source.startswith("data:") for source in re.findall(r'\bsrc="([^"]*)"', page))
    assert "default-src 'none'" in page
    assert "arXiv:2510.01175" in page
    assert "torch 2.13.0" in page or "wnsense 0.1.0" in page
    for picture in re.findall(r"<img[^>]*>", page):
        assert len(re.search(r'alt="([^"]*)"', picture).group(1)) > 20
    for drawing in re.findall(r'<div class="drawing"[^>]*>', page):
        assert 'role="img"' in drawing
        assert len(re.search(r'aria-label="([^"]*)"', drawing).group(1)) > 20


def test_words_of_a_table_are_text_and_no_markup(pages):
    page = text_of(pages, "curves")
    assert "WN beside GD &amp; something &lt;small&gt;" in page
    assert "<small>" not in page
    assert "everything &lt;here&gt;" in page
    hostile = curves_table()
    hostile.header["curves"][0]["label"] = "</script><b>"
    lines = data_of(interactive_page(hostile))["charts"][0]["lines"]
    assert lines[0]["name"].endswith("</script><b>")


def test_a_page_says_what_holds_what_made_it_and_the_same_twice(pages):
    page = text_of(pages, "curves")
    for finding in findings(curves_table()):
        verdict = {True: "as-said", False: "not-as-said"}.get(finding.holds)
        if verdict:
            assert f'<strong class="{verdict}">' in page
        assert escape(finding.text) in page
    for told in ("0123456789abcdef", "A processor, 2 cores", "figure-2a", "12.5", "0.4 GB"):
        assert told in page
    bare = re.compile(r"base64,[^\"]+")
    assert bare.sub("", without_library(interactive_page(curves_table()))) == bare.sub("", page)


def test_curves_have_the_colours_of_their_methods_and_every_axis(pages):
    (chart,) = data_of((pages / "curves.html").read_text())["charts"]
    assert list(chart["xTitles"]) == ["step", "applications", "seconds"]
    assert [line["group"] for line in chart["lines"]] == [METHODS[name].label for name in ("wn", "gd", "wn", "gd")]
    table = curves_table()
    for place, line in enumerate(chart["lines"]):
        np.testing.assert_allclose(line["y"], np.median(table.arrays[f"{place}_error"], axis=1), rtol=1e-5)
        for name in chart["xTitles"]:
            np.testing.assert_allclose(line["x"][name], table.arrays[f"{place}_{name}"], rtol=1e-5)
        assert all(low <= y <= high for low, y, high in zip(line["low"], line["y"], line["high"], strict=True))
    hues = [[int(line["color"][k : k + 2], 16) for k in (1, 3, 5)] for line in chart["lines"]]
    for hue, method in zip(hues, ("wn", "gd", "wn", "gd"), strict=True):
        own = [int(METHODS[method].color[k : k + 2], 16) for k in (1, 3, 5)]
        assert np.argsort(hue).tolist() == np.argsort(own).tolist()
    assert len({line["color"] for line in chart["lines"]}) == 4


def test_a_study_of_noise_shows_its_floor(pages):
    charts = data_of((pages / "floor.html").read_text())["charts"]
    assert [chart["key"] for chart in charts] == ["errors", "floor"]
    floor, oracle = charts[1]["lines"]
    assert floor["x"]["noise"] == oracle["x"]["noise"] == [1e-3, 1e-2]
    np.testing.assert_allclose(oracle["y"], [0.8e-6, 0.8e-4])


def test_ratios_are_of_the_same_starts():
    table = curves_table("figure-3a", "ratio", methods=("wn",))
    ratios = view_of(table).charts[1]
    (line,) = ratios.lines
    ends = table.arrays["1_error"][1] / table.arrays["0_error"][1]
    assert line.y[1] == pytest.approx(np.median(ends))
    # Down to where WN's squared errors are rounding.
    seen = np.median(table.arrays["0_error"], axis=1) > 1e-24
    assert 5 < seen.sum() < len(seen)
    assert (line.x[STEPS] == table.arrays["0_step"][seen]).all()


def test_a_study_of_learning_has_a_slider_through_spectrum_and_alignment(pages):
    table = learning_table()
    data = data_of((pages / "learning.html").read_text())
    (run,) = data["runs"]
    spectrum, alignment = run["panels"]
    assert (spectrum["kind"], alignment["kind"]) == ("spectrum", "matrix")
    np.testing.assert_allclose(spectrum["values"], table.arrays["identity_magnitudes"], rtol=1e-5)
    np.testing.assert_allclose(alignment["values"], table.arrays["identity_squared_overlaps"], rtol=1e-5)
    assert run["x"]["step"] == table.arrays["identity_step"].tolist()
    assert {chart["run"] for chart in data["charts"]} == {0}


@needs_results
def test_a_study_of_images_has_a_slider_through_the_pictures_at_each_budget():
    whole = read_table(RESULTS / "figure-4_paper.npz")
    table = Table(dict(whole.header) | {"scenes": whole.header["scenes"][:2]}, whole.arrays)
    view = view_of(table)
    scenes = IMAGE_TABLES.read(table).entries
    assert len(view.moments) == len(scenes)
    assert [chart.run for chart in view.charts] == [place for place in range(len(scenes)) for _ in range(2)]
    scene, run = scenes[0], page_data(view)["runs"][0]
    assert run["x"]["applications"] == list(scene.budgets)
    for budget, picture in enumerate(scene.arrays["gd_pictures"]):
        shown = run["panels"][1]["images"][budget]
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(shown.removeprefix("data:image/png;base64,"))))
        np.testing.assert_allclose(pixels[..., 0] * 255, picture, atol=1)
        psnr, ssim = scene.first_start("gd", Equal.APPLICATIONS, budget)
        assert f"GD {psnr:.1f} dB, SSIM {ssim:.2f}" in run["words"][budget]
    gradient_descent, _, recovered = view.charts[0].lines
    np.testing.assert_array_equal(gradient_descent.y, np.median(scene.arrays["gd_psnr"], axis=1))
    assert (np.diff(recovered.x["applications"]) >= 0).all()
    assert sorted(recovered.y) == sorted(scene.arrays["recover_psnr"])
    # Each run's slider follows its own curves.
    page = without_library(interactive_page(table))
    assert re.findall(r'data-(?:chart|run)="(\w+)"', page) == ["psnr0", "ssim0", "0", "psnr1", "ssim1", "1"]


def test_a_recovery_has_its_course_its_spectra_and_its_picture(pages):
    page = (pages / "recovery.html").read_text()
    data = data_of(page)
    assert [chart["key"] for chart in data["charts"]] == ["course", "ranks"]
    (run,) = data["runs"]
    # Three stages of steps 0 to 9, one after another.
    assert run["x"]["step"] == [*range(10), *range(9, 19), *range(18, 28)]
    (spectrum,) = run["panels"]
    assert spectrum["values"][0] == [
        1.0,
        -0.5,
        pytest.approx(1 / 3, rel=1e-5),
        -0.25,
        0.2,
        pytest.approx(-1 / 6, rel=1e-5),
    ]
    assert spectrum["values"][-1][-1] is None
    assert "stage 3, working rank 3" in run["words"]
    assert "The matrix found as a picture, 20 rows of 24" in page
    assert "wnsense 0.1.0" in page


@pytest.mark.parametrize(("table", "run"), [(rectangular_table(), 0), (recovery_table(), None)])
def test_the_course_of_a_recovery_is_marked_where_a_slider_is(table, run):
    """Without spectra there is no slider. The axis of steps is linear, since it begins at 0."""
    course = page_data(run_view(table))["charts"][0]
    assert (course["key"], course["run"]) == ("course", run)
    assert (course["logX"], course["logY"]) == (False, True)


def test_images_of_a_run_are_pictures_of_one_scale():
    images = np.stack([np.zeros((4, 5)), np.ones((4, 5))])
    panel = Panel("Image", images, "", "", "What is seen.", is_image=True)
    data = page_data(View(moments=(Moments("a", {STEPS: np.arange(2)}, ("", ""), (panel,)),)))
    ((black, white),) = (panel["images"] for run in data["runs"] for panel in run["panels"])
    levels = [matplotlib.image.imread(io.BytesIO(base64.b64decode(one.split(",")[1]))) for one in (black, white)]
    assert levels[0].shape[:2] == (4, 5)
    assert levels[0][..., :3].max() == 0
    assert levels[1][..., :3].min() == 1


def test_what_is_not_finite_is_not_drawn_and_long_runs_are_thinned():
    y = np.array([1.0, np.inf, np.nan, 1e-300])
    line = Line("a", "a", METHODS["wn"], {STEPS: np.arange(4)}, y)
    (chart,) = page_data(View((Chart("a", "A", {STEPS: "steps"}, "y", (line,), "told"),)))["charts"]
    assert chart["lines"][0]["y"] == [1.0, None, None, 1e-300]
    assert thinned(5, 10).tolist() == [0, 1, 2, 3, 4]
    kept = thinned(10_000, 1000)
    assert (len(kept), kept[0], kept[-1]) == (1000, 0, 9999)
    long = Moments("a", {STEPS: np.arange(2000)}, ("",) * 2000, ())
    assert len(kept_moments(long)) == 300
    assert thinned(0, 10).tolist() == []


@pytest.mark.parametrize("edges", [{}, {"low": [0.5]}, {"high": [2.0]}, {"low": [0.5], "high": [2.0]}], ids=str)
def test_a_band_needs_both_edges(edges):
    arrays = {name: np.array(values) for name, values in edges.items()}
    line = Line("a", "a", METHODS["wn"], {STEPS: np.arange(1)}, np.ones(1), **arrays)
    (chart,) = page_data(View((Chart("a", "A", {STEPS: "steps"}, "y", (line,), "told"),)))["charts"]
    assert {name: chart["lines"][0][name] for name in ("low", "high") if name in chart["lines"][0]} == (
        edges if len(edges) == 2 else {}
    )


def test_a_study_of_an_unknown_form_has_its_pictures(unheard_of):
    page = interactive_page(image_table())
    assert len(re.findall('<img src="data:image/svg', page)) == 2
    assert "it is so" in page
    assert '<section class="still"' not in page
    rows = list(csv.reader(io.StringIO(comma_separated(image_table()))))
    assert rows == [["array", "place", "value"], ["spent_seconds", "0", "1.0"], ["peak_memory", "0", "1000000.0"]]


def test_the_citation_is_that_of_the_citation_file():
    text = (ROOT / "CITATION.cff").read_text()
    assert f'title: "{citation.SOFTWARE}"' in text
    paper = text.split("references:")[1].split("- type:")[1]
    assert f'title: "{citation.PAPER_TITLE}"' in paper
    assert tuple(re.findall(r"family-names: (\w+)", paper)) == citation.PAPER_AUTHORS
    assert f"year: {citation.PAPER_YEAR}" in paper
    assert f"arXiv:{citation.PAPER_NUMBER}" in paper
    assert "http" not in citation.citation()


def test_the_long_form_has_every_point_to_the_last_digit():
    table = curves_table()
    rows = list(csv.DictReader(io.StringIO(comma_separated(table))))
    assert len(rows) == sum(len(table.arrays[f"{place}_step"]) for place in range(4))
    first = [row for row in rows if row["curve"] == rows[0]["curve"]]
    assert [float(row["value"]) for row in first] == np.median(table.arrays["0_error"], axis=1).tolist()
    assert [int(row["applications"]) for row in first] == table.arrays["0_applications"].tolist()
    spectra_rows = [row for row in long_form(view_of(rectangular_table())) if row[0] == "Spectrum"]
    assert len(spectra_rows) == 30 * 6
    assert {row[-3] for row in spectra_rows[-10:]} == {""}


# --------------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all of them; it takes longer to begin than a page to load."""
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def opened(browser, pages):
    """Opens a page and holds it to having begun well."""

    def opening(name: str, **size) -> Browser:
        browser.open(pages / f"{name}.html", **size)
        assert browser.value("document.documentElement.dataset.ready") == "true"
        return browser

    yield opening
    assert browser.complaints == []
    assert [url[:60] for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert sum(url.startswith("file:") for url in browser.requests) == 1


DRAWN = "document.querySelector('[data-chart=\"{key}\"] .drawing')"


def curves_drawn(browser: Browser, key: str = "errors") -> list:
    """The names of the curves that are drawn, and how many points of each path there are."""
    drawn = DRAWN.format(key=key)
    return browser.value(
        f"{drawn}.data.filter((_, k) => {drawn}._fullData[k].visible === true)"
        ".map((one) => one.name).filter((name) => !/, (band|markers)$/.test(name))"
    )


def paths(browser: Browser, key: str = "errors") -> list:
    return browser.value(
        f"[...{DRAWN.format(key=key)}.querySelectorAll('path.js-line')].map((one) => one.getAttribute('d'))"
    )


def choose(browser: Browser, key: str, choice: str, value: str) -> None:
    browser.value(
        f'document.querySelector(\'[data-chart="{key}"] input[data-choice="{choice}"][value="{value}"]\').click()'
    )


def axis_title(browser: Browser, which: str, key: str = "errors") -> str:
    return browser.value(f"{DRAWN.format(key=key)}.querySelector('.{which}title').textContent")


@in_browser
def test_axes_switch_what_is_drawn(opened):
    browser = opened("curves")
    before = paths(browser)
    assert len([path for path in before if path]) >= 4
    assert axis_title(browser, "x") == "steps"
    seen = [before]
    for value, title in (("applications", "applications of M and M*, one start"), ("seconds", "seconds, all starts")):
        choose(browser, "errors", "x", value)
        assert axis_title(browser, "x").startswith(title)
        assert paths(browser) not in seen
        seen.append(paths(browser))
    table = curves_table()
    drawn = DRAWN.format(key="errors")
    x = browser.value(f"{drawn}.data.find((one) => one.name.startsWith('WN') && !one.name.endsWith('band')).x")
    np.testing.assert_allclose(x, table.arrays["0_seconds"], rtol=1e-5)
    choose(browser, "errors", "x", "step")
    assert paths(browser) == before
    kind = f"{drawn}._fullLayout.yaxis.type"
    assert browser.value(kind) == "log"
    choose(browser, "errors", "y-scale", "linear")
    assert browser.value(kind) == "linear"
    assert paths(browser) != before


@in_browser
def test_curves_can_be_switched_off_and_on_by_mouse_and_keyboard(opened):
    browser = opened("curves")
    names = curves_drawn(browser)
    assert len(names) == 4
    button = "document.querySelectorAll('button[data-line]')[1]"
    browser.value(f"{button}.click()")
    assert browser.value(f"{button}.getAttribute('aria-pressed')") == "false"
    assert curves_drawn(browser) == [names[0], *names[2:]]
    browser.value(f"{button}.focus()")
    browser.press(" ", 32)
    assert curves_drawn(browser) == names
    browser.value("document.querySelector('button[data-only=\"gradient descent\"]').click()")
    assert curves_drawn(browser) == [name for name in names if name.startswith("gradient descent")]
    browser.value("document.querySelector('button[data-only=\"\"]').click()")
    assert curves_drawn(browser) == []
    browser.value("document.querySelector('button[data-only=\"*\"]').click()")
    assert curves_drawn(browser) == names


@in_browser
def test_a_hand_that_rests_on_a_curve_is_told_its_numbers(opened):
    browser = opened("curves")
    drawn = DRAWN.format(key="errors")
    browser.value(f"Plotly.Fx.hover({drawn}, [{{curveNumber: 4, pointNumber: 5}}])")
    told = browser.value(f"{drawn}.querySelector('.hoverlayer').textContent")
    step = curves_table().arrays["0_step"][5]
    assert METHODS["wn"].label in told
    assert f"step {step}" in told
    assert f"applications {2 + 4 * step}" in told


@in_browser
def test_the_slider_shows_each_recorded_step(opened):
    browser = opened("learning")
    table = learning_table()
    slider = "document.querySelector('input[type=range]')"
    panels = "[...document.querySelectorAll('.panel .drawing')]"
    last = len(table.arrays["identity_step"]) - 1
    assert browser.value(f"Number({slider}.value)") == last
    matrix = f"{panels}[1].data[0].z"
    np.testing.assert_allclose(browser.value(matrix), table.arrays["identity_squared_overlaps"][last], rtol=1e-5)
    browser.value(f"{slider}.focus()")
    for at in (last - 1, last - 2):
        browser.press("ArrowLeft", 37)
        assert browser.value(f"Number({slider}.value)") == at
    np.testing.assert_allclose(browser.value(matrix), table.arrays["identity_squared_overlaps"][last - 2], rtol=1e-5)
    sizes = np.abs(table.arrays["identity_magnitudes"][last - 2])
    np.testing.assert_allclose(browser.value(f"{panels}[0].data[1].y"), sizes, rtol=1e-5)
    step = table.arrays["identity_step"][last - 2]
    assert browser.value(f"{slider}.getAttribute('aria-valuetext')").startswith(f"step {step}, applications ")
    assert f"step {step}, " in browser.value("document.querySelector('.readout').textContent")
    marks = browser.value(f"{DRAWN.format(key='errors0')}.layout.shapes.map((one) => one.x0)")
    assert marks == [step]
    before = browser.value(
        f"{panels}[0].querySelector('.points').innerHTML + {panels}[1].querySelector('.hm image').getAttribute('href')"
    )
    browser.press("Home", 36)
    assert browser.value(f"Number({slider}.value)") == 0
    after = browser.value(
        f"{panels}[0].querySelector('.points').innerHTML + {panels}[1].querySelector('.hm image').getAttribute('href')"
    )
    assert before != after
    browser.value("document.querySelector('button[data-move=\"1\"]').click()")
    assert browser.value(f"Number({slider}.value)") == 1
    play = "document.querySelector('button[data-play]')"
    browser.value(f"{play}.click()")
    assert browser.value(f"{play}.textContent") == "Pause"
    end = time.monotonic() + 60
    while browser.value(f"Number({slider}.value)") < 3 and time.monotonic() < end:
        time.sleep(0.05)
    browser.value(f"{play}.click()")
    assert browser.value(f"{play}.textContent") == "Play"
    assert browser.value(f"Number({slider}.value)") >= 3


@in_browser
def test_the_spectrum_of_a_recovery_moves_with_the_slider(opened):
    browser = opened("recovery")
    panel = "document.querySelector('.panel .drawing')"
    assert browser.value(f"{panel}.data[1].y[5]") is None
    browser.value("document.querySelector('input[type=range]').focus()")
    browser.press("Home", 36)
    assert browser.value(f"{panel}.data[1].y[0]") == 1.0
    assert browser.value(f"{panel}.data[1].marker.symbol[1]") == "circle-open"
    before = browser.value(f"{panel}._fullLayout.yaxis.type")
    browser.value("document.querySelector('.panel input[value=linear]').click()")
    assert (before, browser.value(f"{panel}._fullLayout.yaxis.type")) == ("log", "linear")
    assert browser.value("document.querySelector('img.found').naturalWidth") == 24


@in_browser
@pytest.mark.parametrize("name", ["curves", "learning", "recovery"])
def test_a_phone_shows_everything_without_scrolling_sideways(opened, name):
    browser = opened(name, width=PHONE)
    assert browser.value("document.documentElement.scrollWidth") <= PHONE
    # Nothing reaches beyond the window but what scrolls within itself.
    beyond = browser.value(
        "[...document.querySelectorAll('main *')]"
        ".filter((one) => !one.closest('svg, .js-plotly-plot, .still, details, pre')"
        f" && one.getBoundingClientRect().right > {PHONE}).map((one) => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    drawing = browser.value(
        "(({width, height}) => [width, height])(document.querySelector('.drawing').getBoundingClientRect())"
    )
    assert 300 <= drawing[0] <= PHONE
    assert drawing[1] >= 250
    smallest = browser.value(
        "Math.min(...[...document.querySelectorAll('main .drawing text')].filter((one) => one.textContent)"
        ".map((one) => parseFloat(getComputedStyle(one).fontSize)))"
    )
    assert smallest >= 11
    pressed = browser.value(
        "Math.min(...[...document.querySelectorAll('button')].filter((one) => one.offsetParent)"
        ".map((one) => one.getBoundingClientRect().height))"
    )
    assert pressed >= 24


@in_browser
@pytest.mark.parametrize("name", ["curves", "recovery"])
def test_paper_has_pictures_and_words_and_no_controls(opened, name):
    browser = opened(name)
    visible = "[...document.querySelectorAll('{}')].filter((one) => one.checkVisibility()).length"
    assert browser.value(visible.format("button")) > 0
    assert browser.value(visible.format(".still img")) == 0
    browser.ask("Emulation.setEmulatedMedia", media="print")
    assert browser.value(visible.format("button, input, .drawing, details")) == 0
    assert browser.value(visible.format(".still img")) >= 1
    assert browser.value(visible.format("table.facts")) >= 1
    assert "arXiv:2510.01175" in browser.value("document.body.innerText")
    browser.ask("Emulation.setEmulatedMedia", media="")
    paper = browser.printed()
    assert paper.startswith(b"%PDF")
    # Vector pictures and letters, some pages of them.
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 6
    assert b"/Font" in paper


@in_browser
def test_without_scripts_there_are_pictures(browser, pages):
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages / "curves.html")
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
        assert browser.value("document.querySelector('.still img').checkVisibility()")
        assert not browser.value("document.querySelector('.moving').checkVisibility()")
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


# ---------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def study(tmp_path):
    """The directory of a study."""
    folder = tmp_path / "study"
    write_table(folder / "figure-2a_quick.npz", curves_table())
    write_table(folder / "figure-2a_quick_runs" / "part.npz", Table({"format": 2}, {}))
    return folder


def test_the_command_writes_a_page_from_a_table_or_its_directory(wnsense, study, tmp_path):
    for source in (study, study / "figure-2a_quick.npz"):
        outcome = wnsense("report", source, "-o", tmp_path / "new" / "page.html")
        assert (outcome.code, outcome.err) == (0, "")
        assert str(tmp_path / "new" / "page.html") in outcome.out
        assert (tmp_path / "new" / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "page.html"]


@pytest.mark.parametrize(
    ("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("csv", b"chart,")]
)
def test_the_command_writes_pictures_and_numbers(wnsense, tmp_path, kind, begin):
    write_table(tmp_path / "run" / "result.npz", rectangular_table())
    (tmp_path / "run" / "checkpoint.npz").write_bytes(b"something else")
    outcome = wnsense("report", tmp_path / "run", "-o", tmp_path / f"out.{kind}", "--format", kind)
    assert (outcome.code, outcome.err) == (0, "")
    written = [Path(line) for line in outcome.out.splitlines()[1:]]
    suffixes = [""] if kind == "csv" else ["", "-spectrum", "-ranks"]
    assert written == [tmp_path / f"out{suffix}.{kind}" for suffix in suffixes]
    for path in written:
        assert path.read_bytes().startswith(begin)


def test_what_recover_writes_has_a_page_with_its_spectrum(wnsense, tmp_path):
    wnsense("simulate", "--out", tmp_path / "p.npz", "--size", "20x18", "--rank", "2")
    wnsense("recover", tmp_path / "p.npz", "--out", tmp_path / "run", "-q")
    assert wnsense("report", tmp_path / "run", "-o", tmp_path / "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    (run,) = data_of(page)["runs"]
    table = read_table(tmp_path / "run" / "result.npz")
    last = [value for value in run["panels"][0]["values"][-1] if value is not None]
    np.testing.assert_allclose(last[:2], table.arrays["singular_values"][:2], rtol=1e-5)
    assert f"torch {torch.__version__}" in page
    assert "The matrix found as a picture, 20 rows of 18" in page


def test_the_command_refuses_in_one_line(wnsense, study, tmp_path):
    page = tmp_path / "page.html"
    assert_refused(wnsense("report", tmp_path / "none.npz", "-o", page), "none.npz", "nothing there")
    (tmp_path / "empty").mkdir()
    assert_refused(wnsense("report", tmp_path / "empty", "-o", page), "empty", "wnsense recover --out")
    assert_refused(wnsense("report", study, "-o", tmp_path / "page.txt"), "page.txt", ".html, .png", "--format")
    assert_refused(wnsense("report", study, "-o", page, "--format", "png"), ".png", "page.html")
    assert_refused(wnsense("report", study, "-o", page, "--format", "gif"), "gif")
    assert_refused(wnsense("report", study), "out")
    (tmp_path / "obstacle").write_text("a file")
    assert_refused(wnsense("report", study, "-o", tmp_path / "obstacle" / "page.html"), "obstacle")
    (tmp_path / "folder.html").mkdir()
    assert_refused(wnsense("report", study, "-o", tmp_path / "folder.html"), "folder.html")
    write_table(study / "figure-3a_quick.npz", curves_table())
    assert_refused(wnsense("report", study, "-o", page), "figure-2a_quick.npz, figure-3a_quick.npz", "name the file")
    write_table(tmp_path / "other.npz", Table({}, {"a": np.zeros(1)}))
    assert_refused(wnsense("report", tmp_path / "other.npz", "-o", page), "other.npz", "another table")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04")
    assert_refused(wnsense("report", tmp_path / "broken.npz", "-o", page), "broken.npz")
    assert not page.exists()


def test_the_table_that_is_read_is_never_written_over(wnsense, tmp_path):
    path = tmp_path / "table.csv"
    write_table(path, curves_table())
    before = path.read_bytes()
    assert_refused(wnsense("report", path, "-o", path), "table.csv")
    assert path.read_bytes() == before


def test_a_table_cut_down_is_refused_in_one_line(wnsense, tmp_path):
    table = curves_table()
    cut = replace(table, arrays={k: v for k, v in table.arrays.items() if k != "1_error"})
    write_table(tmp_path / "cut.npz", cut)
    assert_refused(
        wnsense("report", tmp_path / "cut.npz", "-o", tmp_path / "page.html"), "1_error", "run the study again"
    )


def test_without_plotly_the_page_is_refused_and_pictures_are_not(wnsense, study, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    assert_refused(wnsense("report", study, "-o", tmp_path / "page.html"), "plotly", "pip install 'wnsense[report]'")
    assert wnsense("report", study, "-o", tmp_path / "page.csv").code == 0


def test_what_a_table_is_of():
    assert source_of(curves_table()) is Source.STUDY
    assert source_of(recovery_table()) is Source.RECOVERY
    assert source_of(Table({}, {})) is None
    with pytest.raises(InputError, match="another table"):
        view_of(Table({}, {}))
    nothing = Table(recovery_table().header, {"trace_step": np.zeros(0)})
    with pytest.raises(InputError, match="nothing to draw"):
        pictures(nothing)


# ------------------------------------------------------------------------------------- the spectrum along a recovery


@pytest.mark.parametrize("kind", list(wn.Kind))
def test_the_recorded_spectrum_is_that_of_the_dense_matrix(kind):
    generator = torch.Generator().manual_seed(0)
    size = (9, 7) if kind is wn.Kind.RECTANGULAR else 9
    truth = wn.low_rank(size, 2, kind=kind, generator=generator)
    operator = wn.GaussianSensing.draw(150, size, kind=kind, generator=generator)
    objective = SensingObjective(wn.Problem.measure(operator, truth))
    # Frames that are far from orthonormal, as those of a factor are.
    point = wn.solvers.haar_start(objective, 4, generator=generator)
    point = wn.LowRank(point.X * torch.tensor([3.0, 1.0, 0.1, 1e-4]), point.Theta, point.Y)
    dense = objective.to_user(point).dense()
    expected = torch.linalg.svdvals(dense) if kind is wn.Kind.RECTANGULAR else torch.linalg.eigvalsh(dense)
    expected = expected[expected.abs().argsort(descending=True)][:4]
    found = spectra.recorded_spectrum(objective, point)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13 * scale)
    lost = wn.LowRank(point.X * float("nan"), point.Theta, point.Y)
    assert spectra.recorded_spectrum(objective, lost).isnan().all()


def test_a_recovery_writes_down_its_spectrum_a_column_each():
    generator = torch.Generator().manual_seed(1)
    truth = wn.low_rank(10, 2, generator=generator)
    operator = wn.GaussianSensing.draw(200, 10, generator=generator)
    recovery = wn.recover(operator, operator.measure(truth), holdout=0.0)
    trace = recovery.trace
    names = [name for name in trace if name.startswith("spectrum_")]
    assert names == [f"spectrum_{place + 1}" for place in range(len(names))]
    assert len(names) == int(trace["rank"].max())
    assert {column.ndim for column in trace.values()} == {1}
    np.testing.assert_allclose([trace[name][-1] for name in names[:2]], recovery.spectrum, rtol=1e-6)
    widths = np.isfinite(np.stack([trace[name] for name in names], axis=1)).sum(1)
    assert (widths == trace["rank"]).all()
    assert "spectrum" not in trace


def test_a_trace_without_a_spectrum_stays_as_it_is():
    columns = Columns({"step": np.arange(3)})
    assert dict(spectra.one_column_each(columns)).keys() == {"step"}
