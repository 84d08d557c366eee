"""Trainings of the study of row lengths, by how the rows were changed."""

import numpy as np
from jaxtyping import Float

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.networks.specification import TrainingPart
from wnsense.lab.studies.networks.table import TrainingRuns, runs_of


def read_runs(table: Table) -> tuple[list[TrainingRuns], list[TrainingRuns]]:
    """Return the runs with rows set at the start, by length, and those with rows changed midway, by factor.

    Raises:
        InputError: If it is not a table of this study.
    """
    runs = runs_of(table, TrainingPart, "ratio")
    starts = sorted((run for run in runs if run.part.rescale_at == 0), key=row_length)
    midway = sorted((run for run in runs if run.part.rescale_at > 0), key=row_factor)
    require(starts and midway, "a table with rows set at the start and changed midway", "another", "run it again")
    return starts, midway


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
