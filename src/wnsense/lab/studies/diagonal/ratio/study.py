"""The study as one object."""

from wnsense.lab.studies.diagonal.ratio.caption import findings, paragraphs
from wnsense.lab.studies.diagonal.ratio.cases import RATIO
from wnsense.lab.studies.diagonal.ratio.picture import pictures
from wnsense.lab.studies.diagonal.ratio.table import RATIO_TABLES
from wnsense.lab.studies.diagonal.run import diagonal_study
from wnsense.lab.studies.diagonal.step_grid import GridPart
from wnsense.lab.studies.diagonal.step_grid_measure import grid_words, measure_grid
from wnsense.lab.studies.frame.parts import NumberedSpecification
from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study


def ratio_study(specification: NumberedSpecification[GridPart]) -> Study:
    """Return the study of a specification."""
    presentation = presented(RATIO_TABLES.read, pictures, findings, paragraphs)
    return diagonal_study(specification, grid_words, measure_grid, presentation)


STUDIES = (ratio_study(RATIO),)
