"""Study of row lengths as one object."""

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.networks.minimum_norm.caption import findings, paragraphs
from wnsense.lab.studies.networks.minimum_norm.cases import MINIMUM_NORM
from wnsense.lab.studies.networks.minimum_norm.picture import pictures
from wnsense.lab.studies.networks.network_study import network_study

STUDIES = (network_study(MINIMUM_NORM, Presentation(pictures, findings, paragraphs)),)
