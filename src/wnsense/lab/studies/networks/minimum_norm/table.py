"""Trainings of the study of row lengths, by how the rows were changed."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.typed_table import TableReader, TypedTable
from wnsense.lab.studies.networks.specification import TrainingPart
from wnsense.lab.studies.networks.table import WORDS, NetworkHead, TrainingRuns, runs_of


@dataclass(frozen=True)
class RowLengthTable(TypedTable[NetworkHead, TrainingRuns]):
    """Table of the study; its entries are the runs with rows set at the start, by length.

    Attributes:
        midway: Runs with rows changed midway, by factor.
    """

    midway: tuple[TrainingRuns, ...]


def _row_length_table(head: NetworkHead, table: Table) -> RowLengthTable:
    runs = runs_of(table, TrainingPart, "ratio")
    starts = sorted((run for run in runs if run.part.rescale_at == 0), key=row_length)
    midway = sorted((run for run in runs if run.part.rescale_at > 0), key=row_factor)
    require(starts and midway, "a table with rows set at the start and changed midway", "another", "run it again")
    return RowLengthTable(head, tuple(starts), tuple(midway))


def row_length(run: TrainingRuns) -> float:
    """Return the length of all rows at the start; NaN if the study does not set it."""
    return np.nan if run.part.row_norm is None else run.part.row_norm


def row_factor(run: TrainingRuns) -> float:
    """Return the factor by which rows were multiplied midway."""
    return run.part.rescale_by


def convexity_quotient(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return the quotient of the two terms of `alpha` at the start, the one that adds over the one that takes away."""
    gain = run.part.cosine**2 / 2 * run.first("gradient_to_loss")
    slope, loss = run.first("output_slope"), np.sqrt(run.first("loss"))
    return np.asarray(gain / (2 * run.first("output_curvature") * (slope * run.part.distance + loss)))


ROW_LENGTH_TABLES = TableReader(NetworkHead, WORDS, _row_length_table)
