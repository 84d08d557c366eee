"""Study of activations as one object."""

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.networks.activations.caption import findings
from wnsense.lab.studies.networks.activations.cases import ACTIVATIONS_STUDY
from wnsense.lab.studies.networks.activations.picture import pictures
from wnsense.lab.studies.networks.activations.table import ACTIVATION_TABLES
from wnsense.lab.studies.networks.network_phrases import images_alone
from wnsense.lab.studies.networks.network_study import network_study

STUDIES = (network_study(ACTIVATIONS_STUDY, presented(ACTIVATION_TABLES.read, pictures, findings, images_alone)),)
