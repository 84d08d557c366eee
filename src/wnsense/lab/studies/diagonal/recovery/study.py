"""The study as one object."""

from wnsense.lab.studies.diagonal.recovery.caption import findings, paragraphs
from wnsense.lab.studies.diagonal.recovery.cases import RECOVERY
from wnsense.lab.studies.diagonal.recovery.measure import measure_recovery, recovery_words
from wnsense.lab.studies.diagonal.recovery.picture import pictures
from wnsense.lab.studies.diagonal.recovery.specification import RecoveryPart
from wnsense.lab.studies.diagonal.recovery.table import RECOVERY_TABLES
from wnsense.lab.studies.diagonal.run import diagonal_study
from wnsense.lab.studies.frame.parts import NumberedSpecification
from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study


def recovery_study(specification: NumberedSpecification[RecoveryPart]) -> Study:
    """Return the study of a specification."""
    presentation = presented(RECOVERY_TABLES.read, pictures, findings, paragraphs)
    return diagonal_study(specification, recovery_words, measure_recovery, presentation)


STUDIES = (recovery_study(RECOVERY),)
