"""What the study of images is: photographs, models, measurements, budgets and grids, as data."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np

from wnsense.checks import require, require_rank
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed
from wnsense.lab.studies.images.photographs import Photograph

# Points of a curve besides those that budgets ask for.
_POINTS = 40


class ImageMethod(StrEnum):
    """What is compared, by the names of the solvers' catalogue."""

    WN = "wn"
    GD = "gd"


class ImageModel(StrEnum):
    """As what a picture is measured."""

    RECTANGULAR = "rectangular"
    PSD = "psd"


@dataclass(frozen=True)
class Scene:
    """A picture to be recovered, single precision.

    Attributes:
        group: In which of the study's settings.
        photograph: The picture.
        model: As what it is measured.
        width: r, the columns of the point.
        measurements: n, Gaussian.
        magnitude_step_size: mu of WN.
        kept: Measure the best approximation of this rank instead of the picture; None measures the picture itself.
        seed: Of the measurements.
    """

    group: str
    photograph: Photograph
    model: ImageModel
    width: int
    measurements: int
    magnitude_step_size: float = 2.0
    kept: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        require_rank("the working rank", self.width, min(self.shape))
        require(self.measurements >= 1, "at least one measurement", self.measurements)
        if self.kept is not None:
            require_rank("the rank kept", self.kept, self.rank_limit)

    @property
    def rank_limit(self) -> int:
        """The largest rank that the picture can have."""
        return min(self.photograph.rows, self.photograph.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix that is measured."""
        m1, m2 = self.photograph.rows, self.photograph.columns
        return (m1, m2) if self.model is ImageModel.RECTANGULAR else (m1 + m2, m1 + m2)

    @property
    def unknowns(self) -> int:
        """The numbers of a matrix of this shape and kind."""
        m1, m2 = self.shape
        return m1 * m2 if self.model is ImageModel.RECTANGULAR else m1 * (m1 + 1) // 2

    def halved(self) -> "Scene":
        """The same picture at half the side, with about the same r/m and n over the unknowns: where one tunes."""
        of = self.photograph
        small = replace(of, block=2 * of.block, rows=of.rows // 2, columns=of.columns // 2)
        return replace(self, photograph=small, width=max(1, self.width // 2), measurements=self.measurements // 4)


@dataclass(frozen=True)
class ImageSetting:
    """What is tuned, for both methods alike.

    Attributes:
        step_size: eta.
        magnitude: The start is X_0 times this times the identity; GD takes its root to the factor.
    """

    step_size: float
    magnitude: float

    @property
    def text(self) -> str:
        """In words."""
        return f"eta {self.step_size:g}, start {self.magnitude:g}"


@dataclass(frozen=True)
class ImageRun:
    """One call of the loop, from several starts at once.

    Attributes:
        scene: The problem.
        method: What moves the point.
        setting: How far, and from how large a start.
        seeds: Of the starts.
        steps: How many are taken.
        wanted: Steps whose pictures are asked for, besides those of the curve.
    """

    scene: Scene
    method: ImageMethod
    setting: ImageSetting
    seeds: tuple[int, ...]
    steps: int
    wanted: tuple[int, ...]

    def recorded_steps(self) -> frozenset[int]:
        """The steps that are written down."""
        curve = np.geomspace(1, self.steps, _POINTS).round()
        return frozenset([0, self.steps, *self.wanted, *(int(step) for step in curve)])


@dataclass(frozen=True)
class ImagePlan:
    """A study at a scale.

    Attributes:
        scenes: What is recovered.
        budgets: In applications of M and M*, all that find the scale included.
        grid: What both methods are tuned over.
        seeds: Of the starts; pictures are shown of the first.
        tuning_seeds: Of the starts with which settings are chosen.
        timed_steps: Of how many steps of each method the median time is taken.
        unlimited: Whether `recover()` is run without any limit as well.
    """

    scenes: tuple[Scene, ...]
    budgets: tuple[int, ...]
    grid: tuple[ImageSetting, ...]
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...]
    timed_steps: int = 15
    unlimited: bool = False


@dataclass(frozen=True)
class ImageSpecification(Specification[ImagePlan]):
    """Specification of figure 4.

    Attributes:
        groups: Names of the settings of the scenes, each with a description.
    """

    groups: tuple[tuple[str, str], ...]

    @property
    def form(self) -> str:
        """Form of the table: pictures side by side."""
        return "images"

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return asdict(self.plan(scale))


def digest(value: ImagePlan | ImageRun | Scene) -> str:
    """The same for the same value in every process, and another for every other."""
    return hashed(asdict(value))
