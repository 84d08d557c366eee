"""Parts of the study of exponents, each stored in its own file as it ends, and the table of all of them."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.exponents.measure import measure
from wnsense.lab.studies.exponents.specification import (
    ExponentPart,
    ExponentSpecification,
    ExponentSweep,
    exponent_part_key,
)
from wnsense.lab.studies.frame.parts import PartWork, make_parts
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.running.progress import ProgressCallback


def run_exponents(specification: ExponentSpecification, store: Store, progress: ProgressCallback) -> StudyResult:
    """Make every missing part of the study of exponents and return the content of its table, as `Study` describes."""
    sweeps = specification.plan(store.scale)
    # Sweeps share the base point, whose parts are made once.
    parts = list(dict.fromkeys(part for sweep in sweeps for point in sweep.points for part in sweep.parts(point)))
    work = PartWork(exponent_part_key, _words, lambda part: {"part": asdict(part)}, lambda part: _make(store, part))
    made = make_parts(store, parts, progress, work)
    arrays: dict[str, np.ndarray] = {}
    for place, sweep in enumerate(sweeps):
        arrays |= {f"{place}_{name}": column for name, column in _columns(sweep, made.tables).items()}
    return made.result(arrays, {"sweeps": [_head_entry(sweep) for sweep in sweeps]})


def _make(store: Store, part: ExponentPart) -> dict[str, np.ndarray]:
    arrays, seconds = measure(part, store.checkpoint(exponent_part_key(part)))
    return {**arrays, "seconds": np.array([seconds])}


def _words(part: ExponentPart) -> str:
    point = part.point
    where = "the population" if point.measurements is None else f"n = {point.measurements:,}"
    return f"m = {point.size}, r = {point.rank}, r_A = {point.true_rank}, kappa = {point.condition:g}, {where}"


def _columns(sweep: ExponentSweep, tables: Mapping[ExponentPart, Table]) -> dict[str, np.ndarray]:
    """Return the arrays of a sweep, (points, seeds) for each quantity."""
    names = ("burn_in", "contraction", "contraction_low", "contraction_high", "law")
    return {
        name: np.stack(
            [np.concatenate([tables[part].arrays[name] for part in sweep.parts(point)]) for point in sweep.points]
        )
        for name in names
    }


def _head_entry(sweep: ExponentSweep) -> dict[str, object]:
    """Return the entry of the table's head, as `ExponentSweepFacts` reads it."""
    return {
        "varied": str(sweep.varied),
        "follows": sweep.follows,
        "sampled": sweep.is_sampled,
        "values": sweep.values,
        "points": [asdict(point) for point in sweep.points],
    }
