"""Page of all stored studies: their pictures, the claims of their sources, and the main findings."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wnsense.files.tables import Table, read_table
from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.frame.study_caption import Caption
from wnsense.lab.studies.lookup import study_of

# Findings of a study that the page shows at most.
MOST_FINDINGS = 6
# Pictures of a study that the page shows at most; of a study with more it shows the first, and links to the others.
_MOST_PICTURES = 4
_VERDICTS = {True: "holds", False: "**does not hold**", None: "beside the paper"}
# Order in which findings are shown, by what they say of the claim: contradicted, confirmed, not treated.
_ORDER = (False, True, None)

_HEAD = f"""# Gallery: the published figures, and what is measured here

On this page you compare the claim of each published figure with measurements. Under the pictures of a study stand the
claim of its source and the findings from its table. A finding *holds*, *does not hold*, or is *beside the paper* if the
source does not treat it. At most {MOST_FINDINGS} findings of a study are shown: first those that do not hold, then
those that hold, then those beside the paper. All findings stand in the caption that the last line links to.

Every picture, verdict and number is made from a stored table (`studies/results/`) by `python benchmarks/gallery.py`.
`wnsense study run NAME --scale paper` makes a table again. Times are those of two cores that did other work as well, so
they are rather too long than too short.
"""


@dataclass(frozen=True)
class Exhibit:
    """A stored study.

    Attributes:
        table: Table of the study.
        pictures: Paths of its pictures, relative to the page.
        caption: Path of its caption, relative to the page.
    """

    table: Table
    pictures: tuple[str, ...]
    caption: str


def exhibits(results: Path, names: Sequence[str], *, beside: Path) -> list[Exhibit]:
    """Return the studies that are stored at the scale of the source.

    Args:
        results: Folder of tables, pictures and captions.
        names: Names of the studies, in the order in which they are shown.
        beside: Folder of the page.

    Raises:
        InputError: If a table is damaged.
    """
    stored = [name for name in names if (results / f"{name}_paper.npz").exists()]
    return [_exhibit(results, name, names, beside) for name in stored]


def _exhibit(results: Path, name: str, names: Sequence[str], beside: Path) -> Exhibit:
    pictures = sorted(results.glob(f"{name}*_paper.png"), key=lambda picture: (len(picture.name), picture.name))
    own = [picture for picture in pictures if not _is_of_another(picture, name, names)]
    return Exhibit(
        read_table(results / f"{name}_paper.npz"),
        tuple(_relative(picture, beside) for picture in own),
        _relative(results / f"{name}_paper.txt", beside),
    )


def gallery(shown: Sequence[Exhibit]) -> str:
    """Return the page, as Markdown."""
    captions = [study_of(exhibit.table).caption(exhibit.table) for exhibit in shown]
    sections = [_section(exhibit, caption) for exhibit, caption in zip(shown, captions, strict=True)]
    return "\n".join([_HEAD, _summary(captions), *sections])


def main_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that the page shows: at most `MOST_FINDINGS`, in the order that it states."""
    return [one for verdict in _ORDER for one in findings if one.holds is verdict][:MOST_FINDINGS]


def finding_line(finding: Finding) -> str:
    """Return the line of a finding."""
    return f"- {_VERDICTS[finding.holds]}: {finding.text}"


def _summary(captions: Sequence[Caption]) -> str:
    """Return a table with the number of findings that hold and that do not, study by study."""
    lines = ["| study | what the source says | holds | does not | s on two cores | GB |", "|---|---|---|---|---|---|"]
    for caption in captions:
        head = caption.head
        verdicts = [finding.holds for finding in caption.findings]
        counts = f"{verdicts.count(True)} | {verdicts.count(False)}"
        spent = f"{caption.seconds:,.0f} | {caption.memory / 1e9:.2g}"
        lines.append(f"| [{head.name}](#{head.name}) | {head.claim} | {counts} | {spent} |")
    return "\n".join(lines) + "\n"


def _section(exhibit: Exhibit, caption: Caption) -> str:
    head = caption.head
    main = main_findings(caption.findings)
    lines = [f"## {head.name}", "", f"{head.title}.", "", *_picture_lines(exhibit, head.title)]
    lines += ["", f"The source: {head.claim}", "", "Findings:", "", *map(finding_line, main), ""]
    return "\n".join([*lines, _rest(exhibit, len(caption.findings) - len(main))]) + "\n"


def _rest(exhibit: Exhibit, count: int) -> str:
    """Return the line that says how many findings are left out, and where they stand."""
    findings = f"{count} more finding{'s' if count > 1 else ''}, every curve in numbers" if count else "Every number"
    return f"{findings} and the settings: [caption]({exhibit.caption})."


def _picture_lines(exhibit: Exhibit, title: str) -> list[str]:
    """Return the pictures, or the first of many with links to the others."""
    shown = exhibit.pictures if len(exhibit.pictures) <= _MOST_PICTURES else exhibit.pictures[:1]
    lines = [f"![{title}]({picture})" for picture in shown]
    others = [f"[{Path(picture).stem}]({picture})" for picture in exhibit.pictures[len(shown) :]]
    return [*lines, *(["", f"One by one: {', '.join(others)}."] if others else [])]


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _is_of_another(picture: Path, name: str, names: Sequence[str]) -> bool:
    """Return True if a picture belongs to a study whose longer name begins with this name."""
    return any(other != name and other.startswith(name) and picture.name.startswith(other) for other in names)
