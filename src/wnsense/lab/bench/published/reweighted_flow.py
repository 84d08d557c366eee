"""Reweighted amplitude flow (Wang, Giannakis, Saad and Chen, arXiv 1705.10407) for real and complex vectors."""

from dataclasses import dataclass

import numpy as np

from wnsense.lab.bench.published.amplitudes import Amplitudes, recovered
from wnsense.lab.bench.published.published_result import FIRST_ORDER, Limits, PublishedResult


@dataclass(frozen=True)
class ReweightedAmplitudeFlow:
    """Reweighted amplitude flow, Algorithm 1, with the published constants.

    Attributes:
        share: Share of the largest amplitudes that give the start, `|S| / n` (3/13).
        exponent: Exponent of the amplitudes as weights of the start, `gamma` (1/2).
        power_steps: Largest number of power iterations (200 in the authors' program).
        beta: Weights are `1 / (1 + beta psi / |a^H z|)`: 10 for real vectors, 5 for complex ones.
        step_size: Step size `mu`: 2 for real vectors, 5 for complex ones (as in the authors' program; 6 diverges at
            `n / m = 3`).
        max_steps: Largest number of steps (2,000 in the authors' program).
        limits: Limits of the run.
    """

    share: float = 3 / 13
    exponent: float = 0.5
    power_steps: int = 200
    beta: tuple[float, float] = (10.0, 5.0)
    step_size: tuple[float, float] = (2.0, 5.0)
    max_steps: int = 2000
    limits: Limits = FIRST_ORDER

    def recover(self, vectors: np.ndarray, intensities: np.ndarray) -> PublishedResult:
        """Recover `z`, up to a phase; `vectors` holds the `a_i` as rows, and `recovered` refuses bad input."""
        which = int(np.iscomplexobj(vectors))
        beta = self.beta[which]

        def leading(data: Amplitudes) -> tuple[np.ndarray, int]:
            largest = np.argsort(data.psi)[-max(1, int(self.share * len(data.psi))) :]
            return data.leading_direction(largest, data.psi[largest] ** self.exponent, self.power_steps)

        def weigh(psi: np.ndarray, absolute: np.ndarray) -> np.ndarray:
            return absolute / (absolute + beta * psi)

        return recovered(
            vectors,
            intensities,
            leading=leading,
            weigh=weigh,
            step_size=self.step_size[which],
            max_steps=self.max_steps,
            limits=self.limits,
        )
