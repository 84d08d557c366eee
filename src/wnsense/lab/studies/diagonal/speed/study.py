"""The study as one object."""

from wnsense.lab.studies.diagonal.run import diagonal_study
from wnsense.lab.studies.diagonal.speed.caption import findings, paragraphs
from wnsense.lab.studies.diagonal.speed.cases import SPEED
from wnsense.lab.studies.diagonal.speed.measure import measure, speed_words
from wnsense.lab.studies.diagonal.speed.picture import pictures
from wnsense.lab.studies.diagonal.speed.specification import SpeedPart
from wnsense.lab.studies.diagonal.speed.table import SPEED_TABLES
from wnsense.lab.studies.frame.parts import NumberedSpecification
from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study


def speed_study(specification: NumberedSpecification[SpeedPart]) -> Study:
    """Return the study of a specification."""
    presentation = presented(SPEED_TABLES.read, pictures, findings, paragraphs)
    return diagonal_study(specification, speed_words, measure, presentation)


STUDIES = (speed_study(SPEED),)
