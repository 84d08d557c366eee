"""All parts of a study of diagonal networks, each kept in a file of its own as it ends, and the table they become.

The table's head has `parts`, the specifications in order; the arrays of the k-th stand under `k_` and their names,
which are described where they are measured.
"""

from collections.abc import Mapping

import numpy as np

from wnsense.lab.studies.diagonal.bound_measure import measure_bounds
from wnsense.lab.studies.diagonal.descent_measure import measure_grid, measure_recovery
from wnsense.lab.studies.diagonal.flow_measure import measure_layers, measure_rate, measure_trajectory
from wnsense.lab.studies.diagonal.specification import (
    BoundPart,
    DiagonalSpecification,
    GridPart,
    LayersPart,
    Part,
    RatePart,
    RecoveryPart,
    TrajectoryPart,
    part_key,
)
from wnsense.lab.studies.frame.parts import make_parts, part_facts
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.running.progress import ProgressCallback


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


def run_diagonal(specification: DiagonalSpecification, store: Store, progress: ProgressCallback) -> StudyResult:
    """Make every missing part of the study, and return the content of its table.

    Args:
        specification: Description of the study.
        store: Files of the study.
        progress: Callback for reports of progress.

    Raises:
        InputError: If files belong to another specification or version, or cannot be written.
        KeyboardInterrupt: If interrupted.
    """
    parts = specification.plan(store.scale)
    made = make_parts(
        store,
        parts,
        progress,
        key=part_key,
        words=lambda part: part.words,
        facts=lambda part: {"part": part_facts(part)},
        make=measure,
    )
    told = {"parts": [part_facts(part) for part in parts]}
    return made.result(made.numbered(), told)
