"""Families of grids in a table: which steps are stable, and how many of them a run needs."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.step_grid import GridPart, RateFamily
from wnsense.lab.studies.diagonal.table import PartGroup, parts_of
from wnsense.lab.studies.frame.part_tables import MeasuredPart

MeasuredGrid: TypeAlias = MeasuredPart[GridPart]
# Relative residual at which the large entries have been learned, so that lambda is near that of the limit.
_CLOSE = 0.1


@dataclass(frozen=True)
class GridFamily(PartGroup[GridPart]):
    """Grids of all problems of one depth, one start and one rule of the magnitude's rate."""

    @property
    def ratios(self) -> Float[np.ndarray, " ratios"]:
        """Ratios `eta`, ascending."""
        return np.array(self.first.ratios, dtype=float)

    @property
    def lengths(self) -> Float[np.ndarray, " lengths"]:
        """Step sizes `h`, ascending."""
        return np.array(self.first.lengths, dtype=float)

    def arrived(self, part: MeasuredGrid) -> Bool[np.ndarray, "ratios lengths"]:
        """Return True for runs that reached the residual."""
        # A comparison with NaN is false.
        return np.asarray(part.arrays["residual"] <= self.first.residual)

    def stable(self, part: MeasuredGrid) -> Bool[np.ndarray, "ratios lengths"]:
        """Return True for runs in which the loss fell at every step."""
        return np.asarray(part.arrays["rises"] == 0)

    def steps(self) -> Float[np.ndarray, "ratios lengths"]:
        """Return the upper median of steps over problems, infinite where runs are not stable or do not arrive."""
        good = [np.where(self.arrived(part) & self.stable(part), part.arrays["counts"], np.inf) for part in self.parts]
        ordered = np.sort(np.stack(good), axis=0)
        return np.asarray(ordered[len(ordered) // 2])

    def largest_stable(self, part: MeasuredGrid) -> Float[np.ndarray, " ratios"]:
        """Return the largest `h` below the first that raises the loss, NaN if the least of the grid does."""
        stable = self.stable(part)
        count = np.where(stable.all(axis=1), stable.shape[1], (~stable).argmax(axis=1))
        largest = np.full(len(self.ratios), np.nan)
        largest[count > 0] = self.lengths[count[count > 0] - 1]
        return largest

    def predicted_limit(self, part: MeasuredGrid) -> Float[np.ndarray, " ratios"]:
        """Return the limit of stability `2 / lambda` at the end of the closest stable run, NaN if none came close."""
        residual = np.where(self.stable(part), part.arrays["residual"], np.inf)
        closest = residual.argmin(axis=1)
        rows = np.arange(len(self.ratios))
        close = residual[rows, closest] <= _CLOSE
        return np.asarray(np.where(close, 2 / part.arrays["stiffness"][rows, closest], np.nan))

    def at_least_step(self, part: MeasuredGrid, ratio: float) -> float:
        """Return the error with the least stable `h` that arrives, the one nearest to the flow; NaN if none does."""
        row = int(np.flatnonzero(self.ratios == ratio)[0])
        good = np.flatnonzero((self.arrived(part) & self.stable(part))[row])
        return float(part.arrays["error"][row, good[0]]) if len(good) else math.nan

    def best(self) -> tuple[Float[np.ndarray, " ratios"], Float[np.ndarray, " ratios"]]:
        """Return, at each ratio, the fewest steps over stable `h` and the median error there.

        They are infinite and NaN if no run arrives.
        """
        steps = self.steps()
        places = steps.argmin(axis=1)
        rows = np.arange(len(self.ratios))
        errors = np.median(np.stack([part.arrays["error"] for part in self.parts]), axis=0)[rows, places]
        fewest = steps[rows, places]
        return fewest, np.where(np.isfinite(fewest), errors, np.nan)

    def at_budget(self) -> Float[np.ndarray, " ratios"]:
        """Return, at each ratio, the median error with the stable `h` of least median residual; NaN without one."""
        stable = np.asarray(np.stack([self.stable(part) for part in self.parts]).all(axis=0))
        residual = np.median(np.stack([part.arrays["residual"] for part in self.parts]), axis=0)
        errors = np.median(np.stack([part.arrays["error"] for part in self.parts]), axis=0)
        places = np.where(stable, residual, np.inf).argmin(axis=1)
        return np.asarray(np.where(stable.any(axis=1), errors[np.arange(len(places)), places], np.nan))


def families_of(table: Table) -> list[GridFamily]:
    """Return the families of a table by depth, start and rule, in its order.

    Raises:
        InputError: If it is not a table of this study.
    """
    families: dict[tuple[int, float, RateFamily], list[MeasuredGrid]] = {}
    for part in parts_of(table, GridPart, "stiffness"):
        families.setdefault((part.part.depth, part.part.scale, part.part.family), []).append(part)
    return [GridFamily(parts) for parts in families.values()]
