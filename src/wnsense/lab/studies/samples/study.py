"""Study of sample sizes as one object."""

from functools import partial

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.samples.caption import findings, paragraphs
from wnsense.lab.studies.samples.cases import SAMPLES_STUDY
from wnsense.lab.studies.samples.picture import pictures
from wnsense.lab.studies.samples.run import run_samples
from wnsense.lab.studies.samples.specification import SampleSpecification
from wnsense.lab.studies.samples.table import SAMPLE_TABLES


def sample_study(specification: SampleSpecification) -> Study:
    """Return the study of a specification."""
    presentation = presented(SAMPLE_TABLES.read, pictures, findings, paragraphs)
    return Study(specification, partial(run_samples, specification), presentation)


STUDIES = (sample_study(SAMPLES_STUDY),)
