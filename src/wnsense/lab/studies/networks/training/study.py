"""Study of training as one object."""

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.networks.network_study import network_study
from wnsense.lab.studies.networks.training.caption import findings, paragraphs
from wnsense.lab.studies.networks.training.cases import TRAINING
from wnsense.lab.studies.networks.training.picture import pictures

STUDIES = (network_study(TRAINING, Presentation(pictures, findings, paragraphs)),)
