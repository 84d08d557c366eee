"""The table of the study of images as scenes, and who is ahead in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float, Shaped

from wnsense.checks import InputError
from wnsense.files.tables import Table

# From so many dB on a difference is called visible.
_VISIBLE = 1.0
# Above so many dB pictures differ by the rounding of double precision.
ROUNDING = 200.0


class Equal(StrEnum):
    """What two methods are given alike."""

    STEPS = "equal steps"
    APPLICATIONS = "equal applications"
    TIME = "equal time"


@dataclass(frozen=True)
class Course:
    """A method along its run.

    Attributes:
        step: Steps, (points,).
        applications: Of M and M*, (points,).
        psnr: In dB, (points, starts).
        ssim: The same shape.
        seconds_a_step: Processor time.
    """

    step: Shaped[np.ndarray, " points"]
    applications: Shaped[np.ndarray, " points"]
    psnr: Float[np.ndarray, "points starts"]
    ssim: Float[np.ndarray, "points starts"]
    seconds_a_step: float

    @property
    def seconds(self) -> Float[np.ndarray, " points"]:
        """Processor time of one start, (points,)."""
        return self.step * self.seconds_a_step

    def quality(self, step: int) -> tuple[float, float]:
        """PSNR and SSIM at a step that was written down, medians over starts."""
        place = int(np.searchsorted(self.step, step))
        return float(np.median(self.psnr[place])), float(np.median(self.ssim[place]))

    def first_at(self, psnr: float) -> int | None:
        """The first point written down whose median PSNR is at least so much; None where there is none."""
        there = np.flatnonzero(np.median(self.psnr, axis=1) >= psnr)
        return int(there[0]) if len(there) else None


@dataclass(frozen=True)
class ImageScene:
    """A picture in a model, recovered by every method.

    Attributes:
        facts: Of its setting, as the table's head has them.
        arrays: What the table holds of it.
        budgets: In applications.
    """

    facts: Mapping[str, object]
    arrays: Mapping[str, np.ndarray]
    budgets: tuple[int, ...]

    @property
    def photograph(self) -> str:
        """Its name."""
        of = self.facts["photograph"]
        return str(of["name"]) if isinstance(of, Mapping) else ""

    @property
    def group(self) -> str:
        """In which setting of the study."""
        return str(self.facts["group"])

    @property
    def model(self) -> str:
        """As what it was measured."""
        return str(self.facts["model"])

    @property
    def label(self) -> str:
        """In words."""
        return f"{self.photograph}, {self.model}, {self.group}"

    @property
    def sizes(self) -> str:
        """Its sizes in words."""
        rows, columns = self.arrays["reference"].shape
        n, unknowns = (int(str(self.facts[name])) for name in ("measurements", "unknowns"))
        return f"{rows} x {columns}, r = {self.facts['width']}, n = {n:,} of {unknowns:,} unknowns"

    def number(self, name: str) -> float:
        """A number of the table."""
        return float(self.arrays[name])

    def setting(self, method: str) -> str:
        """What was chosen for a method, in words."""
        settings = self.facts["settings"]
        return str(settings[method]) if isinstance(settings, Mapping) else ""

    def course(self, method: str) -> Course:
        """A method along its run."""
        names = ("step", "applications", "psnr", "ssim")
        step, applications, psnr, ssim = (self.arrays[f"{method}_{name}"] for name in names)
        return Course(step, applications, psnr, ssim, self.number(f"{method}_seconds_a_step"))

    def seconds(self, budget: int) -> float:
        """The time that stands for a budget: what GD takes for its applications."""
        return float(self.arrays["gd_wanted"][budget]) * self.number("gd_seconds_a_step")

    def step_of(self, method: str, equal: Equal, budget: int) -> int:
        """How far a method has gone."""
        wanted, count = self.arrays[f"{method}_wanted"], len(self.budgets)
        if method == "gd":
            return int(wanted[budget])
        return int(wanted[{Equal.APPLICATIONS: 0, Equal.TIME: 1, Equal.STEPS: 2}[equal] * count + budget])

    def quality(self, method: str, equal: Equal, budget: int) -> tuple[float, float]:
        """PSNR and SSIM of WN or GD, medians over starts."""
        return self.course(method).quality(self.step_of(method, equal, budget))

    def gain(self, equal: Equal, budget: int) -> tuple[float, float]:
        """PSNR and SSIM of WN less those of GD."""
        wn, gd = (self.quality(method, equal, budget) for method in ("wn", "gd"))
        return wn[0] - gd[0], wn[1] - gd[1]

    def is_visibly_better(self, equal: Equal, budget: int, *, sign: int = 1) -> bool:
        """Whether WN is better than GD (sign 1), or GD than WN (sign -1), by what is called visible."""
        psnr, ssim = self.gain(equal, budget)
        return sign * psnr >= _VISIBLE and sign * ssim > 0

    def picture(self, method: str, equal: Equal, budget: int) -> Shaped[np.ndarray, "m1 m2"]:
        """The picture of WN's or GD's first start, as bytes."""
        later = len(self.budgets) if method == "wn" and equal is Equal.TIME else 0
        picture: np.ndarray = self.arrays[f"{method}_pictures"][later + budget]
        return picture

    def first_start(self, method: str, equal: Equal, budget: int) -> tuple[float, float]:
        """PSNR and SSIM of that picture."""
        course = self.course(method)
        place = int(np.searchsorted(course.step, self.step_of(method, equal, budget)))
        return float(course.psnr[place, 0]), float(course.ssim[place, 0])

    def recovery_at(self, equal: Equal, budget: int) -> int | None:
        """Which of the recoveries stands at a budget: the one with that limit, or the last that had ended in time."""
        if equal is not Equal.TIME:
            return budget
        ended = np.flatnonzero(self.arrays["recover_seconds"][: len(self.budgets)] <= self.seconds(budget))
        return int(ended[-1]) if len(ended) else None

    def recovery_text(self, place: int) -> str:
        """How a recovery ended, in words."""
        ranks, statuses = self.facts["recover_rank"], self.facts["recover_status"]
        if not (isinstance(ranks, list) and isinstance(statuses, list)):
            return ""
        return f"rank {ranks[place]}, {str(statuses[place]).replace('_', ' ')}"

    def recovered(self, place: int) -> tuple[float, float]:
        """PSNR and SSIM of a recovery."""
        return float(self.arrays["recover_psnr"][place]), float(self.arrays["recover_ssim"][place])


def scenes_of(table: Table) -> list[ImageScene]:
    """The scenes of a table.

    Raises:
        InputError: When it is no table of a study of images.
    """
    told, budgets = table.header.get("scenes"), table.header.get("budgets")
    if table.header.get("form") != "images" or not isinstance(told, list) or not isinstance(budgets, list):
        raise InputError(f"needed the table of a study of images, got form {table.header.get('form')}")
    scenes = []
    for place, facts in enumerate(told):
        prefix = f"{place}_"
        arrays = {name.removeprefix(prefix): of for name, of in table.arrays.items() if name.startswith(prefix)}
        scenes.append(ImageScene(facts, arrays, tuple(int(budget) for budget in budgets)))
    return scenes
