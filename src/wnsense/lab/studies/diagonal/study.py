"""Studies of diagonal networks, each as one object."""

from collections.abc import Mapping
from functools import partial

from wnsense.lab.studies.diagonal import bound_picture as bound
from wnsense.lab.studies.diagonal import ratio_picture as ratio
from wnsense.lab.studies.diagonal import recovery_picture as recovery
from wnsense.lab.studies.diagonal import speed_picture as speed
from wnsense.lab.studies.diagonal import trajectories_picture as trajectories
from wnsense.lab.studies.diagonal.cases import DIAGONAL_STUDIES
from wnsense.lab.studies.diagonal.run import run_diagonal
from wnsense.lab.studies.diagonal.specification import DiagonalSpecification
from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.study import Study

_PRESENTATIONS: Mapping[str, Presentation] = {
    "diagonal-recovery": Presentation(recovery.pictures, recovery.findings, recovery.paragraphs),
    "diagonal-trajectories": Presentation(trajectories.pictures, trajectories.findings, trajectories.paragraphs),
    "diagonal-bound": Presentation(bound.pictures, bound.findings, bound.paragraphs),
    "diagonal-ratio": Presentation(ratio.pictures, ratio.findings, ratio.paragraphs),
    "diagonal-speed": Presentation(speed.pictures, speed.findings, speed.paragraphs),
}


def diagonal_study(specification: DiagonalSpecification) -> Study:
    """Return the study of a specification."""
    return Study(specification, partial(run_diagonal, specification), _PRESENTATIONS[specification.name])


STUDIES = tuple(diagonal_study(specification) for specification in DIAGONAL_STUDIES.values())
