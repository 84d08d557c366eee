"""Study of activations as one object."""

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.networks.activations.caption import findings, paragraphs
from wnsense.lab.studies.networks.activations.cases import ACTIVATIONS_STUDY
from wnsense.lab.studies.networks.activations.picture import pictures
from wnsense.lab.studies.networks.network_study import network_study

STUDIES = (network_study(ACTIVATIONS_STUDY, Presentation(pictures, findings, paragraphs)),)
