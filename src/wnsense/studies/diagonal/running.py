"""All parts of a study of diagonal networks, each kept in a file of its own as it ends, and the table they become.

The table's head has `parts`, the specifications in order; the arrays of the k-th stand under `k_` and their names,
which are described where they are measured.
"""

import time
from collections.abc import Mapping

import numpy as np

from wnsense.checks import InputError
from wnsense.running.tables import Table
from wnsense.studies.diagonal.bounds import measure_bounds
from wnsense.studies.diagonal.discrete import measure_grid, measure_recovery
from wnsense.studies.diagonal.flows import measure_layers, measure_rate, measure_trajectory
from wnsense.studies.diagonal.specification import (
    BoundPart,
    DiagonalStudy,
    GridPart,
    LayersPart,
    Part,
    RatePart,
    RecoveryPart,
    TrajectoryPart,
    part_facts,
    part_key,
)
from wnsense.studies.store import Store, Tell


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
    if not isinstance(store.study, DiagonalStudy):
        raise InputError(f"needed a study of diagonal networks, got {store.study.name} of form {store.study.form}")
    finished = store.finished()
    if finished is not None:
        return finished
    store.prepare()
    parts = store.study.parts(store.scale)
    arrays: dict[str, np.ndarray] = {}
    seconds, memory = 0.0, 0
    for place, part in enumerate(parts):
        tell(part.words, place, len(parts))
        made = store.kept(part_key(part)) or _make(store, part)
        arrays |= {f"{place}_{name}": array for name, array in made.arrays.items() if name != "seconds"}
        seconds += float(made.arrays["seconds"][0])
        memory = max(memory, int(str(made.header["peak_memory"])))
    tell("merging", len(parts), len(parts))
    return store.finish(arrays, {"parts": [part_facts(part) for part in parts]}, seconds=seconds, memory=memory)


def _make(store: Store, part: Part) -> Table:
    begun = time.perf_counter()
    arrays = measure(part)
    spent = np.array([time.perf_counter() - begun])
    return store.keep(part_key(part), {**arrays, "seconds": spent}, {"part": part_facts(part)})
