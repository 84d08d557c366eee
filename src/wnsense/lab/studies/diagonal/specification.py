"""What the studies of diagonal networks are made of: parts, frozen, each measured on its own; data only."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from wnsense.checks import require
from wnsense.lab.studies.frame.parts import part_facts
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed

# None among rates is plain flow or descent, without weight normalization.
Rates = tuple[float | None, ...]


@dataclass(frozen=True)
class Drawing:
    """A problem: A has Gaussian entries of variance 1/M, the truth Gaussian nonzeros at random places.

    Attributes:
        rows: M.
        columns: N.
        sparsity: s.
        seed: Of A; the same A for every sparsity.
        least_norm: What the least l1 norm Q is scaled to; None leaves the nonzeros standard normal.
    """

    rows: int
    columns: int
    sparsity: int
    seed: int
    least_norm: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        require(1 <= self.sparsity <= self.columns, f"a sparsity from 1 to {self.columns}", self.sparsity)
        require(self.rows < self.columns, "fewer rows than columns", f"{self.rows} and {self.columns}")


@dataclass(frozen=True)
class RecoveryPart:
    """Every start and rate on one problem at one depth, by discrete steps of the common rule.

    Attributes:
        drawing: The problem.
        depth: L.
        scales: alpha of the equal starts.
        ratios: eta; None is gradient descent.
        residual: The relative residual at which a cell rests.
        steps: The budget.
    """

    drawing: Drawing
    depth: int
    scales: tuple[float, ...]
    ratios: Rates
    residual: float
    steps: int

    @property
    def words(self) -> str:
        """What is run."""
        return f"s = {self.drawing.sparsity}, L = {self.depth}, problem {self.drawing.seed}"


@dataclass(frozen=True)
class TrajectoryPart:
    """One flow, integrated to a time.

    Attributes:
        drawing: The problem; the network is signed.
        depth: L.
        scale: alpha of the equal start.
        ratio: eta; None is plain flow.
        time: When to end.
        tolerance: Of the integrator.
    """

    drawing: Drawing
    depth: int
    scale: float
    ratio: float | None
    time: float
    tolerance: float = 1e-10

    @property
    def words(self) -> str:
        """What is run."""
        return f"flow, L = {self.depth}, {_rate_words(self.ratio)}"


@dataclass(frozen=True)
class BoundPart:
    """Limits of flows on one problem, their l1 norms beside the bounds.

    Attributes:
        drawing: The problem.
        depth: L.
        spread: Standard deviation of the logarithms of the start's entries; 0 is an equal start.
        scales: alpha, the entries' geometric mean.
        ratios: eta; None is plain flow.
        signed: Whether the network is; otherwise the truth is positive, with a dense part of a tenth of its size.
    """

    drawing: Drawing
    depth: int
    spread: float
    scales: tuple[float, ...]
    ratios: Rates
    signed: bool = True

    @property
    def words(self) -> str:
        """What is run."""
        start = "unequal" if self.spread else "equal"
        return f"limits, L = {self.depth}, {start} start, problem {self.drawing.seed}"


class Family(StrEnum):
    """How the rate of the magnitude is set."""

    PLAIN = "plain"
    CONSTANT = "constant"
    SQUARED = "squared"
    SCHEDULED = "scheduled"


@dataclass(frozen=True)
class GridPart:
    """Every ratio with every constant step size, on one problem.

    Attributes:
        drawing: The problem; the network is signed.
        depth: L.
        scale: alpha of the equal start.
        family: Plain descent; eta_r = eta; eta_r = eta r^2; eta_r = eta s_t with s_t from `first` to 1 in equal ratios.
        ratios: eta; one entry of no meaning for plain descent.
        lengths: Step sizes h: eta_u = h and eta_r = h times the above.
        residual: The relative residual at which a cell rests.
        steps: The budget.
        first: Of the schedule.
        over: Steps that the schedule takes.
    """

    drawing: Drawing
    depth: int
    scale: float
    family: Family
    ratios: tuple[float, ...]
    lengths: tuple[float, ...]
    residual: float
    steps: int
    first: float = 0.01
    over: int = 500

    @property
    def words(self) -> str:
        """What is run."""
        return f"grid of steps, {self.family}, L = {self.depth}, alpha = {self.scale:g}, problem {self.drawing.seed}"


@dataclass(frozen=True)
class RatePart:
    """The asymptotic rate of one flow and its bound on the loss.

    Attributes:
        drawing: The problem; the network is signed.
        depth: L.
        scale: alpha of the equal start.
        ratio: eta; None is plain flow.
        residual: Where the flow ends.
    """

    drawing: Drawing
    depth: int
    scale: float
    ratio: float | None
    residual: float

    @property
    def words(self) -> str:
        """What is run."""
        return f"rate, L = {self.depth}, alpha = {self.scale:g}, {_rate_words(self.ratio)}"


@dataclass(frozen=True)
class LayersPart:
    """Gradient flow on a multi-layer linear model, for every ratio.

    Attributes:
        sizes: Of the layers, from the product's rows to its columns.
        spread: Of Gaussian noise on layers that begin as parts of an identity: what makes them unbalanced.
        seed: Of layers and target.
        ratios: eta; None is plain flow.
    """

    sizes: tuple[int, ...]
    spread: float
    seed: int
    ratios: Rates

    def __post_init__(self) -> None:
        """Refuse a product that cannot have full rank."""
        require(len(self.sizes) >= 3, "at least two layers", len(self.sizes) - 1)
        narrow = min(self.sizes[0], self.sizes[-1])
        require(min(self.sizes) >= narrow, "hidden layers as wide as the narrower side", self.sizes)

    @property
    def words(self) -> str:
        """What is run."""
        return f"{len(self.sizes) - 1} layers, seed {self.seed}"


Part = RecoveryPart | TrajectoryPart | BoundPart | GridPart | RatePart | LayersPart


def part_key(part: Part) -> str:
    """A name for a file: the same for the same part, in every process, and another for every other."""
    return f"{type(part).__name__}_{hashed(asdict(part))[:20]}"


@dataclass(frozen=True)
class DiagonalSpecification(Specification[tuple[Part, ...]]):
    """Specification of a study of diagonal networks; a plan is the tuple of its parts."""

    @property
    def form(self) -> str:
        """Form of the table: that of this study alone."""
        return self.name

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return [part_facts(part) for part in self.plan(scale)]


def _rate_words(ratio: float | None) -> str:
    return "plain" if ratio is None else f"eta = {ratio:g}"
