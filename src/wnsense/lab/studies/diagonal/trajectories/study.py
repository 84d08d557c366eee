"""The study as one object."""

from wnsense.lab.studies.diagonal.run import diagonal_study
from wnsense.lab.studies.diagonal.trajectories.caption import findings, paragraphs
from wnsense.lab.studies.diagonal.trajectories.cases import TRAJECTORIES
from wnsense.lab.studies.diagonal.trajectories.measure import measure_trajectory, trajectory_words
from wnsense.lab.studies.diagonal.trajectories.picture import pictures
from wnsense.lab.studies.diagonal.trajectories.specification import TrajectoryPart
from wnsense.lab.studies.diagonal.trajectories.table import TRAJECTORY_TABLES
from wnsense.lab.studies.frame.parts import NumberedSpecification
from wnsense.lab.studies.frame.presentation import presented
from wnsense.lab.studies.frame.study import Study


def trajectories_study(specification: NumberedSpecification[TrajectoryPart]) -> Study:
    """Return the study of a specification."""
    presentation = presented(TRAJECTORY_TABLES.read, pictures, findings, paragraphs)
    return diagonal_study(specification, trajectory_words, measure_trajectory, presentation)


STUDIES = (trajectories_study(TRAJECTORIES),)
