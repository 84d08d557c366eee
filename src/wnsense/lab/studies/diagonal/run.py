"""Parts of a study of diagonal networks, each kept in its own file as it ends, and the table of all.

The table's head has `parts`, the specifications in order. The arrays of the k-th part are named `k_` and their name in
the docstring of the function that measures them.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import numpy as np

from wnsense.lab.studies.diagonal.specification import DiagonalSpecification, WordedPart, part_key
from wnsense.lab.studies.frame.parts import make_parts, part_facts
from wnsense.lab.studies.frame.presentation import Presentation
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.frame.study import Study
from wnsense.running.progress import ProgressCallback

Part = TypeVar("Part", bound=WordedPart)
PartMeasure = Callable[[Part], Mapping[str, np.ndarray]]


def diagonal_study(
    specification: DiagonalSpecification[Part], measure: PartMeasure[Part], presentation: Presentation
) -> Study:
    """Return a study of diagonal networks.

    Args:
        specification: Description of the study.
        measure: Returns the arrays of a part.
        presentation: Pictures and findings of the table.
    """
    return Study(specification, partial(run_parts, specification, measure), presentation)


def run_parts(
    specification: DiagonalSpecification[Part], measure: PartMeasure[Part], store: Store, progress: ProgressCallback
) -> StudyResult:
    """Make every missing part of the study, and return the content of its table.

    Args:
        specification: Description of the study.
        measure: Returns the arrays of a part.
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
    return made.result(made.numbered(), {"parts": [part_facts(part) for part in parts]})
