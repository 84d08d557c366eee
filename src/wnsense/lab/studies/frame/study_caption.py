"""Caption of a study: one value from which both the text file and the page are made."""

from collections.abc import Sequence
from dataclasses import dataclass

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.study_head import StudyHead, prefixed_arrays, read_head

VERDICTS = {True: "as the paper says", False: "NOT as the paper says", None: "beside the paper"}


@dataclass(frozen=True)
class Caption:
    """Words under the pictures of a study.

    Attributes:
        head: Head of the table.
        findings: Findings, in order.
        paragraphs: Further lists.
        choices: Settings that the source does not give.
        seconds: Time of all parts together, in seconds.
        memory: Largest memory of the process in any part, in bytes.
    """

    head: StudyHead
    findings: Sequence[Finding]
    paragraphs: Sequence[Paragraph]
    choices: Paragraph
    seconds: float
    memory: float

    @property
    def title(self) -> str:
        """Name, scale and title of the study."""
        return f"{self.head.name}, {self.head.scale} scale: {self.head.title}"

    @property
    def claim(self) -> str:
        """Statement of the source."""
        return f"The paper: {self.head.claim}"

    def text(self) -> str:
        """Return the caption as plain text."""
        seen = Paragraph("Seen here:", tuple(f"{VERDICTS[one.holds]}: {one.text}" for one in self.findings))
        lines = [f"{self.title}.", "", self.claim]
        for part in (seen, *self.paragraphs, self.choices):
            if part.lines:
                lines += ["", part.heading, *(f"- {line}" for line in part.lines)]
        return "\n".join([*lines, "", self._made_with()]) + "\n"

    def _made_with(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.head.versions.items())
        spent = f"{self.seconds:,.0f} s and at most {self.memory / 1e9:.2g} GB in all"
        return f"{versions}; {self.head.machine}, {self.head.threads} thread(s); {spent}."


def caption_of(table: Table, presentation: Presentation) -> Caption:
    """Return the caption of a table as it is presented.

    Raises:
        InputError: If the table is damaged.
    """
    head = read_head(table, StudyHead, "any kind")
    spent = prefixed_arrays(table, "", ("spent_seconds", "peak_memory"), "any kind")
    seconds, memory = float(spent["spent_seconds"][0]), float(spent["peak_memory"][0])
    choices = Paragraph("Chosen by us, where the paper gives nothing:", tuple(head.chosen))
    return Caption(head, presentation.findings(table), presentation.paragraphs(table), choices, seconds, memory)
