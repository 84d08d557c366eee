"""Study of images (figure 4) as one object."""

from functools import partial

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study
from wnsense.lab.studies.images.caption import findings, paragraphs
from wnsense.lab.studies.images.cases import FIGURE_4
from wnsense.lab.studies.images.page import images_view
from wnsense.lab.studies.images.picture import pictures
from wnsense.lab.studies.images.run import run_images
from wnsense.lab.studies.images.specification import ImageSpecification
from wnsense.lab.studies.images.table import IMAGE_TABLES


def image_study(specification: ImageSpecification) -> Study:
    """Return the study of a specification."""
    presentation = presented(IMAGE_TABLES.read, pictures, findings, paragraphs, images_view)
    return Study(specification, partial(run_images, specification), presentation)


STUDIES = (image_study(FIGURE_4),)
