"""Description of a random sparse problem, and rates in words."""

from dataclasses import dataclass

from wnsense.checks import require

# Ratios of learning rates eta; None is plain flow or descent, without weight normalization.
Rate = float | None
Rates = tuple[Rate, ...]


@dataclass(frozen=True)
class SparseDrawing:
    """Random problem: `A` has Gaussian entries of variance `1/M`, the truth Gaussian nonzeros at random places.

    Attributes:
        rows: Number of rows M.
        columns: Number of columns N.
        sparsity: Number of nonzeros `s`.
        seed: Seed of `A`, which is the same for every sparsity.
        least_norm: Value to which the least l1 norm `Q` is scaled; None leaves the nonzeros standard normal.
    """

    rows: int
    columns: int
    sparsity: int
    seed: int
    least_norm: float | None = None

    def __post_init__(self) -> None:
        """Check the sizes."""
        require(1 <= self.sparsity <= self.columns, f"a sparsity from 1 to {self.columns}", self.sparsity)
        require(self.rows < self.columns, "fewer rows than columns", f"{self.rows} and {self.columns}")


GAUSSIAN_MAP = (
    "A has Gaussian entries of variance 1/M, the truth Gaussian nonzeros at random places; networks are signed"
)


def rate_name(ratio: Rate) -> str:
    """Return a rate as part of a name."""
    return "plain" if ratio is None else f"eta = {ratio:g}"


def rate_words(ratio: Rate) -> str:
    """Return a rate as part of a sentence."""
    return "without WN" if ratio is None else f"WN at eta = {ratio:g}"
