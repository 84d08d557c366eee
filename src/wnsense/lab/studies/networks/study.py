"""Studies of deep networks, each as one object."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.networks import activations_picture as activations
from wnsense.lab.studies.networks import curvature_picture as curvature
from wnsense.lab.studies.networks import generalization_picture as generalization
from wnsense.lab.studies.networks import minimum_norm_picture as minimum_norm
from wnsense.lab.studies.networks import rates_picture as rates
from wnsense.lab.studies.networks import training_picture as training
from wnsense.lab.studies.networks.cases import NETWORK_STUDIES
from wnsense.lab.studies.networks.run import require_same_data, run_networks
from wnsense.lab.studies.networks.specification import NetworkSpecification

_PRESENTATIONS: Mapping[str, Presentation] = {
    "networks-training": Presentation(training.pictures, training.findings, training.paragraphs),
    "networks-curvature": Presentation(curvature.pictures, curvature.findings, curvature.paragraphs),
    "networks-generalization": Presentation(
        generalization.pictures, generalization.findings, generalization.paragraphs
    ),
    "networks-minimum-norm": Presentation(minimum_norm.pictures, minimum_norm.findings, minimum_norm.paragraphs),
    "networks-activations": Presentation(activations.pictures, activations.findings, activations.paragraphs),
    "networks-rates": Presentation(rates.pictures, rates.findings, rates.paragraphs),
}


def network_study(specification: NetworkSpecification) -> Study:
    """Return the study of a specification, on images that come with packages."""
    return Study(
        specification,
        partial(run_networks, specification, None),
        _PRESENTATIONS[specification.name],
        on_data=partial(_on_data, specification),
    )


def _on_data(specification: NetworkSpecification, data: Path) -> Study:
    """Return the study of a specification, on images in a folder."""
    return replace(
        network_study(specification),
        measure=partial(run_networks, specification, data),
        accept=partial(require_same_data, specification, data),
    )


STUDIES = tuple(network_study(specification) for specification in NETWORK_STUDIES.values())
