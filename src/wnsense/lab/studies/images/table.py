"""Table of the study of images as typed values, and the comparison of the methods in each scene."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float, Shaped

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.study_head import StudyHead, prefixed_arrays
from wnsense.lab.studies.frame.typed_table import NonEmpty, TableReader, TypedTable
from wnsense.lab.studies.images.photographs import Photograph
from wnsense.sensing.kinds import Kind

_WORDS = "images"
# A difference of this many dB is called visible.
_VISIBLE = 1.0
# Above this many dB pictures differ by the rounding of double precision.
ROUNDING = 200.0


class Equal(StrEnum):
    """Quantity that both methods are given alike."""

    STEPS = "equal steps"
    APPLICATIONS = "equal applications"
    TIME = "equal time"


# Arrays of every scene: those of each method, of `recover()`, of the reference and of the oracle.
_OF_A_METHOD = ("step", "applications", "psnr", "ssim", "pictures", "wanted", "seconds_a_step", "scores")
_OF_RECOVER = ("picture", "psnr", "ssim", "applications", "seconds")
_ARRAYS = (
    *(f"{method}_{name}" for method in ("wn", "gd") for name in _OF_A_METHOD),
    *(f"recover_{name}" for name in _OF_RECOVER),
    "reference",
    "oracle",
    "oracle_psnr",
    "oracle_ssim",
)


@dataclass(frozen=True, kw_only=True)
class SceneHead:
    """Entry of the head for a scene.

    Attributes:
        group: Setting of the study.
        photograph: Photograph that is measured.
        model: Kind of matrix as which it is measured.
        width: Working rank `r`.
        measurements: Number `n` of measurements.
        unknowns: Number of unknowns.
        settings: Tuned setting of each method, in words.
        grid: Settings that were tried, in words.
        recover_status: Status of each recovery.
        recover_rank: Rank of each recovery.
    """

    group: str
    photograph: Photograph
    model: Kind
    width: int
    measurements: int
    unknowns: int
    settings: Mapping[str, str]
    grid: tuple[str, ...]
    recover_status: tuple[str, ...]
    recover_rank: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ImageHead(StudyHead):
    """Head of the table.

    Attributes:
        scenes: Entries of the scenes.
        budgets: Budgets, in applications of M and M*.
        groups: Names of the settings of the study, each with a description.
    """

    scenes: NonEmpty[SceneHead]
    budgets: NonEmpty[int]
    groups: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class QualityCourse:
    """Quality of the pictures of a method along its run.

    Attributes:
        step: Steps, (points,).
        applications: Applications of M and M*, (points,).
        psnr: Peak signal to noise ratio in dB, (points, starts).
        ssim: Structural similarity, (points, starts).
        seconds_a_step: Processor time of a step, in seconds.
    """

    step: Shaped[np.ndarray, " points"]
    applications: Shaped[np.ndarray, " points"]
    psnr: Float[np.ndarray, "points starts"]
    ssim: Float[np.ndarray, "points starts"]
    seconds_a_step: float

    @property
    def seconds(self) -> Float[np.ndarray, " points"]:
        """Processor time of one start, in seconds, (points,)."""
        return self.step * self.seconds_a_step

    def quality(self, step: int) -> tuple[float, float]:
        """Return the medians over starts of PSNR and SSIM at a recorded step."""
        place = int(np.searchsorted(self.step, step))
        return float(np.median(self.psnr[place])), float(np.median(self.ssim[place]))

    def first_at(self, psnr: float) -> int | None:
        """Return the first recorded point whose median PSNR is at least a level, None if there is none."""
        reached = np.flatnonzero(np.median(self.psnr, axis=1) >= psnr)
        return int(reached[0]) if len(reached) else None


@dataclass(frozen=True)
class ImageScene:
    """A picture in a model, recovered by every method.

    Attributes:
        head: Entry of the head.
        arrays: Arrays of the scene by their names.
        budgets: Budgets, in applications of M and M*.
    """

    head: SceneHead
    arrays: Mapping[str, np.ndarray]
    budgets: tuple[int, ...]

    @property
    def photograph(self) -> str:
        """Name of the photograph."""
        return self.head.photograph.name

    @property
    def group(self) -> str:
        """Setting of the study."""
        return self.head.group

    @property
    def model(self) -> str:
        """Kind of matrix as which the photograph is measured."""
        return str(self.head.model)

    @property
    def label(self) -> str:
        """Photograph, model and setting in words."""
        return f"{self.photograph}, {self.model}, {self.group}"

    @property
    def sizes(self) -> str:
        """Sizes in words."""
        rows, columns = self.arrays["reference"].shape
        head = self.head
        return f"{rows} x {columns}, r = {head.width}, n = {head.measurements:,} of {head.unknowns:,} unknowns"

    def number(self, name: str) -> float:
        """Return a number of the table."""
        return float(self.arrays[name])

    def course(self, method: str) -> QualityCourse:
        """Return the quality of a method along its run."""
        names = ("step", "applications", "psnr", "ssim")
        step, applications, psnr, ssim = (self.arrays[f"{method}_{name}"] for name in names)
        return QualityCourse(step, applications, psnr, ssim, self.number(f"{method}_seconds_a_step"))

    def seconds(self, budget: int) -> float:
        """Return the time of a budget: that of GD for its applications, in seconds."""
        return float(self.arrays["gd_wanted"][budget]) * self.number("gd_seconds_a_step")

    def step_of(self, method: str, equal: Equal, budget: int) -> int:
        """Return the number of steps of a method at a budget."""
        wanted, count = self.arrays[f"{method}_wanted"], len(self.budgets)
        if method == "gd":
            return int(wanted[budget])
        return int(wanted[{Equal.APPLICATIONS: 0, Equal.TIME: 1, Equal.STEPS: 2}[equal] * count + budget])

    def quality(self, method: str, equal: Equal, budget: int) -> tuple[float, float]:
        """Return PSNR and SSIM of WN or GD, medians over starts."""
        return self.course(method).quality(self.step_of(method, equal, budget))

    def gain(self, equal: Equal, budget: int) -> tuple[float, float]:
        """Return PSNR and SSIM of WN minus those of GD."""
        wn, gd = (self.quality(method, equal, budget) for method in ("wn", "gd"))
        return wn[0] - gd[0], wn[1] - gd[1]

    def is_visibly_better(self, equal: Equal, budget: int, *, sign: int = 1) -> bool:
        """Return True if WN is visibly better than GD (sign 1), or GD than WN (sign -1)."""
        psnr, ssim = self.gain(equal, budget)
        return sign * psnr >= _VISIBLE and sign * ssim > 0

    def picture(self, method: str, equal: Equal, budget: int) -> Shaped[np.ndarray, "m1 m2"]:
        """Return the picture of the first start of WN or GD, as bytes."""
        later = len(self.budgets) if method == "wn" and equal is Equal.TIME else 0
        picture: np.ndarray = self.arrays[f"{method}_pictures"][later + budget]
        return picture

    def first_start(self, method: str, equal: Equal, budget: int) -> tuple[float, float]:
        """Return PSNR and SSIM of that picture."""
        course = self.course(method)
        place = int(np.searchsorted(course.step, self.step_of(method, equal, budget)))
        return float(course.psnr[place, 0]), float(course.ssim[place, 0])

    def recovery_at(self, equal: Equal, budget: int) -> int | None:
        """Return the place of the recovery with that limit, or of the last that had ended within the time.

        None is returned if no recovery had ended.
        """
        if equal is not Equal.TIME:
            return budget
        ended = np.flatnonzero(self.arrays["recover_seconds"][: len(self.budgets)] <= self.seconds(budget))
        return int(ended[-1]) if len(ended) else None

    def recovery_rank(self, place: int) -> str:
        """Return the rank of a recovery, in words."""
        return f"rank {self.head.recover_rank[place]}"

    def recovery_text(self, place: int) -> str:
        """Return the rank and the status of a recovery, in words."""
        return f"{self.recovery_rank(place)}, {self.head.recover_status[place].replace('_', ' ')}"

    def recovered(self, place: int) -> tuple[float, float]:
        """Return PSNR and SSIM of a recovery."""
        return float(self.arrays["recover_psnr"][place]), float(self.arrays["recover_ssim"][place])


@dataclass(frozen=True)
class ImageTable(TypedTable[ImageHead, ImageScene]):
    """Table of a study of images."""

    @property
    def groups(self) -> dict[str, list[ImageScene]]:
        """Scenes of each setting of the study."""
        names = dict.fromkeys(scene.group for scene in self.entries)
        return {name: [scene for scene in self.entries if scene.group == name] for name in names}


def _image_table(head: ImageHead, table: Table) -> ImageTable:
    require(head.form == _WORDS, f"the table of a study of {_WORDS}", f"form {head.form}")
    arrays = (prefixed_arrays(table, f"{place}_", _ARRAYS, _WORDS) for place in range(len(head.scenes)))
    scenes = zip(head.scenes, arrays, strict=True)
    return ImageTable(head, tuple(ImageScene(entry, columns, head.budgets) for entry, columns in scenes))


IMAGE_TABLES = TableReader(ImageHead, _WORDS, _image_table)
