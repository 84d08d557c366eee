"""Study of generalization as one object."""

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.networks.generalization.caption import findings, paragraphs
from wnsense.lab.studies.networks.generalization.cases import GENERALIZATION
from wnsense.lab.studies.networks.generalization.picture import pictures
from wnsense.lab.studies.networks.network_study import network_study

STUDIES = (network_study(GENERALIZATION, Presentation(pictures, findings, paragraphs)),)
