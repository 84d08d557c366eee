"""LMaFit (Wen, Yin and Zhang, Mathematical Programming Computation 4, 2012): successive over-relaxation of factors."""

import time
from dataclasses import dataclass

import numpy as np

from wnsense.lab.bench.published.published_result import FIRST_ORDER, Limits, PublishedResult, Spent
from wnsense.lab.bench.published.sampled_entries import SampledEntries


@dataclass(frozen=True)
class LMaFit:
    """LMaFit, Algorithm 2: over-relaxed least squares for the factors in turn, by one orthonormalization.

    Attributes:
        max_steps: Largest number of iterations, of two products each.
        slow: Ratio of successive residuals above which the relaxation grows (`gamma_1` of the source, .7).
        limits: Limits of the run.
    """

    max_steps: int = 20000
    slow: float = 0.7
    limits: Limits = FIRST_ORDER

    def complete(self, data: SampledEntries, rank: int) -> PublishedResult:
        """Complete a matrix of a given rank by alternating least squares with over-relaxation.

        It raises what `SampledEntries.require_determined` raises.
        """
        data.require_determined(rank)
        began = time.process_time()
        size = data.size
        U, s, V, applications = data.leading(rank)
        m1, m2 = data.shape
        X, Y = U * (s * m1 * m2 / data.count), V
        misfit = data.values - data.measure(X, Y)
        residuals = [float(np.linalg.norm(misfit)) / size]
        # omega - 1 of the source, and its step delta; sparse numbers are overwritten.
        excess, growth = 0.0, 1.0
        S = data.sparse(misfit.copy())
        ST = S.T
        for _ in range(self.max_steps):
            # Z = X Y^T + omega P*(misfit); the new X spans Z Y, and the new Y is Z^T X.
            np.multiply(misfit, 1 + excess, out=S.data)
            left = np.linalg.qr(X @ (Y.T @ Y) + S @ Y)[0]
            right = Y @ (X.T @ left) + ST @ left
            trial = data.values - data.measure(left, right)
            residual = float(np.linalg.norm(trial)) / size
            ratio = residual / residuals[-1]
            if ratio >= 1:
                growth, excess = max(0.1 * growth, 0.1 * excess), 0.0
                residuals.append(residuals[-1])
            else:
                X, Y, misfit = left, right, trial
                residuals.append(residual)
                if ratio > self.slow:
                    growth = max(growth, 0.25 * excess)
                    excess += growth
            if self.limits.are_met(residuals, began):
                break
        steps = len(residuals) - 1
        spent = Spent(steps, 0, applications + 1 + 2 * steps, began)
        return self.limits.result(X, Y, rank, spent, residuals[-1])
