"""Result of a published method, and the limits of its run."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wnsense.sensing.low_rank import LowRank


@dataclass(frozen=True)
class PublishedResult:
    """Matrix that a published method returned, with its cost.

    Attributes:
        left: Left factor `L` of the matrix `L R^H`, (m1, r).
        right: Right factor `R`, (m2, r); None for the matrix `L L^H`.
        given_rank: Rank `r` that the method was told. `recover()` is told none.
        outer_iterations: Number of iterations of the method.
        inner_iterations: Number of iterations of the linear solver within them; 0 for a method without one.
        applications: Number of products with the operator: one for `M` on a matrix, one for `M*` on one or both sides.
        seconds: CPU time of the process in seconds.
        residual: Relative residual `||M(Z) - y|| / ||y||` at the end.
        converged: True if the run ended by the method's own stopping rule, a residual below `Limits.residual`.
    """

    left: np.ndarray
    right: np.ndarray | None
    given_rank: int
    outer_iterations: int
    inner_iterations: int
    applications: int
    seconds: float
    residual: float
    converged: bool

    @property
    def matrix(self) -> LowRank:
        """Matrix by its factors, as tensors."""
        left = torch.from_numpy(self.left)
        core = torch.eye(left.shape[1], dtype=left.dtype)
        return LowRank(left, core, None if self.right is None else torch.from_numpy(self.right))


# A relative residual above it has diverged; that of the zero matrix is 1.
_DIVERGED = 1e3


@dataclass(frozen=True)
class Spent:
    """Iterations, products and time of a run.

    Attributes:
        outer_iterations: Number of iterations.
        inner_iterations: Number of iterations of the linear solver within them.
        applications: Number of products with the operator.
        began: CPU time of the process at the start, in seconds.
    """

    outer_iterations: int
    inner_iterations: int
    applications: int
    began: float


@dataclass(frozen=True)
class Limits:
    """Limits of a run: it ends at a residual, after some CPU time, or where the residual stagnates or diverges.

    Attributes:
        residual: Relative residual at which a run has converged.
        seconds: CPU time in seconds, checked after each iteration.
        window: Number of iterations over which the least residual must shrink.
        gain: Share by which it must shrink.
    """

    residual: float = 1e-12
    seconds: float = math.inf
    window: int = 30
    gain: float = 0.02

    def result(
        self, left: np.ndarray, right: np.ndarray | None, rank: int, spent: Spent, residual: float
    ) -> PublishedResult:
        """Return the result of a run that ended at a relative residual."""
        seconds = time.process_time() - spent.began
        counts = spent.outer_iterations, spent.inner_iterations, spent.applications
        return PublishedResult(left, right, rank, *counts, seconds, residual, residual <= self.residual)

    def are_met(self, residuals: Sequence[float], began: float) -> bool:
        """Return True if a run ends.

        Args:
            residuals: Relative residual of each iteration.
            began: CPU time of the process at the start, in seconds.
        """
        if residuals[-1] <= self.residual or not residuals[-1] <= _DIVERGED:
            return True
        # Whole windows only, since comparing after each iteration would cost more than a small problem's iteration.
        if len(residuals) >= 2 * self.window and len(residuals) % self.window == 0:
            last, before = residuals[-self.window :], residuals[-2 * self.window : -self.window]
            if min(last) > (1 - self.gain) * min(before):
                return True
        return time.process_time() - began > self.seconds


# Limits of methods that solve a linear system in each iteration, and of those that take a step. Near the limit of
# recovery, a dozen of the former and hundreds of the latter may gain nothing before a run converges.
SECOND_ORDER = Limits(window=30)
FIRST_ORDER = Limits(window=500)
