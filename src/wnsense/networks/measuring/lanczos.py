"""Extreme eigenvalues of a symmetric map that is given by its products only."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from wnsense.checks import InputError, require
from wnsense.values import by_value

# A synchronization with a GPU costs more than one or two steps.
_GPU_CHECK_EVERY = 4


@dataclass(frozen=True)
@by_value
class Extremes:
    """Both ends of a spectrum, estimated by Lanczos' method.

    Both estimates lie within the spectrum: `largest` is never too large, and `smallest` is never too small. The map
    has an eigenvalue within `largest_error` of `largest`, and one within `smallest_error` of `smallest`; this is
    rigorous up to rounding. There may be an eigenvalue beyond them, but this is unlikely for a random start.

    Attributes:
        largest: Estimate of the largest eigenvalue.
        smallest: Estimate of the smallest eigenvalue.
        largest_error: Residual of the largest.
        smallest_error: Residual of the smallest.
        products: Number of products that were computed.
        largest_vector: Eigenvector of norm 1, (p,), if requested.
        smallest_vector: Eigenvector of norm 1, (p,), if requested.
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
        """Spectral norm."""
        return max(self.largest, -self.smallest)

    @property
    def norm_error(self) -> float:
        """Residual of the end that gives the norm."""
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
    """Return both ends of a spectrum by Lanczos' three-term recurrence without reorthogonalization.

    Loss of orthogonality repeats eigenvalues that have converged, and does not move the extreme ones (Paige).
    Therefore three vectors are enough for any number of steps.

    Args:
        product: Symmetric map of a vector.
        start: Start vector, (p,), with a component along the extreme eigenvectors, such as a random one.
        steps: Largest number of products, at least 1.
        tolerance: Residual at which to stop, relative to the spectral norm.
        both: True if both ends must reach the tolerance; False if only the end of larger modulus must.
        vectors: True to return eigenvectors, which needs memory for one vector for each step.

    Raises:
        InputError: If a number is out of range, the start is zero, or a product has NaN or infinity.
    """
    require(steps >= 1, "at least one step", steps)
    require(tolerance >= 0, "a tolerance of at least 0", tolerance)
    length = torch.linalg.vector_norm(start)
    require(length > 0, "a start that is not zero", 0)
    check_every = 1 if start.device.type == "cpu" else _GPU_CHECK_EVERY
    basis: list[Tensor] = []
    diagonal: list[Tensor] = []
    off_diagonal: list[Tensor] = []
    for step, (q, alpha, beta) in enumerate(_recurrence(product, start / length, steps), 1):
        if vectors:
            basis.append(q)
        diagonal.append(alpha)
        off_diagonal.append(beta)
        if step % check_every == 0 or step == steps:
            ritz = _ritz(diagonal, off_diagonal)
            if step == steps or ritz.is_enough(tolerance, both=both):
                return ritz.extremes(basis)
    raise InputError("needed at least one step, got none")


def _recurrence(
    product: Callable[[Tensor], Tensor], q: Float[Tensor, " p"], steps: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the vector `q`, the diagonal entry `alpha` and the off-diagonal entry `beta` of each step."""
    before, beta = torch.zeros_like(q), q.new_zeros(())
    for _ in range(steps):
        w = product(q) - beta * before
        alpha = torch.dot(q, w)
        w -= alpha * q
        beta = torch.linalg.vector_norm(w)
        yield q, alpha, beta
        # If the Krylov space is exhausted, beta is only rounding, and `_ritz` cuts there; a GPU must not compute 0 / 0.
        before, q = q, w / beta.clamp_min(torch.finfo(w.dtype).tiny)


@dataclass(frozen=True)
class _Ritz:
    """Eigenvalues and eigenvectors of the tridiagonal matrix, and the norm of the last residual vector."""

    values: Float[np.ndarray, " k"]
    vectors: Float[np.ndarray, "k k"]
    rest: float

    @property
    def residuals(self) -> tuple[float, float]:
        """Residuals of the smallest and of the largest eigenvalue."""
        return self.rest * abs(float(self.vectors[-1, 0])), self.rest * abs(float(self.vectors[-1, -1]))

    def is_enough(self, tolerance: float, *, both: bool) -> bool:
        """Return True if the residuals are below the tolerance or the Krylov space is exhausted."""
        low, high = self.residuals
        norm = max(abs(float(self.values[0])), abs(float(self.values[-1])))
        residual = max(low, high) if both else (high if self.values[-1] >= -self.values[0] else low)
        # By the second condition the Krylov space of this start is exhausted.
        return residual <= tolerance * norm or self.rest <= float(np.finfo(np.float64).eps) * norm

    def extremes(self, basis: list[Tensor]) -> Extremes:
        """Return both ends of the spectrum, with eigenvectors if there is a basis."""
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
    # Entries after a zero of beta do not belong to the map; they come from the steps between two checks.
    zeros = np.flatnonzero(b <= np.finfo(np.float64).eps * np.abs(numbers).max())
    if len(zeros):
        a, b = a[: zeros[0] + 1], b[: zeros[0] + 1]
    values, vectors = eigh_tridiagonal(a, b[:-1])
    return _Ritz(values, vectors, float(b[-1]))


def _combined(basis: list[Tensor], weights: Float[np.ndarray, " k"]) -> Tensor:
    total = torch.zeros_like(basis[0])
    for q, weight in zip(basis[: len(weights)], weights.tolist(), strict=True):
        total.add_(q, alpha=weight)
    vector: Tensor = total / torch.linalg.vector_norm(total)
    return vector


def random_start(size: int, generator: torch.Generator, like: Tensor) -> Float[Tensor, " p"]:
    """Return a random normal vector with dtype and device of a tensor.

    It is drawn in single precision on the device of the generator.
    """
    drawn = torch.randn(size, generator=generator, device=generator.device, dtype=torch.float32)
    return (drawn / math.sqrt(size)).to(like.device, like.dtype)
