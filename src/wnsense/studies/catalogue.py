"""Every study, with what runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wnsense.running.tables import Table
from wnsense.studies.images.catalogue import FIGURE_4
from wnsense.studies.images.running import run_images
from wnsense.studies.learning.catalogue import FIGURE_1
from wnsense.studies.learning.running import run_learning
from wnsense.studies.paper.catalogue import CURVE_STUDIES
from wnsense.studies.paper.running import run_curves
from wnsense.studies.store import Specification, Store, Tell


@dataclass(frozen=True)
class Entry:
    """A study and how its table is made.

    Attributes:
        study: What it is.
        run: Makes every part that has not been made, and the table of all; goes on from whatever is there.
    """

    study: Specification
    run: Callable[[Store, Tell], Table]


def _run_curves(store: Store, tell: Tell) -> Table:
    return run_curves(store, tell=tell)


STUDIES: Mapping[str, Entry] = {
    FIGURE_1.name: Entry(FIGURE_1, run_learning),
    FIGURE_4.name: Entry(FIGURE_4, run_images),
    **{study.name: Entry(study, _run_curves) for study in CURVE_STUDIES.values()},
}
