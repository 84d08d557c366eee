"""Data of the study of images: photographs, models, measurements, budgets and grids."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from wnsense.checks import require, require_rank
from wnsense.lab.studies.frame.specification import Specification
from wnsense.lab.studies.images.photographs import Photograph
from wnsense.lab.studies.study_methods import StudyMethod
from wnsense.sensing.kinds import Kind

# Points of a curve beside the steps of the budgets.
_POINTS = 40
# Kinds of matrix as which a picture is measured.
MODELS = (Kind.RECTANGULAR, Kind.PSD)


@dataclass(frozen=True)
class Scene:
    """A picture to be recovered, in single precision.

    Attributes:
        group: Setting of the study.
        photograph: Picture.
        model: Kind of matrix as which it is measured.
        width: Working rank `r`.
        measurements: Number `n` of Gaussian measurements.
        magnitude_step_size: Step size `mu` of WN.
        kept: Rank of the best approximation that is measured; None to measure the picture itself.
        seed: Seed of the measurements.
    """

    group: str
    photograph: Photograph
    model: Kind
    width: int
    measurements: int
    magnitude_step_size: float = 2.0
    kept: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the model, the ranks and the number of measurements."""
        require(self.model in MODELS, f"one of {', '.join(MODELS)}", self.model)
        require_rank("the working rank", self.width, min(self.shape))
        require(self.measurements >= 1, "at least one measurement", self.measurements)
        if self.kept is not None:
            require_rank("the rank kept", self.kept, self.rank_limit)

    @property
    def rank_limit(self) -> int:
        """Largest rank that the picture can have."""
        return min(self.photograph.rows, self.photograph.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix that is measured."""
        m1, m2 = self.photograph.rows, self.photograph.columns
        return (m1 + m2, m1 + m2) if self.model.is_symmetric else (m1, m2)

    @property
    def unknowns(self) -> int:
        """Dimension of the matrices of this shape and kind."""
        return self.model.dimension(self.shape, is_complex=False)

    def halved(self) -> "Scene":
        """Return the scene at half the side, with about the same `r/m` and the same share of measurements."""
        full = self.photograph
        small = replace(full, block=2 * full.block, rows=full.rows // 2, columns=full.columns // 2)
        return replace(self, photograph=small, width=max(1, self.width // 2), measurements=self.measurements // 4)


@dataclass(frozen=True)
class ImageSetting:
    """Values that are tuned, for both methods alike.

    Attributes:
        step_size: Step size `eta`.
        magnitude: Magnitude of the start: `Theta_0` is this times the identity, and the factor of GD has its root.
    """

    step_size: float
    magnitude: float

    @property
    def text(self) -> str:
        """The values in words."""
        return f"eta {self.step_size:g}, start {self.magnitude:g}"


@dataclass(frozen=True)
class ImageRun:
    """A run from several starts at once.

    Attributes:
        scene: Problem.
        method: Method.
        setting: Step size, and magnitude of the start.
        seeds: Seeds of the starts.
        steps: Number of steps.
        wanted: Steps whose pictures are kept, beside the points of the curve.
    """

    scene: Scene
    method: StudyMethod
    setting: ImageSetting
    seeds: tuple[int, ...]
    steps: int
    wanted: tuple[int, ...]

    def recorded_steps(self) -> frozenset[int]:
        """Return the steps that are recorded."""
        curve = np.geomspace(1, self.steps, _POINTS).round()
        return frozenset([0, self.steps, *self.wanted, *(int(step) for step in curve)])


@dataclass(frozen=True)
class ImagePlan:
    """Plan of the study at a scale.

    Attributes:
        scenes: Scenes that are recovered.
        budgets: Budgets in applications of M and M*, calibration included.
        grid: Settings over which both methods are tuned.
        seeds: Seeds of the starts; pictures of the first are shown.
        tuning_seeds: Seeds of the starts by which settings are chosen.
        timed_steps: Number of steps of each method whose median time is taken.
        unlimited: True to run `recover()` without a limit too.
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

    table_form: ClassVar[str | None] = "images"
