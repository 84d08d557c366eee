"""Study of the exponents of the theorem as one object."""

from functools import partial

from wnsense.lab.studies.exponents.caption import findings, paragraphs
from wnsense.lab.studies.exponents.cases import EXPONENTS_STUDY
from wnsense.lab.studies.exponents.picture import pictures
from wnsense.lab.studies.exponents.run import run_exponents
from wnsense.lab.studies.exponents.specification import ExponentSpecification
from wnsense.lab.studies.exponents.table import EXPONENT_TABLES
from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study


def exponent_study(specification: ExponentSpecification) -> Study:
    """Return the study of a specification."""
    presentation = presented(EXPONENT_TABLES.read, pictures, findings, paragraphs)
    return Study(specification, partial(run_exponents, specification), presentation)


STUDIES = (exponent_study(EXPONENTS_STUDY),)
