"""Study of learning rates as one object."""

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.networks.network_phrases import images_alone
from wnsense.lab.studies.networks.network_study import network_study
from wnsense.lab.studies.networks.rates.caption import findings
from wnsense.lab.studies.networks.rates.cases import RATES
from wnsense.lab.studies.networks.rates.picture import pictures
from wnsense.lab.studies.networks.rates.table import LEARNING_RATE_TABLES

STUDIES = (network_study(RATES, presented(LEARNING_RATE_TABLES.read, pictures, findings, images_alone)),)
