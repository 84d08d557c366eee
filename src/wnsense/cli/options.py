"""What was asked for on the command line; plain values, so that `--help` needs no numerical library."""

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path


class Ensemble(StrEnum):
    """The measurements that `simulate` can draw."""

    GAUSSIAN = "gaussian"
    RADEMACHER = "rademacher"
    RANK_ONE = "rank-one"
    PAIRED = "paired"
    BLOCK_RANK = "block-rank"
    ENTRIES = "entries"
    SUB_BLOCKS = "sub-blocks"
    DCT = "dct"
    HADAMARD = "hadamard"
    FOURIER = "fourier"
    DIFFRACTION = "diffraction"
    PAULI = "pauli"
    POVM = "povm"


class Spectrum(StrEnum):
    """The shapes of spectrum that `simulate` can draw."""

    LINEAR = "linear"
    GEOMETRIC = "geometric"


class Unknown(StrEnum):
    """The kinds of unknown that a problem file can hold."""

    PSD = "psd"
    SYMMETRIC = "symmetric"
    HERMITIAN = "hermitian"
    RECTANGULAR = "rectangular"


class Precision(StrEnum):
    """The dtypes that a file's numbers can be computed in."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"


class GridName(StrEnum):
    """The grids that `bench` can run."""

    QUICK = "quick"
    FULL = "full"
    TRANSITION = "transition"
    LIMIT = "limit"
    NOISE = "noise"


class StudyName(StrEnum):
    """The studies that `study` can run."""

    FIGURE_1 = "figure-1"
    FIGURE_2A = "figure-2a"
    FIGURE_2B = "figure-2b"
    FIGURE_2C = "figure-2c"
    FIGURE_3A = "figure-3a"
    FIGURE_3B = "figure-3b"
    FIGURE_4 = "figure-4"
    BEYOND_CONDITION = "beyond-condition"
    BEYOND_RANK = "beyond-rank"
    BEYOND_ENSEMBLES = "beyond-ensembles"
    BEYOND_KINDS = "beyond-kinds"
    BEYOND_CONE = "beyond-cone"
    TABLE_1 = "table-1"
    EXPONENTS = "exponents"
    SAMPLES = "samples"
    DIAGONAL_RECOVERY = "diagonal-recovery"
    DIAGONAL_TRAJECTORIES = "diagonal-trajectories"
    DIAGONAL_BOUND = "diagonal-bound"
    DIAGONAL_RATIO = "diagonal-ratio"
    DIAGONAL_SPEED = "diagonal-speed"
    NETWORKS_TRAINING = "networks-training"
    NETWORKS_CURVATURE = "networks-curvature"
    NETWORKS_GENERALIZATION = "networks-generalization"
    NETWORKS_MINIMUM_NORM = "networks-minimum-norm"
    NETWORKS_ACTIVATIONS = "networks-activations"
    NETWORKS_RATES = "networks-rates"


class StudyScale(StrEnum):
    """How large `study` runs them."""

    QUICK = "quick"
    PAPER = "paper"


class ReportFormat(StrEnum):
    """What `report` can write."""

    HTML = "html"
    PNG = "png"
    SVG = "svg"
    PDF = "pdf"
    CSV = "csv"


@dataclass(frozen=True)
class RecoverOptions:
    """Of `wnsense recover`; what each means is said in its help."""

    problem: Path
    out: Path | None = None
    rank: int | None = None
    noise_level: float | None = None
    solver: str = "conjugate-wn"
    max_applications: int | None = None
    max_seconds: float | None = None
    tolerance: float | None = None
    holdout: float | None = None
    seed: int = 0
    device: str = "cpu"
    dtype: Precision = Precision.FLOAT64
    robust: bool = False
    resume: bool = False
    quiet: bool = False

    def words(self) -> list[str]:
        """What to type for these options, the command's name included and defaults left out."""
        # A name like an option's would be taken for one.
        name = f"./{self.problem}" if str(self.problem).startswith("-") else str(self.problem)
        words = ["recover", name]
        for option in fields(self)[1:]:
            value: object = getattr(self, option.name)
            if value != option.default:
                words.append(f"--{option.name.replace('_', '-')}")
                words += [] if value is True else [str(value)]
        return words


@dataclass(frozen=True)
class CheckOptions:
    """Of `wnsense check`."""

    problem: Path
    seed: int


@dataclass(frozen=True)
class SparseOptions:
    """Of `wnsense sparse`."""

    problem: Path
    out: Path | None
    seed: int
    quiet: bool


@dataclass(frozen=True)
class SimulateOptions:
    """Of `wnsense simulate`; None is what the ensemble has for it."""

    out: Path
    ensemble: Ensemble
    size: str | None
    rank: int
    condition: float
    spectrum: Spectrum
    measurements: int | None
    noise: float
    kind: Unknown | None
    seed: int
    matlab_73: bool


@dataclass(frozen=True)
class DemoOptions:
    """Of `wnsense demo`."""

    out: Path
    seed: int


@dataclass(frozen=True)
class NetworkDemoOptions:
    """Of `wnsense demo-networks`."""

    out: Path
    seed: int


@dataclass(frozen=True)
class BenchOptions:
    """Of `wnsense bench`; None for jobs is two, or one where there are no two cores."""

    grid: GridName
    out: Path
    jobs: int | None
    rerun: tuple[str, ...]


@dataclass(frozen=True)
class StudyListOptions:
    """Of `wnsense study list`: none."""


@dataclass(frozen=True)
class StudyRunOptions:
    """Of `wnsense study run`."""

    name: StudyName
    scale: StudyScale
    out: Path
    resume: bool
    data: Path | None = None

    def words(self) -> list[str]:
        """What to type to go on."""
        words = ["study", "run", str(self.name), "--scale", str(self.scale), f"--out={self.out}"]
        return [*words, *([] if self.data is None else [f"--data={self.data}"]), "--resume"]


@dataclass(frozen=True)
class StudyShowOptions:
    """Of `wnsense study show`."""

    name: StudyName
    scale: StudyScale
    out: Path


@dataclass(frozen=True)
class ReportOptions:
    """Of `wnsense report`; None for the format is what the file's name says."""

    source: Path
    out: Path
    format: ReportFormat | None


StudyOptions = StudyListOptions | StudyRunOptions | StudyShowOptions
Options = (
    RecoverOptions
    | CheckOptions
    | SparseOptions
    | SimulateOptions
    | DemoOptions
    | NetworkDemoOptions
    | BenchOptions
    | StudyOptions
    | ReportOptions
)
