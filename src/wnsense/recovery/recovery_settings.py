"""Settings of one recovery."""

from dataclasses import dataclass
from typing import Any

from wnsense.running.stop import Stop
from wnsense.solvers.solver import Solver

# Ranks tried above the user's bound: they show that the bound excludes a better fit.
_SURPLUS = 2
# The last fits end after some steps that lower the residual by less than this share.
_LAST_GAIN, _LAST_STAGNATION = 0.01, 3


@dataclass(frozen=True)
class Settings:
    """Settings of one recovery.

    Attributes:
        solver: Solver of the growth.
        max_rank: Largest rank to return; None for no limit.
        tolerance: Relative residual, fitted and held out, at which a fit is exact.
        seed: Seed of the hold-out and of the starts.
    """

    solver: Solver[Any]
    max_rank: int | None
    tolerance: float
    seed: int

    @property
    def target(self) -> float:
        """Relative residual at which runs end: below the tolerance, for held-out rows have larger residuals."""
        return self.tolerance / 10

    @property
    def widest_rank(self) -> int | None:
        """Largest rank to try."""
        return None if self.max_rank is None else self.max_rank + _SURPLUS

    @property
    def last_stop(self) -> Stop:
        """Rules by which the last fits end."""
        return Stop(residual=self.target, stagnation=_LAST_STAGNATION, gain=_LAST_GAIN)
