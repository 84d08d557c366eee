"""What is seen in a study, held against what its source says, and the text that stands under its pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wnsense.files.tables import Table


@dataclass(frozen=True)
class Finding:
    """A part of the source's sentence, held against the table.

    Attributes:
        text: What is seen, with its numbers.
        holds: Whether that is what the source says; None where it says nothing of it.
    """

    text: str
    holds: bool | None


@dataclass(frozen=True)
class Paragraph:
    """A list under a heading.

    Attributes:
        heading: A line.
        lines: The list.
    """

    heading: str
    lines: tuple[str, ...]


_VERDICTS = {True: "as the paper says", False: "NOT as the paper says", None: "beside the paper"}


def caption_text(table: Table, findings: Sequence[Finding], paragraphs: Sequence[Paragraph]) -> str:
    """The text under a study's pictures: its source's sentence, what is seen, our choices, what it took."""
    header = table.header
    chosen = header["chosen"]
    words = tuple(str(choice) for choice in chosen) if isinstance(chosen, list) else ()
    parts = [
        Paragraph("Seen here:", tuple(f"{_VERDICTS[of.holds]}: {of.text}" for of in findings)),
        *paragraphs,
        Paragraph("Chosen by us, where the paper gives nothing:", words),
    ]
    lines = [f"{header['name']}, {header['scale']} scale: {header['title']}.", "", f"The paper: {header['claim']}"]
    for part in parts:
        if part.lines:
            lines += ["", part.heading, *(f"- {line}" for line in part.lines)]
    return "\n".join([*lines, "", _made_with(table)]) + "\n"


def _made_with(table: Table) -> str:
    versions = table.header["versions"]
    told = ", ".join(f"{name} {of}" for name, of in versions.items()) if isinstance(versions, Mapping) else ""
    seconds, memory = float(table.arrays["spent_seconds"][0]), float(table.arrays["peak_memory"][0])
    spent = f"{seconds:,.0f} s and at most {memory / 1e9:.2g} GB in all"
    return f"{told}; {table.header['machine']}, {table.header['threads']} thread(s); {spent}."
