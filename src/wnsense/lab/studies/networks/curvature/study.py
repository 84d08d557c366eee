"""Study of curvature as one object."""

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.networks.curvature.caption import findings, paragraphs
from wnsense.lab.studies.networks.curvature.cases import CURVATURE
from wnsense.lab.studies.networks.curvature.picture import pictures
from wnsense.lab.studies.networks.curvature.table import CURVATURE_TABLES
from wnsense.lab.studies.networks.network_study import network_study

STUDIES = (network_study(CURVATURE, presented(CURVATURE_TABLES.read, pictures, findings, paragraphs)),)
