"""Study of the course of learning (figure 1) as one object."""

from functools import partial

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.learning.caption import findings, paragraphs
from wnsense.lab.studies.learning.cases import FIGURE_1
from wnsense.lab.studies.learning.page import learning_view
from wnsense.lab.studies.learning.picture import pictures
from wnsense.lab.studies.learning.run import run_learning
from wnsense.lab.studies.learning.specification import LearningSpecification
from wnsense.lab.studies.learning.table import LEARNING_TABLES


def learning_study(specification: LearningSpecification) -> Study:
    """Return the study of a specification."""
    presentation = presented(LEARNING_TABLES.read, pictures, findings, paragraphs, learning_view)
    return Study(specification, partial(run_learning, specification), presentation)


STUDIES = (learning_study(FIGURE_1),)
