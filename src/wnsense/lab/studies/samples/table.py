"""Table of the study of sample sizes: smallest counts of measurements, and what was seen of the isometry."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.exponents.specification import Varied
from wnsense.lab.studies.frame.part_tables import required_array
from wnsense.lab.studies.frame.study_head import StudyHead, read_head
from wnsense.lab.studies.samples.specification import Recoverer, SampleCase
from wnsense.theory.convergence import TheoremSetting, gaussian_samples

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
class IsometryFacts:
    """Entry of the head for a search for the restricted isometry constant.

    Attributes:
        size: Side of the matrix, `m`.
        rank: Working rank, `r`.
        true_rank: True rank, `r_A`.
        condition: Condition number, `kappa`.
        count: Number of measurements, `n`.
        tried_rank: Largest rank of the search.
    """

    size: int
    rank: int
    true_rank: int
    condition: float
    count: int
    tried_rank: int

    @property
    def setting(self) -> TheoremSetting:
        """Variables of the theorem."""
        return TheoremSetting(self.size, self.rank, self.true_rank, self.condition)


@dataclass(frozen=True, kw_only=True)
class SampleHead(StudyHead):
    """Head of the table.

    Attributes:
        sweeps: Entries of the sweeps.
        isometries: Entries of the searches for the isometry constant.
        precision: Ratio of neighbouring counts.
    """

    sweeps: tuple[SampleSweepFacts, ...]
    isometries: tuple[IsometryFacts, ...]
    precision: float


@dataclass(frozen=True)
class CountSweep:
    """Smallest counts along a sweep.

    Attributes:
        facts: Entry of the head.
        counts: Smallest count of each seed by method, (cases, seeds); NaN if no tried count is enough.
    """

    facts: SampleSweepFacts
    counts: Mapping[Recoverer, Float[np.ndarray, "cases seeds"]]

    @property
    def values(self) -> Float[np.ndarray, " cases"]:
        """Values of the variable."""
        return np.array(self.facts.values, dtype=float)

    @property
    def limits(self) -> Float[np.ndarray, " cases"]:
        """Degrees of freedom, the least number of measurements."""
        return np.array(self.facts.limits, dtype=float)

    @property
    def bounds(self) -> Float[np.ndarray, " cases"]:
        """Number of measurements of the theorem with constant 1."""
        return np.array([gaussian_samples(case.setting, constant=1.0) for case in self.facts.cases])


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
class SampleTable:
    """Table of the study.

    Attributes:
        head: Head of the table.
        sweeps: Sweeps, in order.
        isometries: Searches for the isometry constant, in order.
    """

    head: SampleHead
    sweeps: tuple[CountSweep, ...]
    isometries: tuple[SeenIsometry, ...]

    @classmethod
    def of(cls, table: Table) -> "SampleTable":
        """Return the table of the study as typed values.

        Raises:
            InputError: If it is not a table of this study.
        """
        head = read_head(table, SampleHead, _WORDS)
        require(head.sweeps, f"the table of a study of {_WORDS}", "one without sweeps")
        sweeps = tuple(
            CountSweep(facts, {name: required_array(table, _WORDS, f"{place}_{name}") for name in facts.recoverers})
            for place, facts in enumerate(head.sweeps)
        )
        deltas = required_array(table, _WORDS, "isometry").tolist()
        isometries = tuple(SeenIsometry(facts, delta) for facts, delta in zip(head.isometries, deltas, strict=True))
        return cls(head, sweeps, isometries)
