"""All parts of the study, each kept in a file of its own as it ends, and the one table that they become."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.exponents.measure import measure
from wnsense.lab.studies.exponents.specification import ExponentSpecification, Part, Sweep
from wnsense.lab.studies.frame.parts import make_parts
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.running.progress import ProgressCallback


def run_exponents(specification: ExponentSpecification, store: Store, progress: ProgressCallback) -> StudyResult:
    """Make every missing part of the study, and return the content of its table.

    Args:
        specification: Description of the study.
        store: Files of the study.
        progress: Callback for reports of progress.

    Raises:
        InputError: If files belong to another specification or version, or cannot be written.
        KeyboardInterrupt: If interrupted.
    """
    sweeps = specification.plan(store.scale)
    # Sweeps meet at the base point: each part once.
    parts = list(dict.fromkeys(part for sweep in sweeps for point in sweep.points for part in sweep.parts(point)))
    made = make_parts(
        store,
        parts,
        progress,
        key=lambda part: part.key,
        words=_words,
        facts=lambda part: {"part": asdict(part)},
        make=lambda part: _make(store, part),
    )
    arrays: dict[str, np.ndarray] = {}
    for place, sweep in enumerate(sweeps):
        arrays |= {f"{place}_{name}": column for name, column in _columns(sweep, made.tables).items()}
    told = {"sweeps": [_told(sweep) for sweep in sweeps]}
    return made.result(arrays, told)


def _make(store: Store, part: Part) -> dict[str, np.ndarray]:
    arrays, seconds = measure(part, store.checkpoint(part.key))
    return {**arrays, "seconds": np.array([seconds])}


def _words(part: Part) -> str:
    at = part.point
    where = "the population" if at.measurements is None else f"n = {at.measurements:,}"
    return f"m = {at.size}, r = {at.rank}, r_A = {at.true_rank}, kappa = {at.condition:g}, {where}"


def _columns(sweep: Sweep, made: Mapping[Part, Table]) -> dict[str, np.ndarray]:
    """(points, seeds) for every quantity."""
    names = ("burn_in", "contraction", "contraction_low", "contraction_high", "law")
    return {
        name: np.stack([np.concatenate([made[part].arrays[name] for part in sweep.parts(at)]) for at in sweep.points])
        for name in names
    }


def _told(sweep: Sweep) -> dict[str, object]:
    """What the table's head says of a sweep."""
    return {
        "varied": str(sweep.varied),
        "follows": sweep.follows,
        "sampled": sweep.is_sampled,
        "values": sweep.values,
        "points": [asdict(point) for point in sweep.points],
    }
