"""Part of a study: every ratio with every constant step size, on one problem."""

from dataclasses import dataclass
from enum import StrEnum

from wnsense.lab.studies.diagonal.diagonal_parts import DiagonalPart


class RateFamily(StrEnum):
    """Rule of the magnitude's rate."""

    PLAIN = "plain"
    CONSTANT = "constant"
    SQUARED = "squared"
    SCHEDULED = "scheduled"


@dataclass(frozen=True)
class GridPart(DiagonalPart):
    """Every ratio with every constant step size, on one problem; the network is signed.

    Attributes:
        scale: Scale `alpha` of the equal start.
        family: Plain descent; `eta_r = eta`; `eta_r = eta r^2`; or `eta_r = eta s_t` with `s_t` from `first` to 1 in
            equal ratios.
        ratios: Ratios `eta`; plain descent has one entry without a meaning.
        lengths: Step sizes `h`: `eta_u = h`, and `eta_r` is `h` times the above.
        residual: Relative residual at which a cell rests.
        steps: Largest number of steps.
        first: First factor of the schedule.
        over: Number of steps of the schedule.
    """

    scale: float
    family: RateFamily
    ratios: tuple[float, ...]
    lengths: tuple[float, ...]
    residual: float
    steps: int
    first: float = 0.01
    over: int = 500


def geometric_values(low: float, high: float, count: int) -> tuple[float, ...]:
    """Return values in equal ratios, rounded to three digits so that a specification is readable."""
    ratio = (high / low) ** (1 / (count - 1))
    return tuple(float(f"{low * ratio**place:.3g}") for place in range(count))
