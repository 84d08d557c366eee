"""All parts of a study of deep networks, each kept in a file of its own as it ends, and the table they become.

The table's head has `parts`, the specifications in order, and `data`, what was read; the arrays of the k-th part stand
under `k_` and their names, which are described where they are measured.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.parts import make_parts, part_facts, study_of
from wnsense.lab.studies.frame.store import Store, Tell
from wnsense.lab.studies.networks.image_source import Library
from wnsense.lab.studies.networks.specification import (
    CurvaturePart,
    KinkPart,
    NetworkStudy,
    Part,
    TrainingPart,
    part_key,
)
from wnsense.lab.studies.networks.start_measure import measure_curvature, measure_kinks
from wnsense.lab.studies.networks.training_measure import measure_training


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
    study, library = study_of(store, NetworkStudy, "deep networks"), Library(data)
    wanted = study.images(store.scale)
    finished = store.finished()
    if finished is not None:
        if data is not None:
            same = finished.header.get("data") == library.facts(wanted)
            advice = "name another directory with --out, or remove it to begin anew"
            require(same, f"{store.table} of the data in {data}", "one of other files", advice)
        return finished
    library.check(wanted)
    parts = study.parts(store.scale)

    def key(part: Part) -> str:
        return part_key(part, library.digest(part.sampling.images))

    made = make_parts(
        store,
        parts,
        tell,
        key=key,
        words=lambda part: part.words,
        facts=lambda part: {"part": part_facts(part)},
        make=lambda part: measure_part(part, library, store.checkpoint(key(part))),
    )
    facts = {"parts": [part_facts(part) for part in parts], "data": library.facts(wanted)}
    return store.finish(made.numbered(), facts, seconds=made.seconds, memory=made.memory)
