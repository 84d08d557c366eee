"""Study of learning rates as one object."""

from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.networks.network_study import network_study
from wnsense.lab.studies.networks.rates.caption import findings, paragraphs
from wnsense.lab.studies.networks.rates.cases import RATES
from wnsense.lab.studies.networks.rates.picture import pictures

STUDIES = (network_study(RATES, Presentation(pictures, findings, paragraphs)),)
