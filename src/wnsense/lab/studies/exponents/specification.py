"""Grid points, parts and sweeps of the study of exponents, as data."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from wnsense.checks import require, require_rank
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed
from wnsense.theory.convergence import TheoremSetting


class Varied(StrEnum):
    """Variable of a sweep."""

    CONDITION = "kappa"
    SIZE = "m"
    RANK = "r"
    TRUE_RANK = "r_A"
    RATIO = "r_A, r = p r_A"
    STEP_SIZE = "eta"
    MEASUREMENTS = "n"


@dataclass(frozen=True)
class Point:
    """Grid point at which Algorithm 1 is run, with `||A||_2 = 1` and `mu = 2`.

    Attributes:
        size: Side `m` of the matrix.
        rank: Number of columns of `X`, `r`.
        true_rank: Rank of the matrix, `r_A`.
        condition: Condition number `kappa`; eigenvalues are evenly spaced from 1 to `1 / kappa`.
        step_size: Step size `eta`.
        measurements: Number of Gaussian measurements, `n`; None for the population, where `M*M` is the identity.
    """

    size: int
    rank: int
    true_rank: int
    condition: float
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

    @property
    def setting(self) -> TheoremSetting:
        """Variables of the theorem."""
        return TheoremSetting(self.size, self.rank, self.true_rank, self.condition)

    def value(self, varied: Varied) -> float:
        """Return the value of a variable; infinite for the measurements of the population."""
        values: dict[Varied, float | None] = {
            Varied.CONDITION: self.condition,
            Varied.SIZE: self.size,
            Varied.RANK: self.rank,
            Varied.TRUE_RANK: self.true_rank,
            Varied.RATIO: self.true_rank,
            Varied.STEP_SIZE: self.step_size,
            Varied.MEASUREMENTS: self.measurements,
        }
        value = values[varied]
        return float("inf") if value is None else float(value)


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

    @property
    def key(self) -> str:
        """Name of the file; it is the same for the same part only, in every process."""
        return f"part_{hashed(asdict(self))[:20]}"


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
        return [point.value(self.varied) for point in self.points]

    def parts(self, point: Point) -> list[ExponentPart]:
        """Return the parts of a point: one for all starts in the population, one for each seed with measurements."""
        seeds = tuple(range(self.seeds))
        return [ExponentPart(point, (seed,)) for seed in seeds] if self.is_sampled else [ExponentPart(point, seeds)]


@dataclass(frozen=True)
class ExponentSpecification(Specification[tuple[ExponentSweep, ...]]):
    """Specification of the study of exponents; a plan is the tuple of its sweeps."""

    @property
    def form(self) -> str:
        """Form of the table: slopes beside exponents."""
        return "exponents"

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return [asdict(sweep) for sweep in self.plan(scale)]
