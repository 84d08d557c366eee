"""Findings and paragraphs of a caption."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A statement about the table, compared with the claim of the source.

    Attributes:
        text: Statement with its numbers.
        holds: True if it agrees with the source, False if it contradicts it, None if the source does not treat it.
    """

    text: str
    holds: bool | None


@dataclass(frozen=True)
class Paragraph:
    """A list under a heading.

    Attributes:
        heading: Heading, one line.
        lines: Items of the list.
    """

    heading: str
    lines: tuple[str, ...]
