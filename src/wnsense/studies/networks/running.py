"""All parts of a study of deep networks, each kept in a file of its own as it ends, and the table they become.

The table's head has `parts`, the specifications in order, and `data`, what was read; the arrays of the k-th part stand
under `k_` and their names, which are described where they are measured.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wnsense.checks import InputError, require
from wnsense.running.tables import Table
from wnsense.studies.networks.images import Library
from wnsense.studies.networks.specification import (
    CurvaturePart,
    KinkPart,
    NetworkStudy,
    Part,
    TrainingPart,
    part_facts,
    part_key,
)
from wnsense.studies.networks.starting import measure_curvature, measure_kinks
from wnsense.studies.networks.training import measure_training
from wnsense.studies.store import Store, Tell


def measure_part(part: Part, library: Library, checkpoint: Path) -> Mapping[str, np.ndarray]:
    """What a part gives.

    Args:
        part: The part.
        library: Its images.
        checkpoint: Where it may be kept on its way.

    Raises:
        InputError: When there are fewer images than it wants.
        KeyboardInterrupt: When interrupted.
    """
    samples = library.samples(part.sampling)
    match part:
        case TrainingPart():
            return measure_training(part, samples, checkpoint)
        case CurvaturePart():
            return measure_curvature(part, samples)
        case KinkPart():
            return measure_kinks(part, samples)


def run_networks(store: Store, tell: Tell = lambda *_: None, data: Path | None = None) -> Table:
    """Make every part that has not been made, and merge all into the study's table.

    Args:
        store: Which study, how large, and where everything is kept.
        tell: Told of progress.
        data: The folder with images that no package has. Where the table is there already, it may be left out.

    Returns:
        The table that was written.

    Raises:
        InputError: When images are missing, or what is there is of another specification, version or data, or cannot be
            written.
        KeyboardInterrupt: When interrupted.
    """
    if not isinstance(store.study, NetworkStudy):
        raise InputError(f"needed a study of deep networks, got {store.study.name} of form {store.study.form}")
    study, library = store.study, Library(data)
    wanted = study.images(store.scale)
    finished = store.finished()
    if finished is not None:
        if data is not None:
            same = finished.header.get("data") == library.facts(wanted)
            advice = "name another directory with --out, or remove it to begin anew"
            require(same, f"{store.table} of the data in {data}", "one of other files", advice)
        return finished
    library.check(wanted)
    store.prepare()
    parts = study.parts(store.scale)
    arrays: dict[str, np.ndarray] = {}
    seconds, memory = 0.0, 0
    for place, part in enumerate(parts):
        tell(part.words, place, len(parts))
        key = part_key(part, library.digest(part.sampling.images))
        made = store.kept(key) or _make(store, part, key, library)
        arrays |= {f"{place}_{name}": array for name, array in made.arrays.items() if name != "seconds"}
        seconds += float(made.arrays["seconds"][0])
        memory = max(memory, int(str(made.header["peak_memory"])))
    tell("merging", len(parts), len(parts))
    facts = {"parts": [part_facts(part) for part in parts], "data": library.facts(wanted)}
    return store.finish(arrays, facts, seconds=seconds, memory=memory)


def _make(store: Store, part: Part, key: str, library: Library) -> Table:
    begun = time.perf_counter()
    arrays = measure_part(part, library, store.checkpoint(key))
    spent = np.array([time.perf_counter() - begun])
    return store.keep(key, {**arrays, "seconds": spent}, {"part": part_facts(part)})
