"""R2RILS (Bauch, Nadler and Zilber, arXiv 2002.01849): iterative least squares over matrices of twice the rank."""

import time
from dataclasses import dataclass

import numpy as np

from wnsense.lab.bench.published.krylov import minimum_norm_solution
from wnsense.lab.bench.published.published_result import SECOND_ORDER, Limits, PublishedResult, Spent
from wnsense.lab.bench.published.sampled_entries import SampledEntries
from wnsense.lab.bench.published.truncation import truncated

# Smallest tolerance of LSQR; below it, rounding decides.
_LEAST_TOLERANCE = 1e-15


@dataclass(frozen=True)
class R2RILS:
    """R2RILS, Algorithm 1: `min ||P(U_t B^T + A V_t^T) - y||`, of least norm, then normalized and averaged columns.

    Attributes:
        max_steps: Largest number of outer iterations (100 in the authors' program).
        inner_steps: Largest number of LSQR steps in each (1,000 there).
        inner_tolerance: Largest tolerance of LSQR; the tolerance is the square of the last residual if that is smaller.
        limits: Limits of the run.
    """

    max_steps: int = 100
    inner_steps: int = 1000
    inner_tolerance: float = 1e-5
    limits: Limits = SECOND_ORDER

    def complete(self, data: SampledEntries, rank: int) -> PublishedResult:
        """Complete a matrix of a given rank by least squares over matrices of twice the rank.

        Errors are those of `SampledEntries.require_determined`.
        """
        data.require_determined(rank)
        began = time.process_time()
        size = data.size
        U, _, V, applications = data.leading(rank)
        best = np.zeros_like(U), np.zeros_like(V)
        residuals: list[float] = []
        inner = 0
        for _ in range(self.max_steps):
            tolerance = min(self.inner_tolerance, residuals[-1] ** 2) if residuals else self.inner_tolerance
            J = data.jacobian(U, V)
            x, _, steps = minimum_norm_solution(
                J.times, J.transpose_times, data.values, max(tolerance, _LEAST_TOLERANCE), self.inner_steps
            )
            A, B = x[: U.size].reshape(U.shape), x[U.size :].reshape(V.shape)
            left, right = truncated(np.hstack([U, A]), np.hstack([B, V]), rank)
            residual = float(np.linalg.norm(data.measure(left, right) - data.values)) / size
            if not residuals or residual < min(residuals):
                best = left, right
            residuals.append(residual)
            inner += steps
            # LSQR multiplies by the transpose once before its first step; the residual is one product.
            applications += 2 * steps + 2
            if self.limits.are_met(residuals, began):
                break
            U, V = _averaged(U, A), _averaged(V, B)
        spent = Spent(len(residuals), inner, applications, began)
        return self.limits.result(*best, rank, spent, min(residuals))


def _averaged(last: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the columns of `last` plus the normalized columns of `new`, normalized."""
    total: np.ndarray = last + new / np.linalg.norm(new, axis=0)
    total /= np.linalg.norm(total, axis=0)
    return total
