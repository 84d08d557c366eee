"""Cases of Theorem 3.2 and their variables, for the studies that sweep over them."""

from dataclasses import dataclass
from enum import StrEnum

from wnsense.checks import require
from wnsense.theory.convergence import TheoremSetting


class Varied(StrEnum):
    """Variable of a sweep."""

    CONDITION = "kappa"
    SIZE = "m"
    RANK = "r"
    TRUE_RANK = "r_A"
    RATIO = "r_A, r = p r_A"
    STEP_SIZE = "eta"
    MEASUREMENTS = "n"


@dataclass(frozen=True)
class TheoremCase:
    """Matrix with `||A||_2 = 1`, and the working rank of Algorithm 1.

    Attributes:
        size: Side `m` of the matrix.
        rank: Working rank `r`, the number of columns of `X`.
        true_rank: Rank of the matrix, `r_A`.
        condition: Condition number `kappa`; eigenvalues are evenly spaced from 1 to `1 / kappa`.
    """

    size: int
    rank: int
    true_rank: int
    condition: float

    @property
    def setting(self) -> TheoremSetting:
        """Variables of the theorem."""
        return TheoremSetting(self.size, self.rank, self.true_rank, self.condition)

    def value(self, varied: Varied) -> float:
        """Return the value of a variable.

        Raises:
            InputError: If the case has no such variable.
        """
        values = {
            Varied.CONDITION: self.condition,
            Varied.SIZE: self.size,
            Varied.RANK: self.rank,
            Varied.TRUE_RANK: self.true_rank,
        }
        require(varied in values, "a coordinate of a case", varied)
        return float(values[varied])
