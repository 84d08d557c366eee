"""What is measured where: grid points, sweeps through them, and the study; data only."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from wnsense.checks import require, require_rank
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed
from wnsense.theory.convergence import TheoremSetting


class Varied(StrEnum):
    """What a sweep varies."""

    CONDITION = "kappa"
    SIZE = "m"
    RANK = "r"
    TRUE_RANK = "r_A"
    RATIO = "r_A, r = p r_A"
    STEP_SIZE = "eta"
    MEASUREMENTS = "n"


@dataclass(frozen=True)
class Point:
    """Where Algorithm 1 is run; ||A||_2 = 1 and mu = 2.

    Attributes:
        size: m.
        rank: r, the columns of X.
        true_rank: r_A.
        condition: kappa; eigenvalues are evenly spaced from 1 down to 1/kappa.
        step_size: eta.
        measurements: n Gaussian ones; None for the population, where M*M is the identity.
    """

    size: int
    rank: int
    true_rank: int
    condition: float
    step_size: float
    measurements: int | None = None

    def __post_init__(self) -> None:
        """Refuse what the theorem does not speak of, and a start with directions that lie in span(U) for sure."""
        require(self.true_rank >= 2, "a true rank of at least 2, to have a condition number", self.true_rank)
        require_rank("the working rank and the true one together", self.rank + self.true_rank, self.size)
        require(self.setting.surplus > 0, "a working rank above the true one", self.rank)
        require(0 < self.step_size < 2, "a step size between 0 and 2", self.step_size)

    @property
    def setting(self) -> TheoremSetting:
        """What the theorem's quantities depend on."""
        return TheoremSetting(self.size, self.rank, self.true_rank, self.condition)

    def value(self, varied: Varied) -> float:
        """The coordinate that a sweep varies."""
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
class Part:
    """What is made, and kept, at once.

    Attributes:
        point: Where.
        seeds: Of the starts; of truth and measurements too where there are any, and then one alone.
    """

    point: Point
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse parts without a seed, and measurements shared by several."""
        require(self.seeds, "at least one seed", "none")
        require(self.point.measurements is None or len(self.seeds) == 1, "one seed for one set of rows", self.seeds)

    @property
    def key(self) -> str:
        """A name for a file: the same for the same part, in every process, and another for every other."""
        return f"part_{hashed(asdict(self))[:20]}"


@dataclass(frozen=True)
class Sweep:
    """A line of grid points along which one thing varies.

    Attributes:
        varied: What.
        points: In rising order of what varies; others are the same in all, but for eta where it follows.
        seeds: How many.
        follows: Whether eta is what Theorem 3.2 asks for, up to one constant for the whole sweep; else it is held
            (or is what varies).
    """

    varied: Varied
    points: tuple[Point, ...]
    seeds: int
    follows: bool = False

    @property
    def is_sampled(self) -> bool:
        """Whether there are measurements, and not the population."""
        return self.points[0].measurements is not None

    @property
    def values(self) -> list[float]:
        """What varies, point by point."""
        return [point.value(self.varied) for point in self.points]

    def parts(self, point: Point) -> list[Part]:
        """Of one of its points: all starts at once in the population, seed by seed where rows are drawn."""
        seeds = tuple(range(self.seeds))
        return [Part(point, (seed,)) for seed in seeds] if self.is_sampled else [Part(point, seeds)]


@dataclass(frozen=True)
class ExponentSpecification(Specification[tuple[Sweep, ...]]):
    """Specification of the study of exponents; a plan is the tuple of its sweeps."""

    @property
    def form(self) -> str:
        """Form of the table: slopes beside exponents."""
        return "exponents"

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return [asdict(sweep) for sweep in self.plan(scale)]
