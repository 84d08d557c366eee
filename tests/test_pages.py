"""Building blocks of pages: escaped texts, and numbers in words."""

import math

import pytest

from wnsense.pages import html, words

RAW, SAFE = "<b>&", "&lt;b&gt;&amp;"


@pytest.mark.parametrize(
    "draw",
    [
        lambda: html.page(RAW),
        lambda: html.paragraph(RAW),
        lambda: html.section(RAW, "<p>part</p>", kind=RAW),
        lambda: html.verdict(RAW, RAW, good=True),
        lambda: html.bullets([RAW]),
        lambda: html.facts([(RAW, RAW)], RAW),
        lambda: html.grid([RAW, RAW], [[RAW, RAW]], RAW),
        lambda: html.definitions([(RAW, RAW)]),
        lambda: html.code(RAW),
        lambda: html.program_output(RAW),
        lambda: html.image("data:,", width=3, alternative=RAW, caption=RAW),
    ],
    ids=[
        "page",
        "paragraph",
        "section",
        "verdict",
        "bullets",
        "facts",
        "grid",
        "definitions",
        "code",
        "program output",
        "image",
    ],
)
def test_plain_text_is_escaped(draw):
    part = draw()
    assert SAFE in part
    assert RAW not in part


def test_a_section_or_list_without_parts_is_empty():
    assert html.section("title", "", "") == ""
    assert html.bullets([]) == ""


def test_a_verdict_has_the_colour_of_its_kind():
    assert 'class="verdict good"' in html.verdict("word", "advice", good=True)
    assert 'class="verdict poor"' in html.verdict("word", "advice", good=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.0, "0"),
        (0.25, "0.25"),
        (1e-3, "0.001"),
        (9.99e-4, "9.99e-04"),
        (9999.0, "1e+04"),
        (1e4, "1.00e+04"),
        (math.nan, words.NONE),
        (True, words.NONE),
        (None, words.NONE),
    ],
)
def test_numbers(value, text):
    assert words.number(value) == text


def test_numbers_to_more_digits():
    assert words.number(0.123456, digits=5) == "0.12346"
    assert words.number(1.23456e-7, digits=5) == "1.2346e-07"


def test_shares_durations_and_sizes():
    assert words.percent(0.256) == "25.6 %"
    assert words.percent(None) == words.seconds("soon") == words.versions(3) == words.NONE
    assert words.seconds(1.234) == "1.23 s"
    assert words.seconds(100) == "100 s"
    assert words.size([1000, 20]) == f"1,000 {words.TIMES} 20"
    assert words.size(30) == f"30 {words.TIMES} 30"
    assert words.words("relative_residual") == "relative residual"
    assert words.versions({"torch": "2.6", "numpy": "2.1"}) == "torch 2.6, numpy 2.1"
