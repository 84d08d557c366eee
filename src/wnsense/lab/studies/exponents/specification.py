"""Grid points, parts and sweeps of the study of exponents, as data."""

import math
from dataclasses import dataclass

from wnsense.checks import require, require_rank
from wnsense.lab.studies.frame.specification import Specification, file_key
from wnsense.lab.studies.theorem_cases import TheoremCase, Varied


@dataclass(frozen=True)
class Point(TheoremCase):
    """Grid point at which Algorithm 1 is run, with `mu = 2`.

    Attributes:
        step_size: Step size `eta`.
        measurements: Number of Gaussian measurements, `n`; None for the population, where `M*M` is the identity.
    """

    step_size: float
    measurements: int | None = None

    def __post_init__(self) -> None:
        """Check that the theorem treats the point, and that no direction of a start lies in span(U) with certainty.

        Raises:
            InputError: If ranks or step size are outside their ranges.
        """
        require(self.true_rank >= 2, "a true rank of at least 2, to have a condition number", self.true_rank)
        require_rank("the working rank and the true one together", self.rank + self.true_rank, self.size)
        require(self.setting.surplus > 0, "a working rank above the true one", self.rank)
        require(0 < self.step_size < 2, "a step size between 0 and 2", self.step_size)

    def coordinate(self, varied: Varied) -> float:
        """Return the value of a variable; infinite for the measurements of the population."""
        values = {
            Varied.RATIO: self.true_rank,
            Varied.STEP_SIZE: self.step_size,
            Varied.MEASUREMENTS: math.inf if self.measurements is None else self.measurements,
        }
        return float(values[varied]) if varied in values else self.value(varied)


@dataclass(frozen=True)
class ExponentPart:
    """Runs that are made together and stored in one file.

    Attributes:
        point: Grid point.
        seeds: Seeds of the starts. With measurements there is one seed, that of truth and measurements too.
    """

    point: Point
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the seeds.

        Raises:
            InputError: If there is no seed, or several seeds share measurements.
        """
        require(self.seeds, "at least one seed", "none")
        require(self.point.measurements is None or len(self.seeds) == 1, "one seed for one set of rows", self.seeds)


def exponent_part_key(part: ExponentPart) -> str:
    """Return the name of the file of a part."""
    return file_key("part", part)


@dataclass(frozen=True)
class ExponentSweep:
    """Grid points that differ in one variable.

    Attributes:
        varied: Variable of the sweep.
        points: Points by increasing variable; other variables are constant, except `eta` if it follows.
        seeds: Number of seeds.
        follows: True if `eta` is that of Theorem 3.2 up to one constant for the whole sweep; False if it is constant or
            the variable.
    """

    varied: Varied
    points: tuple[Point, ...]
    seeds: int
    follows: bool = False

    @property
    def is_sampled(self) -> bool:
        """True if there are measurements; False for the population."""
        return self.points[0].measurements is not None

    @property
    def values(self) -> list[float]:
        """Values of the variable, by point."""
        return [point.coordinate(self.varied) for point in self.points]

    def parts(self, point: Point) -> list[ExponentPart]:
        """Return the parts of a point: one for all starts in the population, one for each seed with measurements."""
        seeds = tuple(range(self.seeds))
        return [ExponentPart(point, (seed,)) for seed in seeds] if self.is_sampled else [ExponentPart(point, seeds)]


@dataclass(frozen=True)
class ExponentSpecification(Specification[tuple[ExponentSweep, ...]]):
    """Specification of the study of exponents; a plan is the tuple of its sweeps."""
