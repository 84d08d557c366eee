"""Trainings of the study by images, and the two terms of `alpha`."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.typed_table import TypedTable, entries_reader
from wnsense.lab.studies.networks.specification import TrainingPart
from wnsense.lab.studies.networks.table import WORDS, NetworkHead, TrainingRuns, runs_of


def read_runs(table: Table) -> list[TrainingRuns]:
    """Return the trainings of a table.

    Raises:
        InputError: If it is not a table of this study.
    """
    return runs_of(table, TrainingPart, "ratio")


def image_names(runs: Sequence[TrainingRuns]) -> list[str]:
    """Return the names of the sets of images, each once."""
    return list(dict.fromkeys(str(run.part.sampling.images) for run in runs))


def gain_term(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return `(kappa_c^2 / 2) ||grad L||^2 / L` at the end, the term that adds to `alpha`."""
    return np.asarray(run.part.cosine**2 / 2 * run.last("gradient_to_loss"))


def loss_term(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return `2 ||grad^2 f|| (||grad f|| R + sqrt(L))` at the end, the term that takes away from `alpha`."""
    apart = run.last("output_slope") * run.part.distance + np.sqrt(run.last("loss"))
    return np.asarray(2 * run.last("output_curvature") * apart)


TrainingTable = TypedTable[NetworkHead, TrainingRuns]
TRAINING_TABLES = entries_reader(NetworkHead, WORDS, read_runs)
