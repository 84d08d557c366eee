"""Extreme eigenvalues of a symmetric map that is known by its products alone."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from wnsense.checks import InputError, require

# Asking a GPU costs more than a step or two.
_GPU_CHECK_EVERY = 4


@dataclass(frozen=True)
class Extremes:
    """The ends of a spectrum, as Lanczos' method sees them.

    Both lie within the spectrum, so that the largest is never too large. Within `largest_error` of the largest there is
    an eigenvalue of the map, likewise for the smallest: rigorous up to rounding. That none lies beyond is not, but
    likely for a random start.

    Attributes:
        largest: The largest eigenvalue found.
        smallest: The smallest.
        largest_error: The residual of the largest.
        smallest_error: The residual of the smallest.
        products: How many were made.
        largest_vector: Of norm 1, when asked for.
        smallest_vector: Of norm 1, when asked for.
    """

    largest: float
    smallest: float
    largest_error: float
    smallest_error: float
    products: int
    largest_vector: Float[Tensor, " p"] | None = None
    smallest_vector: Float[Tensor, " p"] | None = None

    @property
    def norm(self) -> float:
        """The spectral norm."""
        return max(self.largest, -self.smallest)

    @property
    def norm_error(self) -> float:
        """The residual of the end that has the norm."""
        return self.largest_error if self.largest >= -self.smallest else self.smallest_error


def extreme_eigenvalues(
    product: Callable[[Tensor], Tensor],
    start: Float[Tensor, " p"],
    *,
    steps: int = 32,
    tolerance: float = 1e-2,
    both: bool = True,
    vectors: bool = False,
) -> Extremes:
    """Both ends of a spectrum by Lanczos' three-term recurrence, without orthogonalizing again.

    Loss of orthogonality repeats eigenvalues that have converged and moves none of the extreme ones (Paige), so that
    three vectors are all that is held, whatever the number of steps.

    Args:
        product: The symmetric map.
        start: A vector with a part along what is looked for, such as a random one.
        steps: The most products.
        tolerance: The residual to stop at, relative to the spectral norm.
        both: Whether both ends must be so good; else only the one with the norm.
        vectors: Whether to keep what is needed for the eigenvectors: a vector for each step.

    Raises:
        InputError: When a number is out of its range, the start is zero, or the map gives NaN or infinity.
    """
    require(steps >= 1, "at least one step", steps)
    require(tolerance >= 0, "a tolerance of at least 0", tolerance)
    length = torch.linalg.vector_norm(start)
    require(length > 0, "a start that is not zero", 0)
    check_every = 1 if start.device.type == "cpu" else _GPU_CHECK_EVERY
    q, before = start / length, torch.zeros_like(start)
    beta = torch.zeros_like(length)
    diagonal: list[Tensor] = []
    off_diagonal: list[Tensor] = []
    basis: list[Tensor] = []
    for step in range(1, steps + 1):
        if vectors:
            basis.append(q)
        w = product(q) - beta * before
        alpha = torch.dot(q, w)
        w -= alpha * q
        beta = torch.linalg.vector_norm(w)
        diagonal.append(alpha)
        off_diagonal.append(beta)
        if step % check_every == 0 or step == steps:
            found = _ritz(diagonal, off_diagonal)
            if step == steps or found.is_enough(tolerance, both=both):
                return found.extremes(basis)
        # Where the space is exhausted beta is rounding alone, which `_ritz` has seen; 0 / 0 must not follow on a GPU.
        before, q = q, w / beta.clamp_min(torch.finfo(w.dtype).tiny)
    raise InputError("needed at least one step, got none")


@dataclass(frozen=True)
class _Ritz:
    """The tridiagonal matrix' eigenvalues and vectors, and the norm of what the last step left."""

    values: Float[np.ndarray, " k"]
    vectors: Float[np.ndarray, "k k"]
    rest: float

    @property
    def residuals(self) -> tuple[float, float]:
        """Of the smallest and of the largest."""
        return self.rest * abs(float(self.vectors[-1, 0])), self.rest * abs(float(self.vectors[-1, -1]))

    def is_enough(self, tolerance: float, *, both: bool) -> bool:
        """Whether to stop."""
        low, high = self.residuals
        norm = max(abs(float(self.values[0])), abs(float(self.values[-1])))
        wanted = max(low, high) if both else (high if self.values[-1] >= -self.values[0] else low)
        # At the second clause the space is exhausted: there is nothing more to find from this start.
        return wanted <= tolerance * norm or self.rest <= float(np.finfo(np.float64).eps) * norm

    def extremes(self, basis: list[Tensor]) -> Extremes:
        """What was found."""
        low, high = self.residuals
        ends = [_combined(basis, self.vectors[:, end]) if basis else None for end in (-1, 0)]
        return Extremes(float(self.values[-1]), float(self.values[0]), high, low, len(self.values), *ends)


def _ritz(diagonal: list[Tensor], off_diagonal: list[Tensor]) -> _Ritz:
    numbers = torch.stack([torch.stack(diagonal), torch.stack(off_diagonal)]).double().cpu().numpy()
    if not np.isfinite(numbers).all():
        raise InputError(
            "needed a map with finite products, got NaN or infinity; the parameters or the data hold one, or a row of "
            "length 0"
        )
    a, b = numbers
    # Beyond a zero there is nothing of the map, only of the steps taken before somebody looked.
    over = np.flatnonzero(b <= np.finfo(np.float64).eps * np.abs(numbers).max())
    if len(over):
        a, b = a[: over[0] + 1], b[: over[0] + 1]
    values, vectors = eigh_tridiagonal(a, b[:-1])
    return _Ritz(values, vectors, float(b[-1]))


def _combined(basis: list[Tensor], weights: Float[np.ndarray, " k"]) -> Tensor:
    total = torch.zeros_like(basis[0])
    for q, weight in zip(basis[: len(weights)], weights.tolist(), strict=True):
        total.add_(q, alpha=weight)
    vector: Tensor = total / torch.linalg.vector_norm(total)
    return vector


def random_start(size: int, generator: torch.Generator, like: Tensor) -> Float[Tensor, " p"]:
    """A normal vector, drawn where the generator lives, with the dtype and on the device of a tensor."""
    drawn = torch.randn(size, generator=generator, device=generator.device, dtype=torch.float32)
    return (drawn / math.sqrt(size)).to(like.device, like.dtype)
