"""Table of the study: cells by their assumptions, and those of the reference table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.bound.specification import BoundPart
from wnsense.lab.studies.diagonal.sparse_drawing import Rate
from wnsense.lab.studies.diagonal.table import WORDS, parts_of
from wnsense.lab.studies.frame.part_tables import MeasuredPart
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import TypedTable, entries_reader

Bounded: TypeAlias = MeasuredPart[BoundPart]
# Excesses have the rounding error of a linear program's vertex and of the limit.
_ROUNDING = 1e-9
# Least l1 norm of the problems of the reference table.
REFERENCE_NORM = 1.7


@dataclass(frozen=True)
class Reported:
    """Entry of the reference table: `N = 30` signed, `M = 15`, `s = 2`, `Q = 1.7`.

    Attributes:
        depth: Number of factors `L`.
        scale: Scale `alpha`.
        ratio: Ratio `eta`; None is plain flow.
        excess: Relative excess of the l1 norm.
        bound: Bound `epsilon` as printed.
        magnification: Magnification `rho` as printed.
    """

    depth: int
    scale: float
    ratio: Rate
    excess: float
    bound: str
    magnification: str


REPORTED = (
    Reported(2, 0.05, 0.1, 1.7e-5, "0.26", "690"),
    Reported(2, 0.05, 0.3, 1.9e-2, "0.78", "4.1"),
    Reported(2, 0.05, 1.0, 2.5e-1, "2.3", "0.71"),
    Reported(2, 0.05, None, 1.5e-1, "1.7", "1"),
    Reported(3, 0.12, 0.1, 3.2e-7, "0.006", "71"),
    Reported(3, 0.12, 0.3, 1.5e-3, "0.14", "3.6"),
    Reported(3, 0.12, 1.0, 3.2e-2, "0.50", "1.3"),
    Reported(3, 0.12, None, 6.6e-2, "0.73", "1"),
)


@dataclass(frozen=True)
class BoundCells:
    """Cells of one kind, from several parts.

    Attributes:
        depth: Number of factors `L` of each cell, (cells,).
        columns: Columns by name, described where they are measured, (cells,) each.
    """

    depth: np.ndarray
    columns: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, parts: Sequence[Bounded]) -> "BoundCells":
        """Return all cells of some parts."""
        names = [name for name in parts[0].arrays if name != "missing"]
        sizes = [len(part.arrays["excess"]) for part in parts]
        depth = np.repeat([part.part.depth for part in parts], sizes)
        columns = {name: np.concatenate([part.arrays[name] for part in parts]) for name in names}
        return cls(depth, columns)

    def ratio(self, excess: str, bound: str) -> Float[np.ndarray, " cells"]:
        """Return the excess over its bound where the bound is finite, NaN elsewhere."""
        finite = np.isfinite(self.columns[bound])
        quotient = np.full(len(finite), np.nan)
        quotient[finite] = (self.columns[excess][finite] - _ROUNDING) / self.columns[bound][finite]
        return quotient

    def selected(self, rows: Bool[np.ndarray, " cells"]) -> "BoundCells":
        """Return some of the cells."""
        return BoundCells(self.depth[rows], {name: column[rows] for name, column in self.columns.items()})


def bounded_parts(table: Table) -> list[Bounded]:
    """Return the parts of a table.

    Raises:
        InputError: If it is not a table of this study.
    """
    return parts_of(table, BoundPart, "excess")


def cell_groups(parts: Sequence[Bounded]) -> dict[str, BoundCells]:
    """Return the cells by their assumptions."""
    deep = [part for part in parts if part.part.depth > 2]
    groups = {
        "L = 2, any start": [part for part in parts if part.part.depth == 2],
        "L > 2, equal entries": [part for part in deep if part.part.spread == 0],
        "L > 2, unequal entries": [part for part in deep if part.part.spread > 0],
    }
    return {name: BoundCells.of(group) for name, group in groups.items() if group}


def reference_cells(parts: Sequence[Bounded]) -> dict[Reported, BoundCells]:
    """Return the cells that were drawn for each entry of the reference table."""
    references = [part for part in parts if _is_reference(part.part)]
    cells = {}
    for entry in REPORTED:
        same = [part for part in references if (part.part.depth, part.part.scales) == (entry.depth, (entry.scale,))]
        if same:
            drawn = BoundCells.of(same)
            ratio = drawn.columns["ratio"]
            cells[entry] = drawn.selected(ratio == entry.ratio if entry.ratio else np.isnan(ratio))
    return cells


def _is_reference(part: BoundPart) -> bool:
    return part.signed and part.spread == 0 and part.drawing.least_norm == REFERENCE_NORM


BoundTable = TypedTable[StudyHead, Bounded]
BOUND_TABLES = entries_reader(StudyHead, WORDS, bounded_parts)
