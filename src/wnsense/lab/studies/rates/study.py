"""Study of Table 1 as one object."""

from functools import partial

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.rates.caption import findings, paragraphs
from wnsense.lab.studies.rates.cases import TABLE_1_STUDY
from wnsense.lab.studies.rates.picture import pictures
from wnsense.lab.studies.rates.run import run_rates
from wnsense.lab.studies.rates.specification import RateSpecification
from wnsense.lab.studies.rates.table import RATE_TABLES


def rate_study(specification: RateSpecification) -> Study:
    """Return the study of a specification."""
    presentation = presented(RATE_TABLES.read, pictures, findings, paragraphs)
    return Study(specification, partial(run_rates, specification), presentation)


STUDIES = (rate_study(TABLE_1_STUDY),)
