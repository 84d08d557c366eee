"""Table of the study: best steps of each method, rates of flows and of multi-layer models."""

import math
from dataclasses import dataclass
from typing import TypeAlias

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.sparse_drawing import Rate
from wnsense.lab.studies.diagonal.speed.specification import LayersPart, RatePart
from wnsense.lab.studies.diagonal.step_grid import RateFamily
from wnsense.lab.studies.diagonal.step_grid_table import GridFamily, families_of
from wnsense.lab.studies.diagonal.table import WORDS, parts_of
from wnsense.lab.studies.frame.part_tables import MeasuredPart
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.frame.typed_table import TableReader

MeasuredRate: TypeAlias = MeasuredPart[RatePart]
MeasuredLayers: TypeAlias = MeasuredPart[LayersPart]


@dataclass(frozen=True)
class BestSteps:
    """Steps and error of a method from a start, with its best step size.

    Attributes:
        depth: Number of factors `L`.
        scale: Scale `alpha`.
        ratio: Ratio `eta`; None is gradient descent.
        steps: Median over problems of the steps to the residual; infinite if at least half do not arrive.
        error: Median error there, or after the budget if they do not arrive.
        budget: Largest number of steps.
    """

    depth: int
    scale: float
    ratio: Rate
    steps: float
    error: float
    budget: int


@dataclass(frozen=True)
class SpeedTable:
    """Table of the study.

    Attributes:
        head: Head of the table.
        bests: Best steps of every method from every start.
        flows: Flows on diagonal networks with their rates.
        models: Multi-layer linear models with their rates.
    """

    head: StudyHead
    bests: tuple[BestSteps, ...]
    flows: tuple[MeasuredRate, ...]
    models: tuple[MeasuredLayers, ...]


def _speed_table(head: StudyHead, table: Table) -> SpeedTable:
    bests = tuple(best for family in families_of(table) for best in _best_of(family))
    flows, models = parts_of(table, RatePart, "measured"), parts_of(table, LayersPart, "measured")
    return SpeedTable(head, bests, tuple(flows), tuple(models))


def _best_of(family: GridFamily) -> list[BestSteps]:
    first, bests = family.first, []
    for ratio, steps, there, late in zip(first.ratios, *family.best(), family.at_budget(), strict=True):
        error = float(there if math.isfinite(steps) else late)
        rate = None if first.family is RateFamily.PLAIN else ratio
        bests.append(BestSteps(first.depth, first.scale, rate, float(steps), error, first.steps))
    return bests


SPEED_TABLES = TableReader(StudyHead, WORDS, _speed_table)
