"""What a study is: data only, so that it can be compared, hashed and written into the head of its table."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np

from wnsense.checks import require, require_level, require_rank
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed
from wnsense.manifolds.stiefel import Retraction
from wnsense.sensing.kinds import Kind
from wnsense.solvers.weight_norm import MagnitudeSet

# So many steps at most are written down of a run, half of them evenly and half of them in equal ratios.
_MOST_POINTS = 200

# Squared errors below this are rounding, by dtype.
ROUNDING = {"float64": 1e-24, "float32": 1e-10}


class CurveMethod(StrEnum):
    """What is compared, by the names of the solvers' catalogue: the paper's two, and three that came after GD."""

    WN = "wn"
    GD = "gd"
    PRECGD = "precgd"
    SCALEDGD_LAMBDA = "scaledgd-lambda"
    PRECONDITIONED_WN = "preconditioned-wn"


class Rows(StrEnum):
    """What is kept of the n rows; each gives the same steps in exact arithmetic.

    ALL: all of them. COMPRESSED: the D = dim that give the same least squares. FACTOR: the same, drawn by its own law
    (`TriangularSensing`), Gaussian and without noise only.
    """

    ALL = "all"
    COMPRESSED = "compressed"
    FACTOR = "factor"


class CurveEnsemble(StrEnum):
    """What measures."""

    GAUSSIAN = "gaussian"
    RADEMACHER = "rademacher"
    DCT = "dct"
    PAIRED = "paired rank-one"
    RANK_ONE = "rank-one"
    ENTRIES = "entries"


@dataclass(frozen=True)
class CurveCase:
    """A problem to be drawn; ||A||_2 = 1.

    Attributes:
        size: m.
        rank: r_A.
        condition: kappa; eigenvalues are evenly spaced from 1 down to 1/kappa.
        measurements: n.
        noise: Its standard deviation over the root mean square of the measurements.
        ensemble: What measures.
        kind: Of the unknown; it is m x m.
        dtype: float64 or float32, of its real numbers.
        rows: What is kept of the n rows.
        seed: Of truth, operator and noise.
    """

    size: int
    rank: int
    condition: float
    measurements: int
    noise: float = 0.0
    ensemble: CurveEnsemble = CurveEnsemble.GAUSSIAN
    kind: Kind = Kind.PSD
    dtype: str = "float64"
    rows: Rows = Rows.COMPRESSED
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no problem can be drawn of."""
        require_rank("the rank", self.rank, self.size)
        require_level("noise", self.noise)
        is_law = self.ensemble is CurveEnsemble.GAUSSIAN and self.noise == 0
        require(self.rows is not Rows.FACTOR or is_law, "Gaussian rows without noise for their factor", self.ensemble)
        require(self.dtype in ROUNDING, "float64 or float32", self.dtype)

    @property
    def rounding(self) -> float:
        """Squared errors from here on are those of the precision."""
        return ROUNDING[self.dtype]


@dataclass(frozen=True)
class StepSizes:
    """How far a method steps.

    Attributes:
        direction: eta, of WN's X and of the others' factor.
        magnitude: mu, of WN's Theta; the others have none.
        damping: lambda of ScaledGD(lambda), c of PrecGD and of preconditioned WN; the others have none.
    """

    direction: float
    magnitude: float = 2.0
    damping: float = 0.0

    def text(self, method: CurveMethod) -> str:
        """In words."""
        eta = f"eta {self.direction:g}"
        mu = f"{eta}, mu {self.magnitude:g}"
        texts = {
            CurveMethod.WN: mu,
            CurveMethod.GD: eta,
            CurveMethod.PRECGD: f"{eta}, c {self.damping:g}",
            CurveMethod.SCALEDGD_LAMBDA: f"{eta}, lambda {self.damping:g}",
            CurveMethod.PRECONDITIONED_WN: f"{mu}, c {self.damping:g}",
        }
        return texts[method]


@dataclass(frozen=True)
class CurveRun:
    """One call of the loop, from several starts at once.

    Attributes:
        case: The problem.
        method: What moves the point.
        width: r, the columns of the point.
        step_sizes: How far.
        seeds: Of the starts; they share the problem.
        steps: How many are taken.
        retraction: Of WN.
        magnitude_set: Where WN's Theta may be.
    """

    case: CurveCase
    method: CurveMethod
    width: int
    step_sizes: StepSizes
    seeds: tuple[int, ...]
    steps: int
    retraction: Retraction = Retraction.POLAR
    magnitude_set: MagnitudeSet = MagnitudeSet.SYMMETRIC

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        require_rank("the working rank", self.width, self.case.size)
        require(self.seeds and self.steps >= 1, "at least one start and one step", f"{self.seeds}, {self.steps}")

    @property
    def key(self) -> str:
        """A name for a file: the same for the same run, in every process, and another for every other."""
        return f"{self.method}_{hashed(asdict(self))[:20]}"

    def recorded_steps(self) -> frozenset[int]:
        """The steps that are written down: the first, the last, and at most about 200 in all."""
        even = np.linspace(0, self.steps, _MOST_POINTS // 2)
        ratios = np.geomspace(1, self.steps, _MOST_POINTS // 2)
        return frozenset(int(step) for step in np.concatenate([even, ratios]).round())


@dataclass(frozen=True)
class Tuning:
    """How step sizes are chosen, for every method alike: those with the least median of the last squared error.

    A setting with which any start diverges is out; of several that end at rounding, the one that is there first is
    taken.

    Attributes:
        run: What is run with each; its own step sizes do not matter and its seeds do not count elsewhere.
        grid: The step sizes to choose from.
    """

    run: CurveRun
    grid: tuple[StepSizes, ...]

    def runs(self) -> list[CurveRun]:
        """One run for each setting; none where there is no choice."""
        return [replace(self.run, step_sizes=sizes) for sizes in self.grid] if len(self.grid) > 1 else []


@dataclass(frozen=True)
class Curve:
    """A line of a figure: one method in one setting, over all its starts and problems.

    Attributes:
        label: What sets it apart, in words, beside its method.
        run: What is run, but for the step sizes and the seed of the problem.
        tuning: Where the step sizes come from.
        data_seeds: Of the problems.
        confirming: Where the step sizes were found at another size: the same grid at this one, to see whether it would
            have chosen alike; it chooses nothing.
    """

    label: str
    run: CurveRun
    tuning: Tuning
    data_seeds: tuple[int, ...] = (0,)
    confirming: Tuning | None = None

    def runs(self, sizes: StepSizes) -> list[CurveRun]:
        """With the step sizes that were chosen."""
        return [replace(self.run, step_sizes=sizes, case=replace(self.run.case, seed=seed)) for seed in self.data_seeds]


@dataclass(frozen=True)
class CurveSpecification(Specification[tuple[Curve, ...]]):
    """Specification of a figure of curves; a plan is the tuple of its curves.

    Attributes:
        beside: Content of the second panel: `applications`, `ratio` (of curves to the first), `floor` (final error
            against noise), `cone` (the least eigenvalue along the run), or `reach` (no curves: the cost of each method
            against a number of the setting).
        against: That number: `condition`, `width`, or `label` for settings that are no numbers.
    """

    beside: str = "applications"
    against: str = ""

    @property
    def form(self) -> str:
        """Form of the table: squared errors along runs, or their ends over many settings."""
        return "settings" if self.beside == "reach" else "curves"

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return [asdict(curve) for curve in self.plan(scale)]
