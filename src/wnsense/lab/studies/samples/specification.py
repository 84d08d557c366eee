"""Which matrices are to be recovered from as few measurements as possible, and by what; data only."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from wnsense.checks import require, require_rank
from wnsense.lab.studies.exponents.specification import Varied
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed
from wnsense.sensing.kinds import Kind
from wnsense.theory.convergence import TheoremSetting


class Recoverer(StrEnum):
    """What recovers, by its name in the pictures' styles."""

    WN = "wn"
    RECOVER = "recover"


@dataclass(frozen=True)
class Case:
    """A matrix to be recovered, and Algorithm 1's working rank.

    Attributes:
        size: m.
        rank: r, of Algorithm 1; recover() is told no rank.
        true_rank: r_A.
        condition: kappa; eigenvalues are evenly spaced from 1 to 1/kappa.
    """

    size: int
    rank: int
    true_rank: int
    condition: float

    def __post_init__(self) -> None:
        """Refuse what the theorem does not speak of."""
        require(self.true_rank >= 2, "a true rank of at least 2, to have a condition number", self.true_rank)
        require_rank("the working rank", self.rank, self.size)
        require(self.setting.surplus > 0, "a working rank above the true one", self.rank)

    @property
    def setting(self) -> TheoremSetting:
        """What the theorem's quantities depend on."""
        return TheoremSetting(self.size, self.rank, self.true_rank, self.condition)

    @property
    def information_limit(self) -> int:
        """r_A (2m - r_A + 1)/2, the degrees of freedom of a symmetric matrix of rank r_A."""
        return Kind.PSD.degrees_of_freedom((self.size, self.size), self.true_rank, is_complex=False)

    @property
    def unknowns(self) -> int:
        """The dimension m (m + 1)/2: so many measurements determine every symmetric matrix."""
        return self.size * (self.size + 1) // 2

    def value(self, varied: Varied) -> float:
        """The coordinate that a sweep varies."""
        values = {
            Varied.CONDITION: self.condition,
            Varied.SIZE: self.size,
            Varied.RANK: self.rank,
            Varied.TRUE_RANK: self.true_rank,
        }
        require(varied in values, "a coordinate of a case", varied)
        return float(values[varied])


@dataclass(frozen=True)
class Effort:
    """How hard a count of measurements is tried, the same for all cases of a study.

    Attributes:
        ratio: Between neighbouring counts, above 1.
        step_size: eta of Algorithm 1; its mu is 2.
        steps: Its budget, in units of kappa^2.
        tolerance: The relative error at which a matrix counts as recovered.
    """

    ratio: float
    step_size: float
    steps: int
    tolerance: float


@dataclass(frozen=True)
class Search:
    """The smallest count that recovers, of one seed.

    Attributes:
        case: What is recovered.
        recoverer: By what.
        seed: Of truth, measurements and start.
        effort: How hard it is tried.
    """

    case: Case
    recoverer: Recoverer
    seed: int
    effort: Effort

    @property
    def key(self) -> str:
        """A name for a file: the same for the same search, in every process, and another for every other."""
        return f"{self.recoverer}_{hashed(asdict(self))[:20]}"


@dataclass(frozen=True)
class IsometrySearch:
    """How far from an isometry measurements are seen to be.

    Attributes:
        case: m, and the rank r + r_A + 1 of which the theorem asks it.
        count: n.
        seed: Of the measurements and of the search.
        steps: Of the search.
    """

    case: Case
    count: int
    seed: int
    steps: int

    @property
    def rank(self) -> int:
        """Up to which rank, at most m."""
        return min(self.case.rank + self.case.true_rank + 1, self.case.size)

    @property
    def key(self) -> str:
        """A name for a file."""
        return f"isometry_{hashed(asdict(self))[:20]}"


@dataclass(frozen=True)
class SampleSweep:
    """A line of cases along which one thing varies.

    Attributes:
        varied: What.
        cases: In rising order of it.
        recoverers: What recovers them; recover() knows no working rank and is left out where that varies.
    """

    varied: Varied
    cases: tuple[Case, ...]
    recoverers: tuple[Recoverer, ...]

    @property
    def values(self) -> list[float]:
        """What varies, case by case."""
        return [case.value(self.varied) for case in self.cases]


@dataclass(frozen=True)
class SamplePlan:
    """A scale of the study.

    Attributes:
        sweeps: Lines of cases.
        seeds: How many of each.
        effort: How hard each count is tried.
        isometry: Where the restricted isometry is looked at.
    """

    sweeps: tuple[SampleSweep, ...]
    seeds: int
    effort: Effort
    isometry: tuple[IsometrySearch, ...]

    def searches(self, case: Case, recoverer: Recoverer) -> list[Search]:
        """One for each seed."""
        return [Search(case, recoverer, seed, self.effort) for seed in range(self.seeds)]


@dataclass(frozen=True)
class SampleSpecification(Specification[SamplePlan]):
    """Specification of the study of sample sizes."""

    @property
    def form(self) -> str:
        """Form of the table: counts of measurements beside bounds."""
        return "samples"

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return asdict(self.plan(scale))
