"""Study of Table 1 as one object."""

from functools import partial

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.rates.caption import findings, paragraphs
from wnsense.lab.studies.rates.cases import TABLE_1_STUDY
from wnsense.lab.studies.rates.picture import pictures
from wnsense.lab.studies.rates.run import run_rates
from wnsense.lab.studies.rates.specification import RateSpecification


def rate_study(specification: RateSpecification) -> Study:
    """Return the study of a specification."""
    return Study(specification, partial(run_rates, specification), Presentation(pictures, findings, paragraphs))


STUDIES = (rate_study(TABLE_1_STUDY),)
