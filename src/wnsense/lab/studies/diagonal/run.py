"""All parts of a study of diagonal networks, each kept in a file of its own as it ends, and the table they become.

The table's head has `parts`, the specifications in order; the arrays of the k-th stand under `k_` and their names,
which are described where they are measured.
"""

from collections.abc import Mapping

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.bound_measure import measure_bounds
from wnsense.lab.studies.diagonal.descent_measure import measure_grid, measure_recovery
from wnsense.lab.studies.diagonal.flow_measure import measure_layers, measure_rate, measure_trajectory
from wnsense.lab.studies.diagonal.specification import (
    BoundPart,
    DiagonalStudy,
    GridPart,
    LayersPart,
    Part,
    RatePart,
    RecoveryPart,
    TrajectoryPart,
    part_key,
)
from wnsense.lab.studies.frame.parts import make_parts, part_facts, study_of
from wnsense.lab.studies.frame.store import Store, Tell


def measure(part: Part) -> Mapping[str, np.ndarray]:
    """What a part gives.

    Raises:
        KeyboardInterrupt: When interrupted.
    """
    match part:
        case RecoveryPart():
            return measure_recovery(part)
        case TrajectoryPart():
            return measure_trajectory(part)
        case BoundPart():
            return measure_bounds(part)
        case GridPart():
            return measure_grid(part)
        case RatePart():
            return measure_rate(part)
        case LayersPart():
            return measure_layers(part)


def run_parts(store: Store, tell: Tell = lambda *_: None) -> Table:
    """Make every part that has not been made, and merge all into the study's table.

    Args:
        store: Which study, how large, and where everything is kept.
        tell: Told of progress.

    Returns:
        The table that was written.

    Raises:
        InputError: When what is there is of another specification or version, or cannot be written.
        KeyboardInterrupt: When interrupted.
    """
    study = study_of(store, DiagonalStudy, "diagonal networks")
    finished = store.finished()
    if finished is not None:
        return finished
    parts = study.parts(store.scale)
    made = make_parts(
        store,
        parts,
        tell,
        key=part_key,
        words=lambda part: part.words,
        facts=lambda part: {"part": part_facts(part)},
        make=measure,
    )
    told = {"parts": [part_facts(part) for part in parts]}
    return store.finish(made.numbered(), told, seconds=made.seconds, memory=made.memory)
