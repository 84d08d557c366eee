"""Data of the studies of curves: problems, runs, step sizes and curves."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from wnsense.checks import require, require_level, require_rank
from wnsense.lab.studies.frame.specification import Specification, file_key
from wnsense.lab.studies.study_methods import StudyMethod
from wnsense.manifolds.stiefel import Retraction
from wnsense.sensing.kinds import Kind
from wnsense.solvers.weight_norm import MagnitudeSet

# Steps of a run that are recorded at most: half of them at even distances, half in equal ratios.
_MOST_POINTS = 200

# Squared errors below this are rounding, by dtype.
ROUNDING = {"float64": 1e-24, "float32": 1e-10}


class Rows(StrEnum):
    """Rows on which the methods iterate; each choice gives the same steps in exact arithmetic.

    ALL: all `n` rows. COMPRESSED: the `D` rows with the same least squares, `D` the dimension. FACTOR: the triangular
    factor of Gaussian rows without noise, drawn by its own law (`TriangularSensing`).
    """

    ALL = "all"
    COMPRESSED = "compressed"
    FACTOR = "factor"


class CurveEnsemble(StrEnum):
    """Ensembles of measurements."""

    GAUSSIAN = "gaussian"
    RADEMACHER = "rademacher"
    DCT = "dct"
    PAIRED = "paired rank-one"
    RANK_ONE = "rank-one"
    ENTRIES = "entries"


@dataclass(frozen=True)
class CurveCase:
    """A random problem with `||A||_2 = 1`.

    Attributes:
        size: Size `m` of the unknown.
        rank: Rank `r_A` of the truth.
        condition: Condition number `kappa`; eigenvalues are evenly spaced from 1 to `1/kappa`.
        measurements: Number `n` of measurements.
        noise: Standard deviation of the noise over the root mean square of the measurements.
        ensemble: Ensemble of the measurements.
        kind: Kind of the unknown, which is `m x m`.
        dtype: Precision of real numbers, float64 or float32.
        rows: Rows on which the methods iterate.
        seed: Seed of truth, operator and noise.
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
        """Check that such a problem exists."""
        require_rank("the rank", self.rank, self.size)
        require_level("noise", self.noise)
        is_law = self.ensemble is CurveEnsemble.GAUSSIAN and self.noise == 0
        require(self.rows is not Rows.FACTOR or is_law, "Gaussian rows without noise for their factor", self.ensemble)
        require(self.dtype in ROUNDING, "float64 or float32", self.dtype)

    @property
    def rounding(self) -> float:
        """Squared error below which only rounding is seen."""
        return ROUNDING[self.dtype]


@dataclass(frozen=True)
class StepSizes:
    """Step sizes and damping of a method.

    Attributes:
        direction: Step size `eta` of the X of WN, and of the factor of the other methods.
        magnitude: Step size `mu` of the Theta of WN; unused by the others.
        damping: Damping `lambda` of ScaledGD(lambda), `c` of PrecGD and of preconditioned WN; unused by the others.
    """

    direction: float
    magnitude: float = 2.0
    damping: float = 0.0

    def text(self, method: StudyMethod) -> str:
        """Return the values that a method uses, in words."""
        eta = f"eta {self.direction:g}"
        mu = f"{eta}, mu {self.magnitude:g}"
        texts = {
            StudyMethod.WN: mu,
            StudyMethod.GD: eta,
            StudyMethod.PRECGD: f"{eta}, c {self.damping:g}",
            StudyMethod.SCALEDGD_LAMBDA: f"{eta}, lambda {self.damping:g}",
            StudyMethod.PRECONDITIONED_WN: f"{mu}, c {self.damping:g}",
        }
        return texts[method]


@dataclass(frozen=True)
class CurveRun:
    """A run from several starts at once.

    Attributes:
        case: Problem.
        method: Method.
        width: Working rank `r`.
        step_sizes: Step sizes of the method.
        seeds: Seeds of the starts; all starts share the problem.
        steps: Number of steps.
        retraction: Retraction of WN.
        magnitude_set: Set to which WN constrains Theta.
    """

    case: CurveCase
    method: StudyMethod
    width: int
    step_sizes: StepSizes
    seeds: tuple[int, ...]
    steps: int
    retraction: Retraction = Retraction.POLAR
    magnitude_set: MagnitudeSet = MagnitudeSet.SYMMETRIC

    def __post_init__(self) -> None:
        """Check the working rank, the seeds and the number of steps."""
        require_rank("the working rank", self.width, self.case.size)
        require(self.seeds and self.steps >= 1, "at least one start and one step", f"{self.seeds}, {self.steps}")

    def recorded_steps(self) -> frozenset[int]:
        """Return the steps that are recorded: the first, the last, and at most about 200 in all."""
        even = np.linspace(0, self.steps, _MOST_POINTS // 2)
        ratios = np.geomspace(1, self.steps, _MOST_POINTS // 2)
        return frozenset(int(step) for step in np.concatenate([even, ratios]).round())


def run_key(run: CurveRun) -> str:
    """Return the name of the file of a run."""
    return file_key(run.method, run)


@dataclass(frozen=True)
class Tuning:
    """Choice of step sizes by the least median of the last squared error, for every method alike.

    Step sizes with which any start diverges are left out. Of several that reach rounding, the fastest is chosen.

    Attributes:
        run: Run of a trial; its step sizes are replaced, and its seeds are used for trials only.
        grid: Step sizes to choose from.
    """

    run: CurveRun
    grid: tuple[StepSizes, ...]

    def runs(self) -> list[CurveRun]:
        """Return a trial for each step size of the grid; none if the grid has only one."""
        return [replace(self.run, step_sizes=sizes) for sizes in self.grid] if len(self.grid) > 1 else []


@dataclass(frozen=True)
class Curve:
    """A curve of a figure: one method in one setting, over all starts and problems.

    Attributes:
        label: Label of the setting, which distinguishes the curves of one method.
        run: Run, whose step sizes and seed of the problem are replaced.
        tuning: Choice of the step sizes.
        data_seeds: Seeds of the problems.
        confirming: The same grid at the size of the curve, if the step sizes are chosen at another size. It shows
            whether the choice would be the same there.
    """

    label: str
    run: CurveRun
    tuning: Tuning
    data_seeds: tuple[int, ...] = (0,)
    confirming: Tuning | None = None

    def runs(self, sizes: StepSizes) -> list[CurveRun]:
        """Return the runs with the step sizes that were chosen, one for each problem."""
        return [replace(self.run, step_sizes=sizes, case=replace(self.run.case, seed=seed)) for seed in self.data_seeds]


@dataclass(frozen=True)
class CurveSpecification(Specification[tuple[Curve, ...]]):
    """Specification of a figure of curves; a plan is the tuple of its curves.

    Attributes:
        beside: Content of the second panel: `applications`, `ratio`, `floor`, `cone` or `reach`. `ratio` is that of
            curves to the first, `floor` the final error against noise, `cone` the least eigenvalue along the run.
            `reach` has no curves: it is the cost of each method against a number of the setting.
        against: That number: `condition`, `width`, or `label` for settings that are no numbers.
    """

    beside: str = "applications"
    against: str = ""

    @property
    def form(self) -> str:
        """Form of the table: squared errors along runs, or their ends over many settings."""
        return "settings" if self.beside == "reach" else "curves"
