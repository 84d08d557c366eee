"""How a run can end: a closed set, whose texts are advice."""

from enum import StrEnum


class Status(StrEnum):
    """How a run ended. `str(status)` is its lower-case name; `advice` says what it means and what to do."""

    CONVERGED = "converged"
    REACHED_NOISE_FLOOR = "reached_noise_floor"
    OUT_OF_BUDGET = "out_of_budget"
    STAGNATED = "stagnated"
    DIVERGED = "diverged"
    TOO_FEW_MEASUREMENTS = "too_few_measurements"
    NO_LOW_RANK_FIT = "no_low_rank_fit"
    INTERRUPTED = "interrupted"
    STOPPED_BY_USER = "stopped_by_user"

    @property
    def is_success(self) -> bool:
        """Whether the matrix can be trusted to the residual that is reported."""
        return self in {Status.CONVERGED, Status.REACHED_NOISE_FLOOR}

    @property
    def advice(self) -> str:
        """What it means, and what to do about it."""
        return _ADVICE[self]


_ADVICE = {
    Status.CONVERGED: "The matrix explains the measurements to the tolerance, and where some were held out, those too.",
    Status.REACHED_NOISE_FLOOR: (
        "The matrix explains the measurements as far as they agree with each other; what is left behaves like noise. "
        "More measurements, or cleaner ones, would bring it closer."
    ),
    Status.OUT_OF_BUDGET: "The budget ended before the run did: allow more applications, steps or seconds, or resume.",
    Status.STAGNATED: (
        "The residual stopped falling above the tolerance: try another start or a larger working rank, "
        "or loosen the tolerance if the measurements are noisy."
    ),
    Status.DIVERGED: (
        "The residual left the range of numbers: take smaller steps, or the default solver, which guards itself."
    ),
    Status.TOO_FEW_MEASUREMENTS: (
        "There are too few measurements to tell a right matrix from a wrong one: take more, or give a smaller max_rank "
        "or the noise level if you know them. The matrix returned is a guess."
    ),
    Status.NO_LOW_RANK_FIT: (
        "No matrix of low rank predicts measurements that were held out: check that the measurements belong to this "
        "operator, in this order, and that the unknown is of this kind and of low rank. "
        "The matrix returned means nothing."
    ),
    Status.INTERRUPTED: "The run was interrupted; what was computed is kept, and a checkpoint lets it go on.",
    Status.STOPPED_BY_USER: "The callback asked to stop; the matrix is the best so far.",
}
