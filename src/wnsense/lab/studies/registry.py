"""Every study, with what runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wnsense.files.tables import Table
from wnsense.lab.studies.curves.beyond import BEYOND_STUDIES
from wnsense.lab.studies.curves.cases import CURVE_STUDIES
from wnsense.lab.studies.curves.run import run_curves
from wnsense.lab.studies.diagonal.cases import DIAGONAL_STUDIES
from wnsense.lab.studies.diagonal.run import run_parts
from wnsense.lab.studies.exponents.cases import EXPONENTS_STUDY
from wnsense.lab.studies.exponents.run import run_exponents
from wnsense.lab.studies.frame.store import Specification, Store, Tell
from wnsense.lab.studies.images.cases import FIGURE_4
from wnsense.lab.studies.images.run import run_images
from wnsense.lab.studies.learning.cases import FIGURE_1
from wnsense.lab.studies.learning.run import run_learning
from wnsense.lab.studies.networks.cases import NETWORK_STUDIES
from wnsense.lab.studies.networks.run import run_networks
from wnsense.lab.studies.rates.cases import TABLE_1_STUDY
from wnsense.lab.studies.rates.run import run_rates
from wnsense.lab.studies.samples.cases import SAMPLES_STUDY
from wnsense.lab.studies.samples.run import run_samples


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
