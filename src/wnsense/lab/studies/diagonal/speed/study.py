"""The study as one object."""

from wnsense.lab.studies.diagonal.run import diagonal_study
from wnsense.lab.studies.diagonal.speed.caption import findings, paragraphs
from wnsense.lab.studies.diagonal.speed.cases import SPEED
from wnsense.lab.studies.diagonal.speed.measure import measure, speed_words
from wnsense.lab.studies.diagonal.speed.picture import pictures
from wnsense.lab.studies.diagonal.speed.specification import SpeedPart
from wnsense.lab.studies.frame.parts import NumberedSpecification
from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.study import Study


def speed_study(specification: NumberedSpecification[SpeedPart]) -> Study:
    """Return the study of a specification."""
    return diagonal_study(specification, speed_words, measure, Presentation(pictures, findings, paragraphs))


STUDIES = (speed_study(SPEED),)
