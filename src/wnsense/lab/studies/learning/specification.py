"""What is run for figure 1, as data."""

from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np

from wnsense.checks import require, require_rank
from wnsense.lab.studies.frame.specification import Scale, Specification, hashed

# So many rows at most are seen of a run, most of them in equal ratios: every step at first, then one in a hundred.
_SEEN_IN_RATIOS = 1_000
_SEEN_EVENLY = 100


class Sensed(StrEnum):
    """What measures."""

    IDENTITY = "identity"
    GAUSSIAN = "gaussian"


@dataclass(frozen=True)
class LearningSetting:
    """One problem with ||A||_2 = 1, run by Algorithm 1 from several starts at once.

    Attributes:
        sensed: What measures.
        measurements: n; of the identity m^2.
        size: m.
        rank: r_A.
        width: r.
        condition: kappa; eigenvalues fall from 1 to 1/kappa in equal ratios.
        seeds: Of the starts; all share one truth and one M.
        steps: How many are taken.
        step_size: eta.
        magnitude_step_size: mu.
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
        """Refuse what cannot be run."""
        require_rank("the rank", self.rank, self.size)
        require_rank("the working rank", self.width, self.size)
        require(self.rank <= self.width, f"a working rank of at least the rank {self.rank}", self.width)
        require(bool(self.seeds) and self.steps >= 1, "at least one start and one step", f"{self.seeds}, {self.steps}")
        whole = self.size**2
        is_whole = self.sensed is not Sensed.IDENTITY or self.measurements == whole
        require(is_whole, f"all {whole} entries measured by the identity", self.measurements)

    @property
    def key(self) -> str:
        """A name for a file: the same for the same setting, in every process, and another for every other."""
        return f"{self.sensed}_{hashed(asdict(self))[:20]}"

    def seen_steps(self) -> frozenset[int]:
        """The steps at which everything is measured, those of the table among them."""
        ratios = np.geomspace(1, self.steps, min(_SEEN_IN_RATIOS, self.steps))
        even = np.linspace(0, self.steps, min(_SEEN_EVENLY, self.steps) + 1)
        return frozenset(int(step) for step in np.concatenate([ratios, even]).round())


@dataclass(frozen=True)
class LearningSpecification(Specification[tuple[LearningSetting, ...]]):
    """Specification of figure 1: one run of Algorithm 1 seen from six sides, with several kinds of measurements."""

    @property
    def form(self) -> str:
        """Form of the table: the course of runs beside the truth."""
        return "learning"

    def facts(self, scale: Scale) -> object:
        """Return the values that the numbers of the table depend on."""
        return [asdict(setting) for setting in self.plan(scale)]
