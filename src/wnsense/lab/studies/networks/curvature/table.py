"""Sweeps of the study of curvature: networks that differ in one variable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.typed_table import TypedTable, entries_reader
from wnsense.lab.studies.networks.network_axes import look_of
from wnsense.lab.studies.networks.specification import CurvaturePart
from wnsense.lab.studies.networks.table import WORDS, CurvatureRuns, NetworkHead, NetworkKind, runs_of
from wnsense.pages.style import Look

_LONG_ROWS = Look("with WN, s = 1, rows of length 2", "#CC79A7", "-", "P")
_LONG_PLAIN = Look("without, s = 1, rows of length 2", "#56B4E9", "--", "X")


@dataclass(frozen=True)
class SweptVariable:
    """Variable of a sweep.

    Attributes:
        name: Name among the published exponents.
        words: Label of the axis.
        value: Function that returns the value for a network.
    """

    name: str
    words: str
    value: Callable[[CurvatureRuns], float]


WIDTHS = SweptVariable("width", "width m", lambda run: run.width)
DEPTHS = SweptVariable("depth", "depth L, hidden layers", lambda run: run.depth)
ROW_LENGTHS = SweptVariable("minimum_row_norm", "rows' length at the start", lambda run: run.part.design.row_norm)
VARIABLES = (WIDTHS, DEPTHS, ROW_LENGTHS)


@dataclass(frozen=True)
class CurvatureSweep:
    """Networks that differ in one variable; the other variables have the values at the study's centre.

    Attributes:
        variable: Variable of the sweep.
        kind: Normalization and scaling of all networks.
        row_norm: Length of the rows of all networks, unless it is the variable.
        runs: Networks by increasing variable.
    """

    variable: SweptVariable
    kind: NetworkKind
    row_norm: float
    runs: Sequence[CurvatureRuns]

    @property
    def places(self) -> Float[np.ndarray, " places"]:
        """Values of the variable."""
        return np.array([self.variable.value(run) for run in self.runs])

    @property
    def look(self) -> Look:
        """Color, line and marker."""
        if self.variable is DEPTHS and self.row_norm > 1:
            return _LONG_ROWS if self.kind.normalized else _LONG_PLAIN
        return look_of(self.kind)

    @property
    def norms(self) -> Float[np.ndarray, "places seeds"]:
        """Norms `||grad^2 f||_2`, the mean over images."""
        return np.stack([hessian_norms(run) for run in self.runs])


def hessian_norms(run: CurvatureRuns) -> Float[np.ndarray, " seeds"]:
    """Return `||grad^2 f||_2` for each seed, the mean over images."""
    return np.asarray(run.stack("norms").mean(axis=1))


def read_runs(table: Table) -> list[CurvatureRuns]:
    """Return the networks of a table.

    Raises:
        InputError: If it is not a table of this study.
    """
    return runs_of(table, CurvaturePart, "norms")


def sweeps_of(runs: Sequence[CurvatureRuns]) -> list[CurvatureSweep]:
    """Return the sweeps among networks: at least three of a kind that agree in all variables but one."""
    sweeps = []
    for variable in VARIABLES:
        others = [other for other in VARIABLES if other is not variable]
        groups: dict[tuple[object, ...], list[CurvatureRuns]] = {}
        for run in runs:
            groups.setdefault((run.kind, *(other.value(run) for other in others)), []).append(run)
        for group in groups.values():
            if len(group) >= 3:
                ordered = sorted(group, key=variable.value)
                sweeps.append(CurvatureSweep(variable, ordered[0].kind, ordered[0].part.design.row_norm, ordered))
    return sweeps


CurvatureTable = TypedTable[NetworkHead, CurvatureRuns]
CURVATURE_TABLES = entries_reader(NetworkHead, WORDS, read_runs)
