"""Study of row lengths as one object."""

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.networks.minimum_norm.caption import findings
from wnsense.lab.studies.networks.minimum_norm.cases import MINIMUM_NORM
from wnsense.lab.studies.networks.minimum_norm.picture import pictures
from wnsense.lab.studies.networks.minimum_norm.table import ROW_LENGTH_TABLES
from wnsense.lab.studies.networks.network_phrases import images_alone
from wnsense.lab.studies.networks.network_study import network_study

STUDIES = (network_study(MINIMUM_NORM, presented(ROW_LENGTH_TABLES.read, pictures, findings, images_alone)),)
