"""Data of the study of Table 1: the method that each row analyses, in one common setting."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from wnsense.checks import require, require_level, require_rank
from wnsense.lab.studies.frame.specification import Scale, Specification
from wnsense.sensing.kinds import Kind
from wnsense.theory.convergence_forms import FactorModel
from wnsense.theory.published_rates import TABLE_1, Rate


class RateMethod(StrEnum):
    """Methods of the table."""

    GD = "gd"
    UNBALANCED = "gd-unbalanced"
    SCALED = "scaledgd"
    DAMPED = "scaledgd-lambda"
    PRECONDITIONED = "precgd"
    AGN = "agn"
    WN = "wn"

    @property
    def look(self) -> str:
        """Name in the styles of pictures; gradient descent has one style for all its starts."""
        return "gd" if self is RateMethod.UNBALANCED else str(self)


class RateStart(StrEnum):
    """Starts of the methods."""

    HAAR = "X_0 Haar-distributed, magnitude 0.1"
    GAUSSIAN = "random Gaussian factors"
    SPECTRAL = "spectral"


@dataclass(frozen=True)
class Analysis:
    """A row of Table 1 with the method that is run for it.

    Attributes:
        row: Place of the row in `wnsense.theory.published_rates.TABLE_1`.
        method: Method that is run, None if it is not implemented.
        start: Start of the method.
        magnitude: Magnitude `alpha^2` of Gaussian factors.
        noise: Standard deviation of the noise over the root mean square of the measurements.
        reason: Reason why no method is run, empty otherwise.
    """

    row: int
    method: RateMethod | None
    start: RateStart = RateStart.HAAR
    magnitude: float = 0.1
    noise: float = 0.0
    reason: str = ""

    def __post_init__(self) -> None:
        """Check that the row exists, and has either a method or a reason."""
        require(0 <= self.row < len(TABLE_1), f"a row from 0 to {len(TABLE_1) - 1}", self.row)
        require((self.method is None) == bool(self.reason), "a method, or the reason why there is none", self.method)
        require_level("noise", self.noise)

    @property
    def rate(self) -> Rate:
        """Statement of the analysis."""
        return TABLE_1[self.row]

    @property
    def kind(self) -> Kind:
        """Kind of the unknown: rectangular for analyses of two factors, as in the source."""
        return Kind.RECTANGULAR if self.rate.model is FactorModel.RECTANGULAR else Kind.PSD


@dataclass(frozen=True)
class RateSetting:
    """A common setting of all methods: `||A||_2 = 1`, Gaussian measurements.

    Attributes:
        size: Size `m` of the unknown.
        true_rank: Rank `r_A` of the truth.
        rank: Working rank `r` of analyses with `r > r_A`; the others use `r_A`.
        condition: Condition number `kappa`; eigenvalues are evenly spaced from 1 to `1/kappa`.
        measurements: Number `n` of measurements.
    """

    size: int
    true_rank: int
    rank: int
    condition: float
    measurements: int

    def __post_init__(self) -> None:
        """Check the ranks."""
        require_rank("the true rank", self.true_rank, self.size)
        require_rank("the working rank", self.rank, self.size)


@dataclass(frozen=True)
class RateRun:
    """A run from several starts at once.

    Attributes:
        analysis: Analysis with its method.
        setting: Setting of the problem.
        step_size: Step size `eta`.
        seeds: Seeds of the starts; all starts share the problem.
        steps: Number of steps.
    """

    analysis: Analysis
    setting: RateSetting
    step_size: float
    seeds: tuple[int, ...]
    steps: int

    @property
    def width(self) -> int:
        """Working rank of the analysis."""
        return self.setting.rank if self.analysis.rate.overparameterized else self.setting.true_rank


@dataclass(frozen=True)
class RatePlan:
    """Plan of the study at a scale.

    Attributes:
        settings: Settings, which differ in the condition number only.
        step_sizes: Grid of step sizes `eta`, the same for every method.
        tuning_seeds: Seeds of the starts by which step sizes are chosen.
        seeds: Seeds of the starts whose steps are counted.
        tuning_steps: Number of steps of a trial.
        steps: Number of steps of a run.
        levels: Relative errors, falling. The steps to each are counted; the middle one is the goal of a trial.
    """

    settings: tuple[RateSetting, ...]
    step_sizes: tuple[float, ...]
    tuning_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    tuning_steps: int
    steps: int
    levels: tuple[float, ...]

    @property
    def goal(self) -> float:
        """Level by which step sizes are chosen."""
        return self.levels[len(self.levels) // 2]

    def tuning(self, analysis: Analysis, setting: RateSetting) -> list[RateRun]:
        """Return a trial for each step size of the grid."""
        return [RateRun(analysis, setting, size, self.tuning_seeds, self.tuning_steps) for size in self.step_sizes]


@dataclass(frozen=True)
class RateSpecification(Specification[RatePlan]):
    """Specification of Table 1.

    Attributes:
        analyses: One analysis for each row of Table 1.
    """

    analyses: tuple[Analysis, ...]

    table_form: ClassVar[str | None] = "rates"

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return {"plan": self.plan(scale), "analyses": self.analyses}
