"""Trainings of the study of learning rates, by kind of network."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.typed_table import TypedTable, entries_reader
from wnsense.lab.studies.networks.specification import TrainingPart
from wnsense.lab.studies.networks.table import WORDS, NetworkHead, NetworkKind, TrainingRuns, runs_of

PUBLISHED_RATE = 1e-3


def read_runs(table: Table) -> list[TrainingRuns]:
    """Return the trainings of a table, by increasing rate.

    Raises:
        InputError: If it is not a table of this study.
    """
    return sorted(runs_of(table, TrainingPart, "learning_rate"), key=lambda run: run.part.learning_rate)


def runs_by_kind(runs: Sequence[TrainingRuns]) -> Mapping[NetworkKind, list[TrainingRuns]]:
    """Return the trainings of each kind of network, in order."""
    kinds: dict[NetworkKind, list[TrainingRuns]] = {}
    for run in runs:
        kinds.setdefault(run.kind, []).append(run)
    return kinds


def final_loss(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return the training loss at the end, infinite for a run that diverged."""
    return np.where(np.isfinite(run.last("train_loss")), run.last("train_loss"), np.inf)


def absolute_rate(run: TrainingRuns) -> float:
    """Return the median over seeds of the learning rate, which is given in units of `1 / beta`."""
    return float(np.median(run.first("learning_rate")))


LearningRateTable = TypedTable[NetworkHead, TrainingRuns]
LEARNING_RATE_TABLES = entries_reader(NetworkHead, WORDS, read_runs)
