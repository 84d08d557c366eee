"""Table of the study, run by run."""

from collections.abc import Sequence
from typing import TypeAlias

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.sparse_drawing import Rate
from wnsense.lab.studies.diagonal.table import WORDS, parts_of
from wnsense.lab.studies.diagonal.trajectories.specification import TrajectoryPart
from wnsense.lab.studies.frame.part_tables import MeasuredPart
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import TypedTable, entries_reader

Trajectory: TypeAlias = MeasuredPart[TrajectoryPart]
# Error to which a conserved quantity must hold.
CONSERVED = 1e-8


def runs_of(table: Table) -> list[Trajectory]:
    """Return the runs of a table.

    Raises:
        InputError: If it is not a table of this study.
    """
    return parts_of(table, TrajectoryPart, "drift")


def depths_of(runs: Sequence[Trajectory]) -> list[int]:
    """Return the depths, ascending."""
    return sorted({run.part.depth for run in runs})


def ratios_of(runs: Sequence[Trajectory]) -> list[Rate]:
    """Return the ratios in the order of the table: plain first, then from large to small."""
    return list(dict.fromkeys(run.part.ratio for run in runs))


TrajectoryTable = TypedTable[StudyHead, Trajectory]
TRAJECTORY_TABLES = entries_reader(StudyHead, WORDS, runs_of)
