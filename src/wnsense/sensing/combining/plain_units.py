"""Equivalent problems in plain units: measurements and weights of about 1, so that squares neither overflow nor vanish.

Factors are powers of 2, which change no digit.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing import row_reductions
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem

# Measurements and weights between 2^-20 and 2^20 keep their units: squares are far from the limits of all dtypes.
_PLAIN_EXPONENT = 20


@dataclass(frozen=True)
class PlainUnits:
    """Problem in plain units, with the unit of its measurements.

    Attributes:
        problem: Problem whose largest measurement and weight are about 1.
        unit: Power of 2: matrices of the given problem are those of this one times it.
    """

    problem: Problem
    unit: float

    def to_user(self, matrix: LowRank) -> LowRank:
        """Return a matrix in the units of the given problem.

        Raises:
            InputError: If its numbers are too large or too small for its dtype.
        """
        if self.unit == 1:
            return matrix
        given = matrix.scaled(self.unit)
        size = float(given.Theta.abs().max())
        require(
            math.isfinite(size) and (size > 0 or float(matrix.norm()) == 0),
            f"an answer within the range of {matrix.dtype}",
            f"{float(matrix.norm()):.3g} times {self.unit:.3g}",
            "give the measurements in another unit",
        )
        return given

    def from_user(self, matrix: LowRank) -> LowRank:
        """Return a matrix of the given problem in plain units."""
        return matrix if self.unit == 1 else matrix.scaled(1 / self.unit)


def in_plain_units(problem: Problem) -> PlainUnits:
    """Return a problem in plain units; itself if it is in such units. Measurements of weight 0 become 0."""
    y, weights = problem.measurements, problem.weights
    if weights is not None:
        y = y.masked_fill(weights == 0, 0)
    unit, weight = _unit(y), 1.0 if weights is None else _unit(weights)
    if unit == weight == 1:
        return PlainUnits(problem, 1.0)
    units = PlainUnits(problem, unit)
    truth = None if problem.truth is None else units.from_user(problem.truth)
    scaled = None if weights is None else weights / weight
    return replace(units, problem=Problem(problem.operator, y / unit, truth, problem.noise_level, scaled))


def _unit(values: Tensor) -> float:
    """Return the power of 2 below the largest magnitude; 1 if that is plain."""
    largest = row_reductions.largest(values.abs())
    exponent = math.frexp(largest)[1] - 1 if largest > 0 else 0
    # The inverse must be a normal number too.
    limit = -math.frexp(torch.finfo(values.dtype).tiny)[1]
    return 1.0 if abs(exponent) <= _PLAIN_EXPONENT else math.ldexp(1.0, max(-limit, min(exponent, limit)))
