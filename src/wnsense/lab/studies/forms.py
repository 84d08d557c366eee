"""From the table of any study to its pictures and their caption, by the form that the table's head names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.curves import caption as paper_caption
from wnsense.lab.studies.curves import picture as paper
from wnsense.lab.studies.curves import settings_picture as settings
from wnsense.lab.studies.diagonal import bound_picture as diagonal_bound
from wnsense.lab.studies.diagonal import ratio_picture as diagonal_ratio
from wnsense.lab.studies.diagonal import recovery_picture as diagonal_recovery
from wnsense.lab.studies.diagonal import speed_picture as diagonal_speed
from wnsense.lab.studies.diagonal import trajectories_picture as diagonal_trajectories
from wnsense.lab.studies.exponents import caption as exponents_caption
from wnsense.lab.studies.exponents import picture as exponents
from wnsense.lab.studies.frame.findings import Finding, Paragraph, caption_text
from wnsense.lab.studies.images import caption as images_caption
from wnsense.lab.studies.images import picture as images
from wnsense.lab.studies.learning import caption as learning_caption
from wnsense.lab.studies.learning import picture as learning
from wnsense.lab.studies.networks import activations_picture as networks_activations
from wnsense.lab.studies.networks import curvature_picture as networks_curvature
from wnsense.lab.studies.networks import generalization_picture as networks_generalization
from wnsense.lab.studies.networks import minimum_norm_picture as networks_minimum_norm
from wnsense.lab.studies.networks import rates_picture as networks_rates
from wnsense.lab.studies.networks import training_picture as networks_training
from wnsense.lab.studies.rates import picture as rates
from wnsense.lab.studies.samples import picture as samples


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
