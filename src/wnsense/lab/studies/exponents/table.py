"""Table of the study of exponents: each sweep's measured power beside those of the theorem and of the law of escape."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.analysis.scaling import PowerLaw, fit_power_law, log_slope
from wnsense.lab.studies.exponents.specification import Point
from wnsense.lab.studies.frame.part_tables import required_array
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import NonEmpty, TableReader, TypedTable
from wnsense.lab.studies.theorem_cases import Varied
from wnsense.theory.convergence import EXPONENTS, Quantity
from wnsense.theory.step_size_form import burn_in_at, contraction_at

# The measured quantities; the theorem bounds the first from above and the second from below.
MEASURED = (Quantity.BURN_IN, Quantity.CONTRACTION)
_WORDS = "exponents"
# Exponents that differ by less count as equal: grids are short, and powers are limits.
_SAME = 0.25


@dataclass(frozen=True)
class ExponentSweepFacts:
    """Entry of the head for a sweep.

    Attributes:
        varied: Variable of the sweep.
        follows: True if `eta` is that of the theorem, up to a constant.
        sampled: True if there are measurements; False for the population.
        values: Values of the variable, by point.
        points: Points.
    """

    varied: Varied
    follows: bool
    sampled: bool
    values: tuple[float, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class ExponentHead(StudyHead):
    """Head of the table; `sweeps` are the entries of the sweeps."""

    sweeps: NonEmpty[ExponentSweepFacts]


@dataclass(frozen=True)
class SweepTable:
    """Measurements along a sweep.

    Attributes:
        facts: Entry of the head.
        burn_in: Burn-in in steps, (points, seeds).
        contraction: Part by which the error falls in a step, (points, seeds).
        law: Burn-in by the law of escape for each start, at least 1, (points, seeds).
    """

    facts: ExponentSweepFacts
    burn_in: Float[np.ndarray, "points seeds"]
    contraction: Float[np.ndarray, "points seeds"]
    law: Float[np.ndarray, "points seeds"]

    @property
    def values(self) -> Float[np.ndarray, " points"]:
        """Values of the variable."""
        return np.array(self.facts.values, dtype=float)

    @property
    def where(self) -> str:
        """Text of the regime."""
        regime = "Gaussian measurements" if self.facts.sampled else "population"
        if self.facts.varied is Varied.STEP_SIZE:
            return regime
        return f"{regime}, eta {'as the theorem asks' if self.facts.follows else 'held'}"

    def column(self, quantity: Quantity) -> Float[np.ndarray, "points seeds"]:
        """Return the measurements of a quantity."""
        return self.burn_in if quantity is Quantity.BURN_IN else self.contraction

    def measured(self, quantity: Quantity) -> PowerLaw:
        """Return the measured power of a quantity."""
        return fit_power_law(self.values, self.column(quantity))

    def bound(self, quantity: Quantity) -> Float[np.ndarray, " points"]:
        """Return the theorem's bound with constant 1 at the `eta` that was used."""
        form = burn_in_at if quantity is Quantity.BURN_IN else contraction_at
        return np.array([form(point.setting, point.step_size, constant=1.0) for point in self.facts.points])

    def bound_exponent(self, quantity: Quantity) -> float:
        """Return the least-squares slope of the bound over the points of the sweep."""
        return log_slope(self.values, self.bound(quantity))

    def stated_exponent(self, quantity: Quantity) -> float:
        """Return the slope of the theorem's statement at its own `eta`; NaN if `eta` is the variable."""
        if self.facts.varied is Varied.STEP_SIZE:
            return math.nan
        shapes = np.array([EXPONENTS[quantity].shape(point.setting) for point in self.facts.points])
        return log_slope(self.values, shapes)

    def law_exponent(self, quantity: Quantity) -> float:
        """Return the slope of the law of escape for the same starts; for the rate, that of `eta / kappa^2`."""
        if quantity is Quantity.CONTRACTION:
            return self.bound_exponent(quantity)
        return fit_power_law(self.values, self.law).exponent

    def ratio(self, quantity: Quantity) -> Float[np.ndarray, " points"]:
        """Return the factor by which the bound with constant 1 is worse than the median of the measurements."""
        median = np.nanmedian(self.column(quantity), axis=1)
        ratio: np.ndarray = self.bound(quantity) / median
        return ratio if quantity is Quantity.BURN_IN else 1 / ratio

    def slack(self, quantity: Quantity) -> float:
        """Return the orders of magnitude that the bound loses along the sweep, whatever its constant is."""
        logs = np.log10(self.ratio(quantity))
        return float(logs.max() - logs.min())

    def is_tight(self, quantity: Quantity) -> bool:
        """Return True if the measured exponent and that of the bound are the same."""
        law, bound = self.measured(quantity), self.bound_exponent(quantity)
        return law.contains(bound) or abs(law.exponent - bound) <= _SAME


@dataclass(frozen=True)
class ExponentTable(TypedTable[ExponentHead, SweepTable]):
    """Table of the study of exponents."""

    def group(self, *, follows: bool, sampled: bool) -> list[SweepTable]:
        """Return the sweeps of a regime; the sweep of `eta` itself is among those that hold it."""
        return [sweep for sweep in self.entries if (sweep.facts.follows, sweep.facts.sampled) == (follows, sampled)]

    def with_law(self) -> tuple[Float[np.ndarray, " starts"], Float[np.ndarray, " starts"]]:
        """Return the law of escape and the measured burn-in, start by start in the population."""
        population = [sweep for sweep in self.entries if not sweep.facts.sampled]
        law = np.concatenate([sweep.law.ravel() for sweep in population])
        burn_in = np.concatenate([sweep.burn_in.ravel() for sweep in population])
        finite = np.isfinite(burn_in)
        return law[finite], burn_in[finite]


def _exponent_table(head: ExponentHead, table: Table) -> ExponentTable:
    return ExponentTable(head, tuple(_sweep(table, place, facts) for place, facts in enumerate(head.sweeps)))


def _sweep(table: Table, place: int, facts: ExponentSweepFacts) -> SweepTable:
    burn_in, contraction, law = (
        required_array(table, _WORDS, f"{place}_{name}") for name in ("burn_in", "contraction", "law")
    )
    # A start that is aligned already needs a step all the same.
    return SweepTable(facts, burn_in, contraction, np.maximum(law, 1.0))


EXPONENT_TABLES = TableReader(ExponentHead, _WORDS, _exponent_table)
