"""The study as one object."""

from wnsense.lab.studies.diagonal.bound.caption import findings, paragraphs
from wnsense.lab.studies.diagonal.bound.cases import BOUND
from wnsense.lab.studies.diagonal.bound.measure import bound_words, measure_bounds
from wnsense.lab.studies.diagonal.bound.picture import pictures
from wnsense.lab.studies.diagonal.bound.specification import BoundPart
from wnsense.lab.studies.diagonal.bound.table import BOUND_TABLES
from wnsense.lab.studies.diagonal.run import diagonal_study
from wnsense.lab.studies.frame.parts import NumberedSpecification
from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study


def bound_study(specification: NumberedSpecification[BoundPart]) -> Study:
    """Return the study of a specification."""
    presentation = presented(BOUND_TABLES.read, pictures, findings, paragraphs)
    return diagonal_study(specification, bound_words, measure_bounds, presentation)


STUDIES = (bound_study(BOUND),)
