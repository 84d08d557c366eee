"""Study of deep networks as one object, from its specification and its presentation."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.networks.run import require_same_data, run_networks
from wnsense.lab.studies.networks.specification import NetworkSpecification


def network_study(specification: NetworkSpecification, presentation: Presentation) -> Study:
    """Return the study of a specification, on images that come with packages."""
    return Study(
        specification,
        partial(run_networks, specification, None),
        presentation,
        on_data=partial(_on_data, specification, presentation),
    )


def _on_data(specification: NetworkSpecification, presentation: Presentation, data: Path) -> Study:
    """Return the study of a specification, on images in a folder."""
    return replace(
        network_study(specification, presentation),
        measure=partial(run_networks, specification, data),
        accept=partial(require_same_data, specification, data),
    )
