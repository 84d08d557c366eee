"""Schedules of the magnitude's learning rate: a factor for each step."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from wnsense.checks import require, require_level


@runtime_checkable
class Schedule(Protocol):
    """Factor for each step; a frozen dataclass, so that a checkpoint can compare it."""

    def factor(self, step: int) -> float:
        """Return the factor of step 0, 1, ..."""
        ...


@dataclass(frozen=True)
class TwoPhase:
    """One factor for the first steps and 1 after them.

    In arXiv 1911.07956 the magnitude is fixed or slow in the first phase and learned in the second.

    Attributes:
        steps: Number of steps of the first phase.
        first: Factor of the first phase.
    """

    steps: int
    first: float = 0.0

    def __post_init__(self) -> None:
        """Check the number of steps and the factor."""
        require(self.steps >= 0, "a number of steps of at least 0", self.steps)
        require_level("a first factor", self.first)

    def factor(self, step: int) -> float:
        """Return `first`, then 1."""
        return self.first if step < self.steps else 1.0


@dataclass(frozen=True)
class Geometric:
    """Factor that grows (or falls) by a constant ratio each step, from the first value to the last.

    Attributes:
        first: First factor, positive.
        ratio: Ratio of a factor to the one before, positive.
        last: Factor at which the growth or fall ends, positive.
    """

    first: float
    ratio: float
    last: float = 1.0

    def __post_init__(self) -> None:
        """Check that all three have a logarithm."""
        for name, factor in (("first", self.first), ("ratio", self.ratio), ("last", self.last)):
            require(factor > 0 and math.isfinite(factor), f"a positive {name} factor", factor)

    def factor(self, step: int) -> float:
        """Return the factor of a step."""
        bound = min if self.ratio >= 1 else max
        # By logarithms: the power of a long run leaves the range of floating-point numbers.
        logarithm = bound(math.log(self.last), math.log(self.first) + step * math.log(self.ratio))
        return math.exp(logarithm)
