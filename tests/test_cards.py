"""The HTML by which a notebook shows results: whole, escaped, and without anything from elsewhere."""

import dataclasses
from xml.etree import ElementTree as ET

import pytest
import torch

from cases.nouns import values
from wnsense.cards import card
from wnsense.recovery.result import Recovery
from wnsense.running.status import Status
from wnsense.sensing.checking.operator_report import OperatorReport
from wnsense.sensing.low_rank import LowRank

HOSTILE = "<script src='http://a.b'>x</script> & \"y\""


def shown(value) -> ET.Element:
    """The HTML of a value, read as strictly as XML."""
    return ET.fromstring(value if isinstance(value, str) else value._repr_html_())


def words(element: ET.Element) -> str:
    return " ".join(element.itertext())


@pytest.mark.parametrize("cls", [Recovery, LowRank, OperatorReport], ids=lambda cls: cls.__name__)
def test_it_is_whole_and_needs_nothing_from_elsewhere(cls):
    page = shown(values()[cls])
    tags = {element.tag for element in page.iter()}
    assert tags <= {"div", "strong", "table", "tr", "td"}
    assert {name for element in page.iter() for name in element.attrib} <= {"style"}
    assert "url(" not in values()[cls]._repr_html_()


def test_words_are_escaped_wherever_they_stand():
    page = shown(card(HOSTILE, [HOSTILE], {HOSTILE: HOSTILE}))
    assert words(page).count(HOSTILE) == 4
    recovery = dataclasses.replace(values()[Recovery], warnings=(HOSTILE,))
    assert HOSTILE in words(shown(recovery))
    report = dataclasses.replace(values()[OperatorReport], description=HOSTILE)
    assert HOSTILE in words(shown(report))


def test_a_recovery_shows_its_summary_and_whether_it_succeeded():
    recovery = values()[Recovery]
    colors = set()
    for status in Status:
        ended = dataclasses.replace(recovery, status=status)
        page = shown(ended)
        assert all(line.strip() in words(page) for line in str(ended).splitlines())
        colors.add((page.attrib["style"], status.is_success))
    assert len(colors) == 2


@pytest.mark.parametrize(
    "matrix",
    [
        LowRank(torch.full((3, 1), torch.nan), torch.ones(1, 1)),
        LowRank(torch.zeros(3, 1), torch.zeros(1, 1)),
        LowRank(torch.ones(2, 3, 1), torch.ones(2, 1, 1)),
        LowRank(torch.ones(10**6, 1), torch.ones(1, 1)),
        LowRank(torch.eye(20), torch.eye(20)),
    ],
    ids=["not finite", "zero", "batch", "long", "many values"],
)
def test_any_matrix_is_shown_in_few_words(matrix):
    text = words(shown(matrix))
    assert text.startswith("LowRank(")
    assert len(text) < 200
