"""Parts of a study of deep networks, each stored in its own file as it ends, and the table of all of them.

The head of the table has `parts`, the specifications in order, and `data`, the images. The names of the arrays of the
k-th part begin with `k_`; the modules that measure describe them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.parts import PartWork, make_parts, numbered_result, part_entry
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.networks.image_source import ImageSource
from wnsense.lab.studies.networks.specification import (
    CurvaturePart,
    KinkPart,
    NetworkSpecification,
    Part,
    TrainingPart,
    part_key,
)
from wnsense.lab.studies.networks.start_measure import measure_curvature, measure_kinks
from wnsense.lab.studies.networks.training_measure import measure_training
from wnsense.running.progress import ProgressCallback


def measure_part(part: Part, source: ImageSource, checkpoint: Path) -> Mapping[str, np.ndarray]:
    """Return the arrays of a part.

    Args:
        part: Specification of the part.
        source: Source of the images.
        checkpoint: File of its checkpoints.

    Raises:
        InputError: If there are too few images.
        KeyboardInterrupt: If interrupted.
    """
    samples = source.samples(part.sampling)
    match part:
        case TrainingPart():
            return measure_training(part, samples, checkpoint)
        case CurvaturePart():
            return measure_curvature(part, samples)
        case KinkPart():
            return measure_kinks(part, samples)


def part_words(part: Part) -> str:
    """Return a part in words, for reports of progress."""
    match part:
        case TrainingPart():
            task = f"training on {part.sampling.images}"
        case CurvaturePart():
            task = "curvature"
        case KinkPart():
            task = "second differences"
    design = part.design
    kind = "WN" if design.normalized else "no WN"
    return f"{task}, {kind}, {design.activation}, m = {design.width}, L = {design.depth}, seed {part.seed}"


def require_same_data(specification: NetworkSpecification, data: Path, store: Store, table: Table) -> None:
    """Check that a finished table was made from the images in a folder.

    Args:
        specification: Description of the study.
        data: Folder with images.
        store: Files of the study.
        table: Finished table.

    Raises:
        InputError: If images are missing, or the table was made from other files.
    """
    same = table.header.get("data") == ImageSource(data).facts(specification.images(store.scale))
    advice = "name another directory with --out, or remove it to begin anew"
    require(same, f"{store.table} of the data in {data}", "one of other files", advice)


def run_networks(
    specification: NetworkSpecification, data: Path | None, store: Store, progress: ProgressCallback
) -> StudyResult:
    """Make every missing part of the study, and return the content of its table.

    Args:
        specification: Description of the study.
        data: Folder with images that no package has.
        store: Files of the study.
        progress: Callback for reports of progress.

    Raises:
        InputError: If images are missing, or files belong to another specification or version, or cannot be written.
        KeyboardInterrupt: If interrupted.
    """
    source, images = ImageSource(data), specification.images(store.scale)
    source.check(images)

    def key(part: Part) -> str:
        return part_key(part, source.digest(part.sampling.images))

    def make(part: Part) -> Mapping[str, np.ndarray]:
        return measure_part(part, source, store.checkpoint(key(part)))

    work = PartWork(key, part_words, part_entry, make)
    made = make_parts(store, specification.plan(store.scale), progress, work)
    return numbered_result(made, {"data": source.facts(images)})
