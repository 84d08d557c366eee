"""Amplitudes of phase retrieval, and the iteration of the amplitude flows."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wnsense.checks import require, require_size, size_text
from wnsense.lab.bench.published.published_result import Limits, PublishedResult, Spent

# Change of the direction at which power iterations end: far below the error of the start itself.
_POWER_CHANGE = 1e-6


@dataclass(frozen=True)
class Amplitudes:
    """Amplitudes `psi_i = |a_i^H z|`, in units in which the entries of the vectors have variance 1.

    Attributes:
        vectors: Conjugates of the vectors as rows, `A z = (a_i^H z)_i`, (n, m), real or complex.
        psi: Amplitudes, (n,).
        scale: Factor of the vectors in the user's units.
    """

    vectors: np.ndarray
    psi: np.ndarray
    scale: float

    @classmethod
    def from_intensities(cls, vectors: np.ndarray, intensities: np.ndarray) -> "Amplitudes":
        """Return the amplitudes of intensities `y_i = |a_i^H z|^2`, of vectors `a_i` as rows, (n, m).

        Raises:
            InputError: If sizes do not fit, there are fewer rows than unknowns, a number is not finite, an intensity is
                negative, or all are zero.
        """
        require(vectors.ndim == 2 and vectors.size > 0, "vectors as rows (n, m)", size_text(vectors.shape))
        n, m = vectors.shape
        require_size("the intensities", intensities.shape, (n,))
        require(n >= m, f"at least {m} intensities", n, "measure more")
        require(np.isrealobj(intensities), "real intensities", intensities.dtype)
        finite = bool(np.isfinite(vectors).all() and np.isfinite(intensities).all())
        require(finite, "finite vectors and intensities", "NaN or infinity")
        require(
            bool((intensities >= 0).all()) and bool(intensities.any()), "intensities of at least 0, not all 0", "others"
        )
        scale = float(np.linalg.norm(vectors)) / math.sqrt(vectors.size)
        return cls(vectors.conj() / scale, np.sqrt(intensities) / scale, scale)

    def back_project(self, v: np.ndarray) -> np.ndarray:
        """Return `A^H v`."""
        image: np.ndarray = (v.conj() @ self.vectors).conj()
        return image

    def leading_direction(self, rows: np.ndarray, weights: np.ndarray, max_steps: int) -> tuple[np.ndarray, int]:
        """Return the leading eigenvector of `sum_i weights_i a_i a_i^H` over some rows, and its cost in products.

        Power iterations end early where the direction stands still. Products with a part of the rows count in
        proportion.
        """
        A = self.vectors[rows] * np.sqrt(weights)[:, None]
        AH = np.ascontiguousarray(A.conj().T)
        z = np.random.default_rng(0).standard_normal(A.shape[1]).astype(A.dtype)
        z /= np.linalg.norm(z)
        steps = 0
        change = math.inf
        while steps < max_steps and change >= _POWER_CHANGE:
            last, z = z, AH @ (A @ z)
            z /= math.sqrt(np.vdot(z, z).real)
            change = float(np.abs(z - last).max())
            steps += 1
        return z, math.ceil(2 * steps * len(rows) / len(self.psi))


def recovered(
    vectors: np.ndarray,
    intensities: np.ndarray,
    *,
    leading: Callable[[Amplitudes], tuple[np.ndarray, int]],
    weigh: Callable[[np.ndarray, np.ndarray], np.ndarray],
    step_size: float,
    max_steps: int,
    limits: Limits,
) -> PublishedResult:
    """Recover `z`, up to a phase, from `|a_i^H z|^2`: steps `z - (step_size / n) A^H (w (A z - psi sign(A z)))`.

    Args:
        vectors: Vectors `a_i` as rows, (n, m).
        intensities: Intensities, (n,).
        leading: Function from the amplitudes to the direction of the start and its cost in products.
        weigh: Function from the amplitudes `psi` and the moduli `|A z|` to the weights `w` of the rows.
        step_size: Step size.
        max_steps: Largest number of steps.
        limits: Limits of the run.

    Raises:
        InputError: As `Amplitudes.from_intensities`.
    """
    began = time.process_time()
    data = Amplitudes.from_intensities(vectors, intensities)
    psi = data.psi
    size = float(np.linalg.norm(psi))
    direction, applications = leading(data)
    z = np.sqrt(np.square(psi).mean()) * direction
    residuals: list[float] = []
    image = data.vectors @ z
    while True:
        # A product of exactly 0 has no sign: its row gets none.
        absolute = np.maximum(np.abs(image), np.finfo(float).tiny)
        excess = absolute - psi
        residuals.append(math.sqrt(excess @ excess) / size)
        if len(residuals) > max_steps or limits.are_met(residuals, began):
            break
        factor = weigh(psi, absolute) * excess / absolute
        z = z - (step_size / len(psi)) * data.back_project(factor * image)
        image = data.vectors @ z
    steps = len(residuals) - 1
    spent = Spent(steps, 0, applications + 1 + 2 * steps, began)
    return limits.result(z[:, None], None, 1, spent, residuals[-1])
