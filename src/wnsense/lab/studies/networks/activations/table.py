"""Second differences over kinks as the table of the study has them, and the look of each activation."""

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.studies.networks.specification import KinkPart, TrainingPart
from wnsense.lab.studies.networks.table import KinkRuns, TrainingRuns, runs_of
from wnsense.pages.style import Look

LOOKS = {
    "tanh": Look("tanh", "#0072B2", "-", "o"),
    "gelu": Look("GELU", "#009E73", "--", "s"),
    "silu": Look("SiLU", "#56B4E9", "--", "v"),
    "relu": Look("ReLU", "#D55E00", "-", "^"),
    "leaky_relu": Look("leaky ReLU", "#000000", ":", "D"),
}


def read_runs(table: Table) -> tuple[list[TrainingRuns], list[KinkRuns]]:
    """Return the trainings and the second differences of a table.

    Raises:
        InputError: If it is not a table of this study.
    """
    return runs_of(table, TrainingPart, "ratio"), runs_of(table, KinkPart, "differences")


def largest_difference(kink: KinkRuns) -> Float[np.ndarray, " distances"]:
    """Return the largest second difference over images and seeds, at each distance."""
    return np.asarray(kink.stack("differences").max(axis=(0, 1)))


def distances(kink: KinkRuns) -> Float[np.ndarray, " distances"]:
    """Return the distances `r` from the parameters."""
    return np.array(kink.part.distances, dtype=float)
