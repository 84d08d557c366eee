"""Trainings of the study of learning rates, by kind of network."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.studies.networks.specification import TrainingPart
from wnsense.lab.studies.networks.table import NetworkKind, TrainingRuns, runs_of

PUBLISHED_RATE = 1e-3


def runs_by_kind(table: Table) -> Mapping[NetworkKind, list[TrainingRuns]]:
    """Return the trainings of each kind of network, by increasing rate.

    Raises:
        InputError: If it is not a table of this study.
    """
    kinds: dict[NetworkKind, list[TrainingRuns]] = {}
    runs = runs_of(table, TrainingPart, "learning_rate")
    for run in sorted(runs, key=lambda run: run.part.learning_rate):
        kinds.setdefault(run.kind, []).append(run)
    return kinds


def final_loss(run: TrainingRuns) -> Float[np.ndarray, " seeds"]:
    """Return the training loss at the end, infinite for a run that diverged."""
    return np.where(np.isfinite(run.last("train_loss")), run.last("train_loss"), np.inf)


def absolute_rate(run: TrainingRuns) -> float:
    """Return the median over seeds of the learning rate, which is given in units of `1 / beta`."""
    return float(np.median(run.first("learning_rate")))
