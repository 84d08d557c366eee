"""Every study, with what runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wnsense.running.tables import Table
from wnsense.studies.diagonal.catalogue import DIAGONAL_STUDIES
from wnsense.studies.diagonal.running import run_parts
from wnsense.studies.exponents.catalogue import EXPONENTS_STUDY
from wnsense.studies.exponents.running import run_exponents
from wnsense.studies.images.catalogue import FIGURE_4
from wnsense.studies.images.running import run_images
from wnsense.studies.learning.catalogue import FIGURE_1
from wnsense.studies.learning.running import run_learning
from wnsense.studies.networks.catalogue import NETWORK_STUDIES
from wnsense.studies.networks.running import run_networks
from wnsense.studies.paper.beyond import BEYOND_STUDIES
from wnsense.studies.paper.catalogue import CURVE_STUDIES
from wnsense.studies.paper.running import run_curves
from wnsense.studies.rates.catalogue import TABLE_1_STUDY
from wnsense.studies.rates.running import run_rates
from wnsense.studies.samples.catalogue import SAMPLES_STUDY
from wnsense.studies.samples.running import run_samples
from wnsense.studies.store import Specification, Store, Tell


@dataclass(frozen=True)
class Entry:
    """A study and how its table is made.

    Attributes:
        study: What it is.
        run: Makes every part that has not been made, and the table of all; goes on from whatever is there.
        run_on: The same on data in a folder that the user names; None for what needs none.
    """

    study: Specification
    run: Callable[[Store, Tell], Table]
    run_on: Callable[[Store, Tell, Path], Table] | None = None


def _run_curves(store: Store, tell: Tell) -> Table:
    return run_curves(store, tell=tell)


STUDIES: Mapping[str, Entry] = {
    FIGURE_1.name: Entry(FIGURE_1, run_learning),
    FIGURE_4.name: Entry(FIGURE_4, run_images),
    **{study.name: Entry(study, _run_curves) for study in (*CURVE_STUDIES.values(), *BEYOND_STUDIES.values())},
    TABLE_1_STUDY.name: Entry(TABLE_1_STUDY, run_rates),
    EXPONENTS_STUDY.name: Entry(EXPONENTS_STUDY, run_exponents),
    SAMPLES_STUDY.name: Entry(SAMPLES_STUDY, run_samples),
    **{study.name: Entry(study, run_parts) for study in DIAGONAL_STUDIES.values()},
    **{study.name: Entry(study, run_networks, run_networks) for study in NETWORK_STUDIES.values()},
}
