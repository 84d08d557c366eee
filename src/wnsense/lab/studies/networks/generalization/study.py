"""Study of generalization as one object."""

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.networks.generalization.caption import findings
from wnsense.lab.studies.networks.generalization.cases import GENERALIZATION
from wnsense.lab.studies.networks.generalization.picture import pictures
from wnsense.lab.studies.networks.generalization.table import GAP_TABLES
from wnsense.lab.studies.networks.network_phrases import images_alone
from wnsense.lab.studies.networks.network_study import network_study

STUDIES = (network_study(GENERALIZATION, presented(GAP_TABLES.read, pictures, findings, images_alone)),)
