"""Pictures, findings and charts that are made from the table of a study."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.pages.view import View

Content = TypeVar("Content")


def no_charts(_study: object) -> View:
    """Return an interactive view without charts."""
    return View()


@dataclass(frozen=True)
class Presentation:
    """Functions of a table; they use nothing else.

    Attributes:
        pictures: Returns figures by the suffix of their file names; the main figure has the suffix "".
        findings: Compares the table with the claim of the source.
        paragraphs: Returns the further lists of the caption.
        view: Returns the charts of the interactive page; without charts the page has the pictures only.
    """

    pictures: Callable[[Table], Mapping[str, Figure]]
    findings: Callable[[Table], list[Finding]]
    paragraphs: Callable[[Table], list[Paragraph]]
    view: Callable[[Table], View] = no_charts


def presented(
    read: Callable[[Table], Content],
    pictures: Callable[[Content], Mapping[str, Figure]],
    findings: Callable[[Content], list[Finding]],
    paragraphs: Callable[[Content], list[Paragraph]],
    view: Callable[[Content], View] = no_charts,
) -> Presentation:
    """Return a presentation that reads the table as typed values first.

    Args:
        read: Returns the typed values of a table. It raises InputError if it is not a table of the study.
        pictures: Returns figures of the values, as in `Presentation`.
        findings: Compares the values with the claim of the source.
        paragraphs: Returns the further lists of the caption.
        view: Returns the charts of the interactive page.
    """
    return Presentation(
        lambda table: pictures(read(table)),
        lambda table: findings(read(table)),
        lambda table: paragraphs(read(table)),
        lambda table: view(read(table)),
    )
