"""Tables of the studies of deep networks as typed values: runs that differ in their seed only, and powers over runs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.part_tables import Arrays, measured_parts
from wnsense.lab.studies.frame.study_head import StudyHead
from wnsense.lab.studies.networks.specification import CurvaturePart, KinkPart, TrainingPart
from wnsense.networks.measuring.power_fit import Exponent, fit_powers
from wnsense.networks.network import Scaling

CONFIDENCE = 0.95
# Powers of the length of rows `w` in `1 / min(w, w^2)`, below 1 and above 1.
SHORT, LONG = -2.0, -1.0
WORDS = "deep networks"

PartKind = TypeVar("PartKind", bound=TrainingPart | CurvaturePart | KinkPart)


@dataclass(frozen=True)
class FileFacts:
    """File that images were read from."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ImageFacts:
    """Set of images that a table was made from.

    Attributes:
        images: Name of the set.
        train: Largest number of images to train on.
        test: Largest number of images to test on.
        files: Files of the set; empty for images of a package.
    """

    images: str
    train: int
    test: int
    files: tuple[FileFacts, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NetworkHead(StudyHead):
    """Head of a table; `data` are its sets of images."""

    data: tuple[ImageFacts, ...] = ()


@dataclass(frozen=True)
class NetworkKind:
    """Kind of a network: with or without weight normalization, and its scaling."""

    normalized: bool
    scaling: Scaling


@dataclass(frozen=True)
class Runs(Generic[PartKind]):
    """Runs of one part that differ in their seed only.

    Attributes:
        part: Specification of the part, with the first seed.
        arrays: Arrays of each seed by their names, as the modules that measure describe them.
    """

    part: PartKind
    arrays: Sequence[Arrays]

    def stack(self, name: str) -> Float[np.ndarray, "seeds ..."]:
        """Return an array of all seeds.

        Raises:
            InputError: If a seed has no array of that name.
        """
        if any(name not in arrays for arrays in self.arrays):
            raise InputError(f"needed a table with {name} for every part, got one without; run the study again")
        return np.stack([arrays[name] for arrays in self.arrays])

    def first(self, name: str) -> Float[np.ndarray, " seeds"]:
        """Return the first entry of an array for each seed: the only one, or that of the start."""
        return np.asarray(self.stack(name)[:, 0])

    def last(self, name: str) -> Float[np.ndarray, " seeds"]:
        """Return the last entry of an array for each seed, that of the end."""
        return np.asarray(self.stack(name)[:, -1])

    @property
    def width(self) -> int:
        """Width `m`."""
        return self.part.design.width

    @property
    def depth(self) -> int:
        """Depth `L`."""
        return self.part.design.depth

    @property
    def activation(self) -> str:
        """Name of the activation."""
        return self.part.design.activation

    @property
    def kind(self) -> NetworkKind:
        """Normalization and scaling."""
        return NetworkKind(self.part.design.normalized, self.part.design.scaling)


TrainingRuns = Runs[TrainingPart]
CurvatureRuns = Runs[CurvaturePart]
KinkRuns = Runs[KinkPart]


def runs_of(table: Table, kind: type[PartKind], array: str) -> list[Runs[PartKind]]:
    """Return the parts of one kind, seeds together, in the order in which they were run.

    Args:
        table: Table of a study of deep networks.
        kind: Dataclass of the parts.
        array: Name of an array that every part has.

    Raises:
        InputError: If there is no such part, or one without that array.
    """
    groups: dict[PartKind, Runs[PartKind]] = {}
    for measured in measured_parts(table, WORDS, kind, array):
        part, arrays = measured.part, measured.arrays
        key = replace(part, seed=0)
        others = groups[key].arrays if key in groups else ()
        groups[key] = Runs(groups[key].part if key in groups else part, (*others, arrays))
    return list(groups.values())


def steps_per_epoch(run: TrainingRuns) -> int:
    """Return the number of steps of SGD in an epoch."""
    return math.ceil(run.part.sampling.train / run.part.batch)


def mean_interval(
    values: Float[np.ndarray, "seeds ..."],
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Return the mean over seeds, and half of Student's 95% interval.

    Both are NaN if a seed is NaN; the interval of a single seed is infinite.
    """
    count = len(values)
    if count < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.inf)
    half = student.ppf((1 + CONFIDENCE) / 2, count - 1) * values.std(axis=0, ddof=1) / math.sqrt(count)
    return values.mean(axis=0), np.asarray(half)


def power_over(
    sweep: Sequence[Runs[PartKind]],
    x: Callable[[Runs[PartKind]], float],
    values: Callable[[Runs[PartKind]], np.ndarray],
) -> Exponent:
    """Return the power of one variable in a measured quantity, with Student's 95% interval over seeds.

    Args:
        sweep: Networks that differ in the variable.
        x: Function that returns the variable.
        values: Function that returns the quantity, one number for each seed.

    Raises:
        InputError: If there are fewer than three networks or two seeds, or a number is not positive.
    """
    places = np.array([x(run) for run in sweep])
    y = np.stack([values(run) for run in sweep])
    return fit_powers({"x": places}, y, confidence=CONFIDENCE).exponents["x"]


def is_within_row_bound(power: Exponent, published: float) -> bool:
    """Return True if a power of the length of rows stays within a bound that has the published power.

    For short rows, near 0, the power must not be more negative than that of the bound; for long rows it must not be
    less negative. A power whose interval contains the published one is within the bound.

    Args:
        power: Measured power.
        published: Published power, `SHORT` or `LONG`.
    """
    return power.high >= published if published == SHORT else power.low <= published
