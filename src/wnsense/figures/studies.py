"""From the table of any study to its pictures and their caption, by the form that the table's head names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from wnsense.checks import InputError
from wnsense.figures import (
    diagonal_bound,
    diagonal_ratio,
    diagonal_recovery,
    diagonal_speed,
    diagonal_trajectories,
    exponents,
    exponents_caption,
    images,
    images_caption,
    learning,
    learning_caption,
    networks_activations,
    networks_curvature,
    networks_generalization,
    networks_minimum_norm,
    networks_rates,
    networks_training,
    paper,
    paper_caption,
    rates,
    samples,
    settings,
)
from wnsense.figures.findings import Finding, Paragraph, caption_text
from wnsense.running.tables import Table


@dataclass(frozen=True)
class Form:
    """What can be made of tables of one form.

    Attributes:
        pictures: Figures by the suffix of their files' names; the main one has none.
        findings: What the table says to each part of its source's sentence.
        paragraphs: What else stands in the caption.
    """

    pictures: Callable[[Table], Mapping[str, Figure]]
    findings: Callable[[Table], list[Finding]]
    paragraphs: Callable[[Table], list[Paragraph]]


FORMS: Mapping[str, Form] = {
    "curves": Form(paper.pictures, paper_caption.findings, paper_caption.paragraphs),
    "settings": Form(settings.pictures, settings.findings, paper_caption.paragraphs),
    "images": Form(images.pictures, images_caption.findings, images_caption.paragraphs),
    "learning": Form(learning.pictures, learning_caption.findings, learning_caption.paragraphs),
    "rates": Form(rates.pictures, rates.findings, rates.paragraphs),
    "exponents": Form(exponents.pictures, exponents_caption.findings, exponents_caption.paragraphs),
    "samples": Form(samples.pictures, samples.findings, samples.paragraphs),
    "diagonal-recovery": Form(diagonal_recovery.pictures, diagonal_recovery.findings, diagonal_recovery.paragraphs),
    "diagonal-trajectories": Form(
        diagonal_trajectories.pictures, diagonal_trajectories.findings, diagonal_trajectories.paragraphs
    ),
    "diagonal-bound": Form(diagonal_bound.pictures, diagonal_bound.findings, diagonal_bound.paragraphs),
    "diagonal-ratio": Form(diagonal_ratio.pictures, diagonal_ratio.findings, diagonal_ratio.paragraphs),
    "diagonal-speed": Form(diagonal_speed.pictures, diagonal_speed.findings, diagonal_speed.paragraphs),
    "networks-training": Form(networks_training.pictures, networks_training.findings, networks_training.paragraphs),
    "networks-curvature": Form(networks_curvature.pictures, networks_curvature.findings, networks_curvature.paragraphs),
    "networks-generalization": Form(
        networks_generalization.pictures, networks_generalization.findings, networks_generalization.paragraphs
    ),
    "networks-minimum-norm": Form(
        networks_minimum_norm.pictures, networks_minimum_norm.findings, networks_minimum_norm.paragraphs
    ),
    "networks-activations": Form(
        networks_activations.pictures, networks_activations.findings, networks_activations.paragraphs
    ),
    "networks-rates": Form(networks_rates.pictures, networks_rates.findings, networks_rates.paragraphs),
}


def pictures(table: Table) -> Mapping[str, Figure]:
    """The figures of a study, by the suffix of their files' names.

    Raises:
        InputError: When it is no table of a study.
    """
    return _form(table).pictures(table)


def findings(table: Table) -> list[Finding]:
    """What the table says to each part of its source's sentence.

    Raises:
        InputError: When it is no table of a study.
    """
    return _form(table).findings(table)


def caption(table: Table) -> str:
    """The text under a study's pictures, as plain paragraphs.

    Raises:
        InputError: When it is no table of a study.
    """
    form = _form(table)
    return caption_text(table, form.findings(table), form.paragraphs(table))


def _form(table: Table) -> Form:
    name = table.header.get("form")
    known = FORMS.get(name) if isinstance(name, str) else None
    if known is None:
        raise InputError(f"needed the table of a study (form {', '.join(FORMS)}), got form {name}; run the study again")
    return known
