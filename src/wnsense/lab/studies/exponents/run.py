"""All parts of the study, each kept in a file of its own as it ends, and the one table that they become."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.exponents.measure import measure
from wnsense.lab.studies.exponents.specification import ExponentStudy, Part, Sweep
from wnsense.lab.studies.frame.parts import make_parts, study_of
from wnsense.lab.studies.frame.store import Store, Tell


def run_exponents(store: Store, tell: Tell = lambda *_: None) -> Table:
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
    study = study_of(store, ExponentStudy, "exponents")
    finished = store.finished()
    if finished is not None:
        return finished
    sweeps = study.sweeps(store.scale)
    # Sweeps meet at the base point: each part once.
    parts = list(dict.fromkeys(part for sweep in sweeps for point in sweep.points for part in sweep.parts(point)))
    made = make_parts(
        store,
        parts,
        tell,
        key=lambda part: part.key,
        words=_words,
        facts=lambda part: {"part": asdict(part)},
        make=lambda part: _make(store, part),
    )
    arrays: dict[str, np.ndarray] = {}
    for place, sweep in enumerate(sweeps):
        arrays |= {f"{place}_{name}": column for name, column in _columns(sweep, made.tables).items()}
    told = {"sweeps": [_told(sweep) for sweep in sweeps]}
    return store.finish(arrays, told, seconds=made.seconds, memory=made.memory)


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
