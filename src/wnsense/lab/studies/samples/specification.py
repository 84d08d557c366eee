"""Cases, methods and searches of the study of sample sizes, as data."""

from dataclasses import dataclass
from enum import StrEnum

from wnsense.checks import require, require_rank
from wnsense.lab.studies.frame.specification import Specification
from wnsense.lab.studies.theorem_cases import TheoremCase, Varied
from wnsense.sensing.kinds import Kind


class Recoverer(StrEnum):
    """Method that recovers, by its name in the styles of pictures."""

    WN = "wn"
    RECOVER = "recover"


@dataclass(frozen=True)
class SampleCase(TheoremCase):
    """Matrix to be recovered; its working rank is that of Algorithm 1, and recover() has none."""

    def __post_init__(self) -> None:
        """Check that the theorem treats the case.

        Raises:
            InputError: If a rank is outside its range.
        """
        require(self.true_rank >= 2, "a true rank of at least 2, to have a condition number", self.true_rank)
        require_rank("the working rank", self.rank, self.size)
        require(self.setting.surplus > 0, "a working rank above the true one", self.rank)

    @property
    def information_limit(self) -> int:
        """Degrees of freedom of a symmetric matrix of rank `r_A`, `r_A (2m - r_A + 1) / 2`."""
        return Kind.PSD.degrees_of_freedom((self.size, self.size), self.true_rank, is_complex=False)

    @property
    def unknowns(self) -> int:
        """Dimension `m (m + 1) / 2`, the number of measurements that determines every symmetric matrix."""
        return self.size * (self.size + 1) // 2


@dataclass(frozen=True)
class Effort:
    """Effort for each count of measurements, the same for all cases of a study.

    Attributes:
        ratio: Ratio of neighbouring counts, above 1.
        step_size: Step size `eta` of Algorithm 1; its `mu` is 2.
        steps: Largest number of steps of Algorithm 1, in units of `kappa^2`.
        tolerance: Relative error at which a matrix counts as recovered.
    """

    ratio: float
    step_size: float
    steps: int
    tolerance: float


@dataclass(frozen=True)
class CountSearch:
    """Search for the smallest count that recovers, of one seed.

    Attributes:
        case: Case.
        recoverer: Method.
        seed: Seed of truth, measurements and start.
        effort: Effort for each count.
    """

    case: SampleCase
    recoverer: Recoverer
    seed: int
    effort: Effort


@dataclass(frozen=True)
class IsometrySearch:
    """Search for a lower bound of the restricted isometry constant.

    Attributes:
        case: Case, with `m` and the rank `r + r_A + 1` of the theorem.
        count: Number of measurements, `n`.
        seed: Seed of the measurements and of the search.
        steps: Number of steps of the search.
    """

    case: SampleCase
    count: int
    seed: int
    steps: int

    @property
    def rank(self) -> int:
        """Largest rank of the search, at most `m`."""
        return min(self.case.rank + self.case.true_rank + 1, self.case.size)


@dataclass(frozen=True)
class SampleSweep:
    """Cases that differ in one variable.

    Attributes:
        varied: Variable of the sweep.
        cases: Cases by increasing variable.
        recoverers: Methods; recover() has no working rank and is left out of sweeps over it.
    """

    varied: Varied
    cases: tuple[SampleCase, ...]
    recoverers: tuple[Recoverer, ...]

    @property
    def values(self) -> list[float]:
        """Values of the variable, by case."""
        return [case.value(self.varied) for case in self.cases]


@dataclass(frozen=True)
class SamplePlan:
    """Plan of the study at one scale.

    Attributes:
        sweeps: Sweeps.
        seeds: Number of seeds of each case.
        effort: Effort for each count.
        isometry: Searches for the isometry constant.
    """

    sweeps: tuple[SampleSweep, ...]
    seeds: int
    effort: Effort
    isometry: tuple[IsometrySearch, ...]

    def searches(self, case: SampleCase, recoverer: Recoverer) -> list[CountSearch]:
        """Return the searches of a case, one for each seed."""
        return [CountSearch(case, recoverer, seed, self.effort) for seed in range(self.seeds)]


@dataclass(frozen=True)
class SampleSpecification(Specification[SamplePlan]):
    """Specification of the study of sample sizes."""
