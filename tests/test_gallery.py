"""The gallery: made of the stored tables and of nothing else, and up to date."""

import shutil
from pathlib import Path

import pytest

from cases.presented import caption, findings, pictures
from cases.stored_results import RESULTS, needs_results
from wnsense.checks import InputError
from wnsense.files.tables import Table, read_table
from wnsense.lab.studies.gallery import exhibits, gallery
from wnsense.lab.studies.registry import STUDY_FOLDERS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "gallery.md"
STORED = sorted(path.name.removesuffix("_paper.npz") for path in RESULTS.glob("*_paper.npz"))
# Pictures that take seconds each; `test_images_study.py` and `test_exponents_study.py` draw smaller ones.
LARGE = {"figure-4", "exponents"}

pytestmark = [pytest.mark.usefixtures("as_users_run"), needs_results]


@pytest.fixture(scope="module")
def shown():
    return exhibits(RESULTS, list(STUDY_FOLDERS), beside=PAGE.parent)


def test_the_page_is_that_of_the_stored_tables(shown):
    """Run `python benchmarks/gallery.py` where this fails."""
    assert PAGE.read_text() == gallery(shown)


def sections(page: str) -> dict[str, list[str]]:
    """The lines of findings of each study."""
    return {
        text.split("\n", 1)[0]: [line for line in text.splitlines() if line.startswith("- ")]
        for text in page.split("\n## ")[1:]
    }


def test_every_stored_table_is_shown_with_its_main_findings_and_has_all_in_its_caption(shown):
    names = [str(exhibit.table.header["name"]) for exhibit in shown]
    assert names == [name for name in STUDY_FOLDERS if name in STORED]
    assert set(STORED) <= set(STUDY_FOLDERS)
    lines = sections(PAGE.read_text())
    assert list(lines) == names
    page_words = {True: "holds", False: "**does not hold**", None: "beside the paper"}
    caption_words = {True: "as the paper says", False: "NOT as the paper says", None: "beside the paper"}
    for name, exhibit in zip(names, shown, strict=True):
        assert exhibit.table.header["scale"] == "paper"
        every = findings(exhibit.table)
        text = (PAGE.parent / exhibit.caption).read_text()
        for finding in every:
            assert f"- {caption_words[finding.holds]}: {finding.text}\n" in text
        assert len(lines[name]) == min(6, len(every))
        # No finding is left out for one of a lesser kind.
        order = [False, True, None]
        ranked = sorted(every, key=lambda finding: order.index(finding.holds))[:6]
        assert lines[name] == [f"- {page_words[finding.holds]}: {finding.text}" for finding in ranked]


@pytest.mark.parametrize("name", STORED)
@pytest.mark.fast(name=set(STORED) - LARGE)
def test_pictures_are_there_and_belong_to_their_study(name, shown):
    [exhibit] = [exhibit for exhibit in shown if exhibit.table.header["name"] == name]
    expected = {f"{name}{suffix}_paper.png" for suffix in pictures(exhibit.table)}
    assert {Path(picture).name for picture in exhibit.pictures} == expected
    for picture in exhibit.pictures:
        assert (PAGE.parent / picture).read_bytes().startswith(b"\x89PNG")
    assert (RESULTS / f"{name}_paper.txt").exists()
    # Small enough to be kept with the code.
    assert (RESULTS / f"{name}_paper.npz").stat().st_size < 2_000_000


def test_a_study_whose_name_begins_another_s_keeps_its_own_pictures(tmp_path):
    for name in STORED[:1]:
        shutil.copy(RESULTS / f"{name}_paper.npz", tmp_path / f"{name}_paper.npz")
        for picture in (f"{name}_paper.png", f"{name}_more_paper.png", f"{name}-other_paper.png"):
            (tmp_path / picture).write_bytes(b"")
        [exhibit] = exhibits(tmp_path, [name, f"{name}-other"], beside=tmp_path)
        assert exhibit.pictures == (f"{name}_paper.png", f"{name}_more_paper.png")


def damaged(table: Table) -> dict[str, Table]:
    """A table with an entry of its head or an array missing, or an entry of another type."""
    head, arrays = dict(table.header), dict(table.arrays)
    first = next(iter(arrays))
    return {
        "title": Table({key: value for key, value in head.items() if key != "title"}, arrays),
        "versions": Table({**head, "versions": 3.5}, arrays),
        "spent_seconds": Table(head, {name: array for name, array in arrays.items() if name != "spent_seconds"}),
        first: Table(head, {name: array for name, array in arrays.items() if name != first}),
    }


@pytest.mark.parametrize("name", ["figure-1", "figure-3b", "figure-4", "table-1"])
def test_a_damaged_table_is_refused_in_one_line(name):
    for missing, table in damaged(read_table(RESULTS / f"{name}_paper.npz")).items():
        with pytest.raises(InputError, match=f"{missing}.*run the study again") as refusal:
            caption(table)
        assert "\n" not in str(refusal.value)
