"""What is measured beside each row of Table 1: the method that it analyses, in one common setting; data only."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from wnsense.checks import require, require_level, require_rank
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed
from wnsense.sensing.kinds import Kind
from wnsense.theory.published_rates import TABLE_1, FactorModel, Rate


class RateMethod(StrEnum):
    """A method of the table; `look` is its name in the pictures' styles."""

    GD = "gd"
    UNBALANCED = "gd-unbalanced"
    SCALED = "scaledgd"
    DAMPED = "scaledgd-lambda"
    PRECONDITIONED = "precgd"
    AGN = "agn"
    WN = "wn"

    @property
    def look(self) -> str:
        """How it is drawn: gradient descent looks the same from wherever it starts."""
        return "gd" if self is RateMethod.UNBALANCED else str(self)


class RateStart(StrEnum):
    """Where a method begins."""

    HAAR = "X_0 Haar-distributed, magnitude 0.1"
    GAUSSIAN = "random Gaussian factors"
    SPECTRAL = "spectral"


@dataclass(frozen=True)
class Analysis:
    """A row of Table 1 with what is run for it.

    Attributes:
        row: Which of `wnsense.theory.published_rates.TABLE_1`.
        method: What is run; None where there is none here.
        start: Where it begins.
        magnitude: alpha^2 of Gaussian factors.
        noise: Standard deviation over the root mean square of the measurements.
        reason: Why nothing is run; empty otherwise.
    """

    row: int
    method: RateMethod | None
    start: RateStart = RateStart.HAAR
    magnitude: float = 0.1
    noise: float = 0.0
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse rows that are not there, and rows left out without a reason."""
        require(0 <= self.row < len(TABLE_1), f"a row from 0 to {len(TABLE_1) - 1}", self.row)
        require((self.method is None) == bool(self.reason), "a method, or the reason why there is none", self.method)
        require_level("noise", self.noise)

    @property
    def rate(self) -> Rate:
        """What is stated."""
        return TABLE_1[self.row]

    @property
    def kind(self) -> Kind:
        """Of the unknown: with two factors it is measured as any matrix, as the source has it."""
        return Kind.RECTANGULAR if self.rate.model is FactorModel.RECTANGULAR else Kind.PSD


@dataclass(frozen=True)
class RateSetting:
    """The common setting; ||A||_2 = 1, Gaussian measurements.

    Attributes:
        size: m.
        true_rank: r_A.
        rank: r where an analysis allows for surplus; r_A elsewhere.
        condition: kappa; eigenvalues are evenly spaced from 1 to 1/kappa.
        measurements: n.
    """

    size: int
    true_rank: int
    rank: int
    condition: float
    measurements: int

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        require_rank("the true rank", self.true_rank, self.size)
        require_rank("the working rank", self.rank, self.size)


@dataclass(frozen=True)
class RateRun:
    """One call of the loop, from several starts at once.

    Attributes:
        analysis: What is run.
        setting: Where.
        step_size: eta.
        seeds: Of the starts; they share the problem.
        steps: The budget.
    """

    analysis: Analysis
    setting: RateSetting
    step_size: float
    seeds: tuple[int, ...]
    steps: int

    @property
    def width(self) -> int:
        """The working rank that the analysis is of."""
        return self.setting.rank if self.analysis.rate.overparameterized else self.setting.true_rank

    @property
    def key(self) -> str:
        """A name for a file: the same for the same run, in every process, and another for every other."""
        return f"run_{hashed(asdict(self))[:20]}"


@dataclass(frozen=True)
class RatePlan:
    """A scale of the study.

    Attributes:
        settings: Common settings, alike but for kappa.
        step_sizes: The grid of eta, the same for every method.
        tuning_seeds: By which it is chosen.
        seeds: That count.
        tuning_steps: The budget of a choice.
        steps: The budget.
        levels: Relative errors, falling; the steps to each are counted, and the step size is chosen by the middle one.
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
        """The level by which step sizes are chosen."""
        return self.levels[len(self.levels) // 2]

    def tuning(self, analysis: Analysis, setting: RateSetting) -> list[RateRun]:
        """One run for each step size."""
        return [RateRun(analysis, setting, size, self.tuning_seeds, self.tuning_steps) for size in self.step_sizes]


@dataclass(frozen=True)
class RateSpecification(Specification[RatePlan]):
    """Specification of Table 1.

    Attributes:
        analyses: One analysis for each row of Table 1.
    """

    analyses: tuple[Analysis, ...]

    @property
    def form(self) -> str:
        """Form of the table: stated rates beside counted steps."""
        return "rates"

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return {"plan": asdict(self.plan(scale)), "analyses": [asdict(analysis) for analysis in self.analyses]}
