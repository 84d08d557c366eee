"""Pictures, findings and charts that are made from the table of a study."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.pages.view import View


def no_charts(_table: Table) -> View:
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
