"""Wording that the captions of all studies of deep networks share."""

import numpy as np

from wnsense.lab.studies.frame.findings import Paragraph
from wnsense.lab.studies.frame.typed_table import TypedTable
from wnsense.lab.studies.networks.table import ImageFacts, NetworkHead
from wnsense.networks.measuring.power_fit import Exponent


def power_words(power: Exponent) -> str:
    """Return the text of an exponent with its interval."""
    return f"{power.value:.2f} ({power.low:.2f} to {power.high:.2f})"


def span_words(values: np.ndarray) -> str:
    """Return the text of the least and the largest of some numbers."""
    low, high = (f"{float(end):.3g}" for end in (np.nanmin(values), np.nanmax(values)))
    return low if low == high else f"{low} to {high}"


def images_paragraph(study: TypedTable[NetworkHead, object]) -> Paragraph:
    """Return the paragraph on the images of a table, with a line for each set."""
    return Paragraph("Images:", tuple(_image_line(facts) for facts in study.head.data))


def images_alone(study: TypedTable[NetworkHead, object]) -> list[Paragraph]:
    """Return the paragraphs of a study that has no other."""
    return [images_paragraph(study)]


def _image_line(facts: ImageFacts) -> str:
    counts = f"{facts.images}: {facts.train:,} to train on and {facts.test:,} to test on at most"
    files = "; ".join(f"{file.name}, {file.bytes:,} bytes, sha256 {file.sha256[:16]}" for file in facts.files)
    return f"{counts} ({files})" if files else counts
