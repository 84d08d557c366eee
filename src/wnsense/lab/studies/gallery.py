"""A page of all studies that are stored: each picture, what its source says, and what its table says to that."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wnsense.files.tables import Table, read_table
from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.lookup import study_of

_HEAD = """# Gallery: the published figures, and what is seen here

Every picture, verdict and number on this page is made from a stored table (`studies/results/`) by
`python benchmarks/gallery.py`; the tables are made by `wnsense study run NAME --scale paper`. Under each picture: what
the source says, and what the table says to it. What the source does not speak of is marked *beside the paper*. Seconds
are those of two cores that had other work to do at the time, and so too many rather than too few.
"""
# So many pictures are shown one under the other.
_FEW = 4
_VERDICTS = {True: "holds", False: "**does not hold**", None: "beside the paper"}


@dataclass(frozen=True)
class Exhibit:
    """A stored study and its pictures.

    Attributes:
        table: Its table.
        pictures: Files of its pictures, relative to the page.
    """

    table: Table
    pictures: tuple[str, ...]


def exhibits(results: Path, names: Sequence[str], *, beside: Path) -> list[Exhibit]:
    """The studies of which a table at the paper's scale is stored, in the order of their names.

    Args:
        results: The folder of tables and pictures.
        names: Of studies, in the order in which to show them.
        beside: The folder that the page will stand in.

    Raises:
        InputError: When a table is damaged.
    """
    found = []
    for name in names:
        path = results / f"{name}_paper.npz"
        if not path.exists():
            continue
        pictures = sorted(results.glob(f"{name}*_paper.png"), key=lambda picture: (len(picture.name), picture.name))
        own = [picture for picture in pictures if not _is_of_another(picture, name, names)]
        relative = tuple(Path(os.path.relpath(picture, beside)).as_posix() for picture in own)
        found.append(Exhibit(read_table(path), relative))
    return found


def gallery(shown: Sequence[Exhibit]) -> str:
    """The page, as Markdown."""
    return "\n".join([_HEAD, _summary(shown), *(_section(exhibit) for exhibit in shown)])


def _summary(shown: Sequence[Exhibit]) -> str:
    """What holds and what does not, study by study."""
    lines = ["| study | what the source says | holds | does not | s on two cores | GB |", "|---|---|---|---|---|---|"]
    for exhibit in shown:
        header, arrays = exhibit.table.header, exhibit.table.arrays
        verdicts = [finding.holds for finding in study_of(exhibit.table).presentation.findings(exhibit.table)]
        seconds, memory = float(arrays["spent_seconds"][0]), float(arrays["peak_memory"][0])
        name = str(header["name"])
        counts = " | ".join(str(sum(verdict is of for verdict in verdicts)) for of in (True, False))
        lines.append(f"| [{name}](#{name}) | {header['claim']} | {counts} | {seconds:,.0f} | {memory / 1e9:.2g} |")
    return "\n".join(lines) + "\n"


def _section(exhibit: Exhibit) -> str:
    header = exhibit.table.header
    name, title = str(header["name"]), str(header["title"])
    found = study_of(exhibit.table).presentation.findings(exhibit.table)
    said = [_line(finding) for finding in found if finding.holds is not None]
    beside = [_line(finding) for finding in found if finding.holds is None]
    lines = [f"## {name}", "", f"{title}.", "", *_shown(exhibit, title)]
    lines += ["", f"The source: {header['claim']}", "", "Seen here:", "", *said]
    # What the source does not speak of is there for who wants it, unless nothing else is.
    folded = bool(said) and bool(beside)
    lines += [f"\n<details><summary>Beside it: {len(beside)} more</summary>\n"] if folded else []
    lines += [*beside, *(["\n</details>"] if folded else [])]
    return "\n".join(lines) + "\n"


def _shown(exhibit: Exhibit, title: str) -> list[str]:
    """The pictures, or the first and the way to the others where they are many."""
    shown = exhibit.pictures if len(exhibit.pictures) <= _FEW else exhibit.pictures[:1]
    lines = [f"![{title}]({picture})" for picture in shown]
    others = [f"[{Path(picture).stem}]({picture})" for picture in exhibit.pictures[len(shown) :]]
    return [*lines, *(["", f"One by one: {', '.join(others)}."] if others else [])]


def _line(finding: Finding) -> str:
    return f"- {_VERDICTS[finding.holds]}: {finding.text}"


def _is_of_another(picture: Path, name: str, names: Sequence[str]) -> bool:
    """Whether a picture belongs to a study whose longer name begins like this one's."""
    return any(other != name and other.startswith(name) and picture.name.startswith(other) for other in names)
