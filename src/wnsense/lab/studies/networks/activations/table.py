"""Second differences over kinks as the table of the study has them, and the look of each activation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.typed_table import TableReader, TypedTable
from wnsense.lab.studies.networks.specification import KinkPart, TrainingPart
from wnsense.lab.studies.networks.table import WORDS, KinkRuns, NetworkHead, TrainingRuns, runs_of
from wnsense.pages.style import Look

LOOKS = {
    "tanh": Look("tanh", "#0072B2", "-", "o"),
    "gelu": Look("GELU", "#009E73", "--", "s"),
    "silu": Look("SiLU", "#56B4E9", "--", "v"),
    "relu": Look("ReLU", "#D55E00", "-", "^"),
    "leaky_relu": Look("leaky ReLU", "#000000", ":", "D"),
}


@dataclass(frozen=True)
class ActivationTable(TypedTable[NetworkHead, TrainingRuns]):
    """Table of the study; its entries are the trainings.

    Attributes:
        kinks: Second differences over kinks.
    """

    kinks: tuple[KinkRuns, ...]


def _activation_table(head: NetworkHead, table: Table) -> ActivationTable:
    trainings, kinks = runs_of(table, TrainingPart, "ratio"), runs_of(table, KinkPart, "differences")
    return ActivationTable(head, tuple(trainings), tuple(kinks))


def largest_difference(kink: KinkRuns) -> Float[np.ndarray, " distances"]:
    """Return the largest second difference over images and seeds, at each distance."""
    return np.asarray(kink.stack("differences").max(axis=(0, 1)))


def distances(kink: KinkRuns) -> Float[np.ndarray, " distances"]:
    """Return the distances `r` from the parameters."""
    return np.array(kink.part.distances, dtype=float)


ACTIVATION_TABLES = TableReader(NetworkHead, WORDS, _activation_table)
