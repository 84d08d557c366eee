"""Table of the study, by depth and sparsity."""

import math
from dataclasses import dataclass

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.recovery.specification import RecoveryPart
from wnsense.lab.studies.diagonal.sparse_drawing import Rate, Rates
from wnsense.lab.studies.diagonal.table import FOUND, WORDS, PartGroup, parts_of
from wnsense.lab.studies.frame.part_tables import MeasuredPart
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import TypedTable, entries_reader


@dataclass(frozen=True)
class RecoveryGroup(PartGroup[RecoveryPart]):
    """Recoveries of all problems of one depth and sparsity."""

    @property
    def sparsity(self) -> int:
        """Number of nonzeros `s`."""
        return self.first.drawing.sparsity

    @property
    def scales(self) -> np.ndarray:
        """Scales `alpha`, ascending."""
        return np.array(self.first.scales, dtype=float)

    @property
    def ratios(self) -> Rates:
        """Ratios in order; None without weight normalization."""
        return self.first.ratios

    def stacked(self, name: str, ratio: Rate) -> np.ndarray:
        """Return an array of one rate, (problems, scales)."""
        place = self.ratios.index(ratio)
        return np.stack([part.arrays[name][:, place] for part in self.parts])

    def error(self, ratio: Rate) -> np.ndarray:
        """Return the median errors, (scales,)."""
        return np.asarray(np.median(self.stacked("error", ratio), axis=0))

    def arrived(self, ratio: Rate) -> np.ndarray:
        """Return True where at least half of the problems reached the residual, (scales,)."""
        return np.asarray(np.mean(self.stacked("residual", ratio) <= self.first.residual, axis=0) >= 0.5)

    def steps_to_found(self, ratio: Rate) -> np.ndarray:
        """Return the steps until the median error stays below `FOUND`, at the recorded marks, (scales,).

        They are infinite if it never does.
        """
        place = self.ratios.index(ratio)
        errors = np.median(np.stack([part.arrays["errors"][:, :, place] for part in self.parts]), axis=0)
        marks = self.parts[0].arrays["marks"]
        later = np.maximum.accumulate(errors[::-1], axis=0)[::-1] <= FOUND
        return np.where(later.any(axis=0), marks[later.argmax(axis=0)].astype(float), np.inf)

    @property
    def critical_scale(self) -> float:
        """Scale of the start whose radius is that of the most exact answers: `alpha sqrt(2 N) = r_inf`."""
        radii = []
        for part in self.parts:
            best = int(np.argmin(part.arrays["error"]))
            radii.append(float(part.arrays["radius"].ravel()[best]))
        return float(np.median(radii)) / math.sqrt(2 * self.first.drawing.columns)

    def largest_found(self, ratio: Rate) -> float:
        """Return the largest start from which vectors are found, 0 if there is none."""
        return float(self.scales[self.error(ratio) <= FOUND].max(initial=0.0))


def groups_of(table: Table) -> list[RecoveryGroup]:
    """Return the groups of a table, by depth and then sparsity.

    Raises:
        InputError: If it is not a table of this study.
    """
    groups: dict[tuple[int, int], list[MeasuredPart[RecoveryPart]]] = {}
    for part in parts_of(table, RecoveryPart, "errors"):
        groups.setdefault((part.part.depth, part.part.drawing.sparsity), []).append(part)
    return [RecoveryGroup(groups[key]) for key in sorted(groups)]


RecoveryTable = TypedTable[StudyHead, RecoveryGroup]
RECOVERY_TABLES = entries_reader(StudyHead, WORDS, groups_of)
