"""Table of the study: best steps of each method, rates of flows and of multi-layer models."""

import math
from dataclasses import dataclass
from typing import TypeAlias

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.drawing import Rate
from wnsense.lab.studies.diagonal.speed.specification import LayersPart, RatePart
from wnsense.lab.studies.diagonal.step_grid import RateFamily
from wnsense.lab.studies.diagonal.step_grid_table import GridFamily, families_of
from wnsense.lab.studies.diagonal.table import parts_of
from wnsense.lab.studies.frame.part_tables import MeasuredPart

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


def best_steps(table: Table) -> list[BestSteps]:
    """Return the best steps of every method from every start.

    Raises:
        InputError: If it is not a table of this study.
    """
    return [best for family in families_of(table) for best in _best_of(family)]


def flow_rates(table: Table) -> list[MeasuredRate]:
    """Return the flows of a table with their rates.

    Raises:
        InputError: If it is not a table of this study.
    """
    return parts_of(table, RatePart, "measured")


def layer_rates(table: Table) -> list[MeasuredLayers]:
    """Return the multi-layer models of a table with their rates.

    Raises:
        InputError: If it is not a table of this study.
    """
    return parts_of(table, LayersPart, "measured")


def _best_of(family: GridFamily) -> list[BestSteps]:
    first, bests = family.first, []
    for ratio, steps, there, late in zip(first.ratios, *family.best(), family.at_budget(), strict=True):
        error = float(there if math.isfinite(steps) else late)
        rate = None if first.family is RateFamily.PLAIN else ratio
        bests.append(BestSteps(first.depth, first.scale, rate, float(steps), error, first.steps))
    return bests
