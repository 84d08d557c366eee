"""Study of training as one object."""

from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.networks.network_study import network_study
from wnsense.lab.studies.networks.training.caption import findings, paragraphs
from wnsense.lab.studies.networks.training.cases import TRAINING
from wnsense.lab.studies.networks.training.picture import pictures
from wnsense.lab.studies.networks.training.table import TRAINING_TABLES

STUDIES = (network_study(TRAINING, presented(TRAINING_TABLES.read, pictures, findings, paragraphs)),)
