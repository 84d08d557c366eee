"""Truncated amplitude flow (Wang, Giannakis and Eldar, arXiv 1605.08285) for real and complex vectors."""

import math
from dataclasses import dataclass

import numpy as np

from wnsense.lab.bench.published.amplitudes import Amplitudes, recovered
from wnsense.lab.bench.published.published_result import FIRST_ORDER, Limits, PublishedResult


@dataclass(frozen=True)
class TruncatedAmplitudeFlow:
    """Truncated amplitude flow, Algorithm 1, with the published constants.

    Attributes:
        share: Share of the rows with the largest `psi / ||a||` that give the start, `|I| / n` (1/6).
        power_steps: Largest number of power iterations (100).
        truncation: Rows with `|a^H z| < psi / (1 + gamma)` are left out; `gamma` is .7.
        step_size: Step size `mu`: .6 for real vectors, 1 for complex ones.
        max_steps: Largest number of steps (1,000).
        limits: Limits of the run.
    """

    share: float = 1 / 6
    power_steps: int = 100
    truncation: float = 0.7
    step_size: tuple[float, float] = (0.6, 1.0)
    max_steps: int = 1000
    limits: Limits = FIRST_ORDER

    def recover(self, vectors: np.ndarray, intensities: np.ndarray) -> PublishedResult:
        """Recover `z`, up to a phase, from the intensities of vectors `a_i`, the rows; errors as in `recovered`."""
        return recovered(
            vectors,
            intensities,
            leading=self._leading,
            weigh=lambda psi, absolute: (absolute >= psi / (1 + self.truncation)).astype(float),
            step_size=self.step_size[int(np.iscomplexobj(vectors))],
            max_steps=self.max_steps,
            limits=self.limits,
        )

    def _leading(self, data: Amplitudes) -> tuple[np.ndarray, int]:
        """Return the direction of the start from the rows of largest `psi / ||a||`, and its cost."""
        squares = np.square(np.abs(data.vectors)).sum(1)
        largest = np.argsort(np.square(data.psi) / squares)[-math.ceil(self.share * len(data.psi)) :]
        return data.leading_direction(largest, 1 / squares[largest], self.power_steps)
