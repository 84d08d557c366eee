"""Study of curvature as one object."""

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.networks.curvature.caption import findings, paragraphs
from wnsense.lab.studies.networks.curvature.cases import CURVATURE
from wnsense.lab.studies.networks.curvature.picture import pictures
from wnsense.lab.studies.networks.network_study import network_study

STUDIES = (network_study(CURVATURE, Presentation(pictures, findings, paragraphs)),)
