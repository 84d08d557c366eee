"""The table of the exponents study: each sweep's measured power beside that of the theorem and of the law of escape."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.lab.analysis.scaling import PowerLaw, fit_power_law
from wnsense.theory.convergence import EXPONENTS, Quantity, TheoremSetting
from wnsense.theory.step_size_form import burn_in_at, contraction_at

# What is measured; the theorem bounds the first from above and the second from below.
MEASURED = (Quantity.BURN_IN, Quantity.CONTRACTION)
_COLUMNS = {Quantity.BURN_IN: "burn_in", Quantity.CONTRACTION: "contraction"}
# Exponents that differ by less are called the same: grids are short, and powers are what they tend to.
_SAME = 0.25


@dataclass(frozen=True)
class SweepTable:
    """A sweep.

    Attributes:
        varied: What varies, as the study names it.
        follows: Whether eta is the theorem's, up to a constant.
        sampled: Whether there are measurements.
        values: What varies, (points,).
        settings: m, r, r_A and kappa, point by point.
        step_sizes: eta, point by point.
        burn_in: Steps, (points, seeds).
        contraction: By what part the error falls a step, (points, seeds).
        law: The burn-in that the law of escape gives for each start, at least 1, (points, seeds).
    """

    varied: str
    follows: bool
    sampled: bool
    values: Float[np.ndarray, " points"]
    settings: tuple[TheoremSetting, ...]
    step_sizes: tuple[float, ...]
    burn_in: Float[np.ndarray, "points seeds"]
    contraction: Float[np.ndarray, "points seeds"]
    law: Float[np.ndarray, "points seeds"]

    @property
    def where(self) -> str:
        """The regime in words."""
        regime = "Gaussian measurements" if self.sampled else "population"
        if self.varied == "eta":
            return regime
        return f"{regime}, eta {'as the theorem asks' if self.follows else 'held'}"

    def column(self, quantity: Quantity) -> Float[np.ndarray, "points seeds"]:
        """What was measured of a quantity."""
        column: np.ndarray = getattr(self, _COLUMNS[quantity])
        return column

    def measured(self, quantity: Quantity) -> PowerLaw:
        """With which power of the value it goes."""
        return fit_power_law(self.values, self.column(quantity))

    def bound(self, quantity: Quantity) -> Float[np.ndarray, " points"]:
        """The theorem with constant 1, at the eta that was used: as stated where eta follows it."""
        of = {Quantity.BURN_IN: burn_in_at, Quantity.CONTRACTION: contraction_at}[quantity]
        pairs = zip(self.settings, self.step_sizes, strict=True)
        return np.array([of(setting, step, constant=1.0) for setting, step in pairs])

    def bound_exponent(self, quantity: Quantity) -> float:
        """Its least-squares slope over the same points."""
        return slope(self.values, self.bound(quantity))

    def stated_exponent(self, quantity: Quantity) -> float:
        """The slope of what the theorem states at its own eta; NaN where eta is what varies."""
        if self.varied == "eta":
            return math.nan
        return slope(self.values, np.array([EXPONENTS[quantity].shape(setting) for setting in self.settings]))

    def law_exponent(self, quantity: Quantity) -> float:
        """The slope that the law of escape gives for the same starts; of the rate, that of eta / kappa^2."""
        if quantity is Quantity.CONTRACTION:
            return self.bound_exponent(quantity)
        return fit_power_law(self.values, self.law).exponent

    def ratio(self, quantity: Quantity) -> Float[np.ndarray, " points"]:
        """By how much the theorem with constant 1 is worse than the median of what was measured."""
        median = np.nanmedian(self.column(quantity), axis=1)
        ratio: np.ndarray = self.bound(quantity) / median
        return ratio if quantity is Quantity.BURN_IN else 1 / ratio

    def slack(self, quantity: Quantity) -> float:
        """Orders of magnitude that the bound gives away along the sweep, whatever its constant is."""
        logs = np.log10(self.ratio(quantity))
        return float(logs.max() - logs.min())

    def is_tight(self, quantity: Quantity) -> bool:
        """Whether the exponents are the same."""
        found, bound = self.measured(quantity), self.bound_exponent(quantity)
        return found.contains(bound) or abs(found.exponent - bound) <= _SAME


@dataclass(frozen=True)
class ExponentTable:
    """The study's table.

    Attributes:
        header: Its head.
        sweeps: In order.
    """

    header: Mapping[str, object]
    sweeps: tuple[SweepTable, ...]

    @classmethod
    def of(cls, table: Table) -> "ExponentTable":
        """Read a table.

        Raises:
            InputError: When it is none of such a study.
        """
        told = table.header.get("sweeps")
        require(isinstance(told, list) and told, "the table of a study of exponents", "one without sweeps")
        try:
            sweeps = tuple(
                _sweep(place, facts, table.arrays)
                for place, facts in enumerate(cast("list[Mapping[str, object]]", told))
            )
        except KeyError as error:
            raise InputError(f"needed the table of a study of exponents, got one without {error}") from error
        return cls(table.header, sweeps)

    def group(self, *, follows: bool, sampled: bool) -> list[SweepTable]:
        """The sweeps of a regime; eta's own is with those that hold it."""
        return [sweep for sweep in self.sweeps if sweep.follows == follows and sweep.sampled == sampled]

    def with_law(self) -> tuple[Float[np.ndarray, " starts"], Float[np.ndarray, " starts"]]:
        """The law of escape and the measured burn-in, start by start in the population."""
        chosen = [sweep for sweep in self.sweeps if not sweep.sampled]
        law = np.concatenate([sweep.law.ravel() for sweep in chosen])
        burn_in = np.concatenate([sweep.burn_in.ravel() for sweep in chosen])
        known = np.isfinite(burn_in)
        return law[known], burn_in[known]


def slope(x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]) -> float:
    """The least-squares slope of log y against log x."""
    centred = np.log(x) - np.log(x).mean()
    return float(centred @ np.log(y) / (centred @ centred))


def _sweep(place: int, facts: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> SweepTable:
    points = cast("Sequence[Mapping[str, float]]", facts["points"])
    return SweepTable(
        str(facts["varied"]),
        facts["follows"] is True,
        facts["sampled"] is True,
        np.array(facts["values"], dtype=float),
        tuple(TheoremSetting(at["size"], at["rank"], at["true_rank"], at["condition"]) for at in points),
        tuple(at["step_size"] for at in points),
        arrays[f"{place}_burn_in"],
        arrays[f"{place}_contraction"],
        # A start that is aligned already takes a step all the same.
        np.maximum(arrays[f"{place}_law"], 1.0),
    )
