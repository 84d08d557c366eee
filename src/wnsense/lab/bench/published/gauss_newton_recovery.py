"""GNMR (Zilber and Nadler, arXiv 2106.12933): Gauss-Newton on the factors, each step of least norm."""

import time
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from wnsense.lab.bench.published.dense_rows import DenseRows
from wnsense.lab.bench.published.krylov import minimum_norm_solution
from wnsense.lab.bench.published.published_result import SECOND_ORDER, Limits, PublishedResult, Spent
from wnsense.lab.bench.published.sampled_entries import SampledEntries
from wnsense.lab.bench.published.truncation import truncated, truncated_symmetric

# A back-projection of few measurements may have fewer positive eigenvalues than the rank; the start keeps this share
# of the largest one.
_LEAST_SHARE = 1e-3
# Smallest tolerance of LSQR, that of the authors' program; below it, rounding decides.
_LEAST_TOLERANCE = 1e-15


class Variant(IntEnum):
    """Variant of GNMR: the number `alpha` of its Algorithm 1."""

    SETTING = 1
    AVERAGING = 0
    UPDATING = -1


@dataclass(frozen=True)
class GaussNewtonRecovery:
    """GNMR, Algorithm 1: `min ||M(L_t R^T + L R_t^T - alpha L_t R_t^T) - y||`, the solution of least norm.

    The next factors are `(1 - alpha) / 2` times the last ones plus the solution. The answer is the best approximation
    of rank `r` of the last linearized matrix `L_t R_{t+1}^T + L_{t+1} R_t^T - L_t R_t^T`.

    Attributes:
        variant: Variant of the update.
        max_steps: Largest number of outer iterations (100 in the authors' program).
        inner_steps: Largest number of LSQR steps in each (2,000 there).
        inner_tolerance: Largest tolerance of LSQR; the tolerance is the square of the last residual if that is smaller.
            The authors' program begins with 1e-15.
        limits: Limits of the run.
    """

    variant: Variant = Variant.SETTING
    max_steps: int = 100
    inner_steps: int = 2000
    inner_tolerance: float = 1e-6
    limits: Limits = SECOND_ORDER

    def recover(self, data: SampledEntries | DenseRows, rank: int) -> PublishedResult:
        """Fit a matrix of a given rank, from the leading singular vectors of the back-projected measurements.

        Raises:
            InputError: If the rank is impossible, or there are fewer measurements than degrees of freedom.
        """
        data.require_determined(rank)
        began = time.process_time()
        left, right, applications = _balanced_start(data, rank)
        size = data.size
        residuals: list[float] = []
        inner = 0
        while True:
            last = left, right
            left, right, residual, steps = self._step(data, left, right, residuals[-1] if residuals else 1.0)
            residuals.append(residual / size)
            inner += steps
            # The measured product of the factors, and LSQR's first product with the transpose.
            applications += 2 * steps + 2
            if len(residuals) == self.max_steps or self.limits.are_met(residuals, began):
                break
        estimate = np.hstack([last[0], left]), np.hstack([right - last[1], last[1]])
        L, R = (truncated_symmetric if data.is_symmetric else truncated)(*estimate, rank)
        spent = Spent(len(residuals), inner, applications, began)
        return self.limits.result(L, R, rank, spent, residuals[-1])

    def _step(
        self, data: SampledEntries | DenseRows, left: np.ndarray, right: np.ndarray, residual: float
    ) -> tuple[np.ndarray, np.ndarray, float, int]:
        """Return the next factors, the norm of the residual of the linearized matrix, and the number of LSQR steps."""
        tolerance = max(min(self.inner_tolerance, residual**2), _LEAST_TOLERANCE)
        J = data.jacobian(left, right)
        b = data.values + self.variant * data.measure(left, right)
        x, norm, steps = minimum_norm_solution(J.times, J.transpose_times, b, tolerance, self.inner_steps)
        keep = (1 - self.variant) / 2
        new = keep * left + x[: left.size].reshape(left.shape)
        if data.is_symmetric:
            return new, new, norm, steps
        return new, keep * right + x[left.size :].reshape(right.shape), norm, steps


def _balanced_start(data: SampledEntries | DenseRows, rank: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the balanced factors of the leading part of `M*(y)`, scaled to fit the measurements best, and the cost."""
    U, s, V, applications = data.leading(rank)
    roots = np.sqrt(np.maximum(s, _LEAST_SHARE * s[0]))
    left, right = U * roots, V * roots
    measured = data.measure(left, right)
    scale = np.sqrt(abs(measured @ data.values) / (measured @ measured))
    return scale * left, scale * right, applications + 1
