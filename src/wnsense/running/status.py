"""Statuses of a run: a closed set, each with a text of advice."""

from enum import StrEnum


class Status(StrEnum):
    """Way in which a run ended; `str(status)` is its name in lower case, `advice` its meaning and what to do."""

    CONVERGED = "converged"
    REACHED_NOISE_FLOOR = "reached_noise_floor"
    OUT_OF_BUDGET = "out_of_budget"
    STAGNATED = "stagnated"
    DIVERGED = "diverged"
    DETERMINED_IN_PART = "determined_in_part"
    TOO_FEW_MEASUREMENTS = "too_few_measurements"
    NO_LOW_RANK_FIT = "no_low_rank_fit"
    INTERRUPTED = "interrupted"
    STOPPED_BY_USER = "stopped_by_user"

    @property
    def is_success(self) -> bool:
        """True if the matrix can be relied on, up to the reported residual."""
        return self in {Status.CONVERGED, Status.REACHED_NOISE_FLOOR}

    @property
    def advice(self) -> str:
        """Meaning of the status, and what to do about it."""
        return _ADVICE[self]


_ADVICE = {
    Status.CONVERGED: "The matrix explains the measurements to the tolerance, also those that were held out, if any.",
    Status.REACHED_NOISE_FLOOR: (
        "The matrix explains the measurements up to a residual that behaves like noise. "
        "More measurements, or less noisy ones, would give a more precise matrix."
    ),
    Status.OUT_OF_BUDGET: "The budget was spent too early: allow more applications, steps or seconds, or resume.",
    Status.STAGNATED: (
        "The residual stopped decreasing above the tolerance: try another start or a larger working rank, "
        "or a larger tolerance if the measurements are noisy."
    ),
    Status.DIVERGED: (
        "The residual is not finite: take smaller steps, or use the default solver, which limits its steps."
    ),
    Status.DETERMINED_IN_PART: (
        "The matrix explains the measurements, but they do not determine the rows and columns that `unidentified` "
        "names. All other entries are determined. Take measurements of these rows and columns, or leave them out."
    ),
    Status.TOO_FEW_MEASUREMENTS: (
        "There are too few measurements to determine the matrix: take more, or give a smaller max_rank "
        "or the noise level if you know them. The matrix returned is a guess."
    ),
    Status.NO_LOW_RANK_FIT: (
        "No matrix of low rank predicts measurements that were held out. Check that the measurements belong to this "
        "operator, in this order, and that the unknown is of this kind and of low rank. "
        "Do not use the matrix that is returned."
    ),
    Status.INTERRUPTED: "The run was interrupted after a whole step; a checkpoint allows it to be resumed.",
    Status.STOPPED_BY_USER: "The callback stopped the run; the best matrix so far is returned.",
}
