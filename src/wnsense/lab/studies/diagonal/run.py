"""Study of diagonal networks as one object, from its specification, its measurement and its presentation."""

from collections.abc import Callable, Mapping

import numpy as np

from wnsense.lab.studies.frame.parts import (
    Numbered,
    NumberedSpecification,
    PartWork,
    make_parts,
    numbered_result,
    part_entry,
)
from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.specification import file_key
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.frame.study import Study
from wnsense.running.progress import ProgressCallback


def diagonal_study(
    specification: NumberedSpecification[Numbered],
    words: Callable[[Numbered], str],
    measure: Callable[[Numbered], Mapping[str, np.ndarray]],
    presentation: Presentation,
) -> Study:
    """Return a study of diagonal networks.

    Args:
        specification: Description of the study.
        words: Returns a part in words, for reports of progress.
        measure: Returns the arrays of a part.
        presentation: Pictures and findings of the table.
    """

    def run(store: Store, progress: ProgressCallback) -> StudyResult:
        work = PartWork(part_key, words, part_entry, measure)
        return numbered_result(make_parts(store, specification.plan(store.scale), progress, work), {})

    return Study(specification, run, presentation)


def part_key(part: object) -> str:
    """Return the name of a part's file, equal for equal parts in every process and different for different ones."""
    return file_key(type(part).__name__, part)
