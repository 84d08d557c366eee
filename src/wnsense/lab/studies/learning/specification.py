"""Data of the study of figure 1."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from wnsense.checks import require, require_rank
from wnsense.lab.studies.frame.specification import Specification, file_key

# Steps of a run that are measured at most, in equal ratios and at even distances: at first every step.
_SEEN_IN_RATIOS = 1_000
_SEEN_EVENLY = 100


class Sensed(StrEnum):
    """Kinds of measurements."""

    IDENTITY = "identity"
    GAUSSIAN = "gaussian"


@dataclass(frozen=True)
class LearningSetting:
    """A problem with `||A||_2 = 1`, run by Algorithm 1 from several starts at once.

    Attributes:
        sensed: Kind of the measurements.
        measurements: Number `n` of measurements, `m^2` for the identity.
        size: Size `m` of the unknown.
        rank: Rank `r_A` of the truth.
        width: Working rank `r`.
        condition: Condition number `kappa`; eigenvalues fall from 1 to `1/kappa` in equal ratios.
        seeds: Seeds of the starts; all starts share the truth and the measurements.
        steps: Number of steps.
        step_size: Step size `eta`.
        magnitude_step_size: Step size `mu`.
    """

    sensed: Sensed
    measurements: int
    size: int
    rank: int
    width: int
    condition: float
    seeds: tuple[int, ...]
    steps: int
    step_size: float = 1.0
    magnitude_step_size: float = 2.0

    def __post_init__(self) -> None:
        """Check the ranks, the seeds and the number of measurements."""
        require_rank("the rank", self.rank, self.size)
        require_rank("the working rank", self.width, self.size)
        require(self.rank <= self.width, f"a working rank of at least the rank {self.rank}", self.width)
        require(bool(self.seeds) and self.steps >= 1, "at least one start and one step", f"{self.seeds}, {self.steps}")
        whole = self.size**2
        is_whole = self.sensed is not Sensed.IDENTITY or self.measurements == whole
        require(is_whole, f"all {whole} entries measured by the identity", self.measurements)

    def seen_steps(self) -> frozenset[int]:
        """Return the steps that are measured; the steps of the table are among them."""
        ratios = np.geomspace(1, self.steps, min(_SEEN_IN_RATIOS, self.steps))
        even = np.linspace(0, self.steps, min(_SEEN_EVENLY, self.steps) + 1)
        return frozenset(int(step) for step in np.concatenate([ratios, even]).round())


def setting_key(setting: LearningSetting) -> str:
    """Return the name of the file of a setting's run."""
    return file_key(setting.sensed, setting)


@dataclass(frozen=True)
class LearningSpecification(Specification[tuple[LearningSetting, ...]]):
    """Specification of figure 1: one run of Algorithm 1 seen from six sides, with several kinds of measurements."""

    table_form: ClassVar[str | None] = "learning"
