"""Table of the study: families of grids, and their rules in words."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wnsense.lab.studies.diagonal.step_grid import RateFamily
from wnsense.lab.studies.diagonal.step_grid_table import GridFamily, families_of
from wnsense.lab.studies.diagonal.table import WORDS
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import TypedTable, entries_reader

# Rules of the magnitude's rate in words, in the order of the panels.
RATE_RULES: Mapping[RateFamily, str] = MappingProxyType(
    {
        RateFamily.CONSTANT: "eta_r = eta",
        RateFamily.SQUARED: "eta_r = eta r^2",
        RateFamily.SCHEDULED: "eta_r = eta s_t, growing",
    }
)


def family_words(family: GridFamily) -> str:
    """Return the depth and the rule of a family in words."""
    return f"L = {family.first.depth}, {RATE_RULES[family.first.family]}"


def depths_of(families: Sequence[GridFamily]) -> list[int]:
    """Return the depths, ascending."""
    return sorted({family.first.depth for family in families})


RatioTable = TypedTable[StudyHead, GridFamily]
RATIO_TABLES = entries_reader(StudyHead, WORDS, families_of)
