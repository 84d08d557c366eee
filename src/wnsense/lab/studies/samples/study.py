"""Study of sample sizes as one object."""

from functools import partial

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.samples.caption import findings, paragraphs
from wnsense.lab.studies.samples.cases import SAMPLES_STUDY
from wnsense.lab.studies.samples.picture import pictures
from wnsense.lab.studies.samples.run import run_samples
from wnsense.lab.studies.samples.specification import SampleSpecification


def sample_study(specification: SampleSpecification) -> Study:
    """Return the study of a specification."""
    return Study(specification, partial(run_samples, specification), Presentation(pictures, findings, paragraphs))


STUDIES = (sample_study(SAMPLES_STUDY),)
