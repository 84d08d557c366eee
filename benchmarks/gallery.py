"""Writes docs/gallery.md from the stored tables of all studies: `python benchmarks/gallery.py`."""

from pathlib import Path

from wnsense.atomic import write_text
from wnsense.lab.studies.gallery import exhibits, gallery
from wnsense.lab.studies.registry import STUDY_FOLDERS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "gallery.md"


def main() -> None:
    """Write the page and print its path."""
    shown = exhibits(ROOT / "studies" / "results", list(STUDY_FOLDERS), beside=PAGE.parent)
    write_text(PAGE, gallery(shown))
    print(f"{PAGE}: {len(shown)} studies")


if __name__ == "__main__":
    main()
