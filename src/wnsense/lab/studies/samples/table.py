"""Table of the study of sample sizes: smallest counts of measurements, and what was seen of the isometry."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.part_tables import required_array
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import NonEmpty, TableReader, TypedTable
from wnsense.lab.studies.samples.specification import Recoverer, SampleCase
from wnsense.lab.studies.theorem_cases import TheoremCase, Varied
from wnsense.theory.convergence import gaussian_samples

_WORDS = "samples"
NAMES: Mapping[Recoverer, str] = {Recoverer.WN: "WN, Algorithm 1", Recoverer.RECOVER: "recover()"}


@dataclass(frozen=True)
class SampleSweepFacts:
    """Entry of the head for a sweep.

    Attributes:
        varied: Variable of the sweep.
        values: Values of the variable, by case.
        cases: Cases.
        limits: Degrees of freedom of the matrix, by case.
        recoverers: Methods.
    """

    varied: Varied
    values: tuple[float, ...]
    cases: tuple[SampleCase, ...]
    limits: tuple[float, ...]
    recoverers: tuple[Recoverer, ...]


@dataclass(frozen=True)
class IsometryFacts(TheoremCase):
    """Entry of the head for a search for the restricted isometry constant.

    Attributes:
        count: Number of measurements, `n`.
        tried_rank: Largest rank of the search.
    """

    count: int
    tried_rank: int


@dataclass(frozen=True, kw_only=True)
class SampleHead(StudyHead):
    """Head of the table.

    Attributes:
        sweeps: Entries of the sweeps.
        isometries: Entries of the searches for the isometry constant.
        precision: Ratio of neighbouring counts.
    """

    sweeps: NonEmpty[SampleSweepFacts]
    isometries: tuple[IsometryFacts, ...]
    precision: float


@dataclass(frozen=True)
class CountSweep:
    """Smallest counts along a sweep.

    Attributes:
        facts: Entry of the head.
        values: Values of the variable, (cases,).
        limits: Degrees of freedom, the least number of measurements, (cases,).
        bounds: Number of measurements of the theorem with constant 1, (cases,).
        counts: Smallest count of each seed by method, (cases, seeds); NaN if no tried count is enough.
    """

    facts: SampleSweepFacts
    values: Float[np.ndarray, " cases"]
    limits: Float[np.ndarray, " cases"]
    bounds: Float[np.ndarray, " cases"]
    counts: Mapping[Recoverer, Float[np.ndarray, "cases seeds"]]


@dataclass(frozen=True)
class SeenIsometry:
    """Result of a search for the restricted isometry constant.

    Attributes:
        facts: Entry of the head.
        delta: Lower bound of the constant that the search found.
    """

    facts: IsometryFacts
    delta: float


@dataclass(frozen=True)
class SampleTable(TypedTable[SampleHead, CountSweep]):
    """Table of the study of sample sizes; its entries are the sweeps.

    Attributes:
        isometries: Searches for the isometry constant, in order.
    """

    isometries: tuple[SeenIsometry, ...]


def _sample_table(head: SampleHead, table: Table) -> SampleTable:
    sweeps = tuple(_count_sweep(place, facts, table) for place, facts in enumerate(head.sweeps))
    deltas = required_array(table, _WORDS, "isometry").tolist()
    isometries = tuple(SeenIsometry(facts, delta) for facts, delta in zip(head.isometries, deltas, strict=True))
    return SampleTable(head, sweeps, isometries)


def _count_sweep(place: int, facts: SampleSweepFacts, table: Table) -> CountSweep:
    return CountSweep(
        facts,
        values=np.array(facts.values, dtype=float),
        limits=np.array(facts.limits, dtype=float),
        bounds=np.array([gaussian_samples(case.setting, constant=1.0) for case in facts.cases]),
        counts={name: required_array(table, _WORDS, f"{place}_{name}") for name in facts.recoverers},
    )


SAMPLE_TABLES = TableReader(SampleHead, _WORDS, _sample_table)
