"""Caption, findings and pictures of a table, by the study that the table belongs to."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.lookup import study_of


def caption(table: Table) -> str:
    """Return the caption of a table as text."""
    return study_of(table).caption(table).text()


def findings(table: Table) -> list[Finding]:
    """Return the findings of a table."""
    return study_of(table).presentation.findings(table)


def pictures(table: Table) -> Mapping[str, Figure]:
    """Return the figures of a table by the suffix of their file names."""
    return study_of(table).presentation.pictures(table)
