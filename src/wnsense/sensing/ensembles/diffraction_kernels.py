"""Compiled pass over the patterns of large images, between the two FFTs of a gradient.

It is optional and needs Numba. Without Numba, `diffraction.py` does the same with torch alone. The FFT of a megapixel
takes only a few times as long as reading it, so that passes through memory determine the time. Here each pattern is
read and written once, for the intensities and for the weights that follow from them.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

# Pixels in a block, which goes through both steps in the first-level cache.
_BLOCK = 1024


def observe(
    columns: Sequence[np.ndarray],
    Theta: np.ndarray,
    y: np.ndarray,
    *,
    weight: np.ndarray | None,
    target: np.ndarray | None,
    threads: int,
) -> None:
    """Write `y = Re sum_ij Theta_ij w_i conj(w_j)` pixel by pixel, and then `w <- weight (y - target) w`.

    Args:
        columns: Columns `w_i` of all pixels as real numbers, real and imaginary parts in turn, each (2 m,).
        Theta: Core, (r, r), real or complex.
        y: Intensities, (m,).
        weight: Weights, (m,); None leaves w unchanged.
        target: Vector to subtract, (m,); None subtracts nothing.
        threads: Number of threads.
    """
    # The terms of (i, j) and (j, i) together.
    both = np.tril(Theta + Theta.conj().T)
    both[np.diag_indices(len(both))] /= 2
    coefficients = np.stack([both.real, both.imag]).astype(y.dtype)
    nothing = y[:0]
    back, subtracted = (nothing if values is None else values for values in (weight, target))

    def share(first: int, last: int) -> None:
        _observe(
            tuple(w[2 * first : 2 * last] for w in columns),
            coefficients,
            y[first:last],
            back[first:last],
            subtracted[first:last],
        )

    if threads == 1:
        share(0, len(y))
        return
    ends = [len(y) * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(share, ends[:-1], ends[1:]))


@njit(nogil=True, fastmath=True, cache=True)
def _observe(
    columns: tuple[np.ndarray, ...], coefficients: np.ndarray, y: np.ndarray, weight: np.ndarray, target: np.ndarray
) -> None:
    held = np.empty(2 * _BLOCK, y.dtype)
    for low in range(0, len(y), _BLOCK):
        high = min(low + _BLOCK, len(y))
        sums = held[: 2 * (high - low)]
        _products(columns, coefficients, low, sums)
        for p in range(low, high):
            y[p] = sums[2 * (p - low)] + sums[2 * (p - low) + 1]
        if len(weight) > 0:
            for p in range(low, high):
                v = weight[p] * (y[p] - target[p] if len(target) > 0 else y[p])
                sums[2 * (p - low)] = sums[2 * (p - low) + 1] = v
            for i in range(len(columns)):
                w = columns[i][2 * low : 2 * high]
                for k in range(len(w)):
                    w[k] *= sums[k]


@njit(nogil=True, fastmath=True, cache=True)
def _products(columns: tuple[np.ndarray, ...], coefficients: np.ndarray, low: int, sums: np.ndarray) -> None:
    """Write the products of columns as two neighbouring numbers, whose sum is the intensity of a pixel."""
    sums[:] = 0
    for i in range(len(columns)):
        a = columns[i][2 * low : 2 * low + len(sums)]
        for j in range(i + 1):
            b = columns[j][2 * low : 2 * low + len(sums)]
            c, s = coefficients[0, i, j], coefficients[1, i, j]
            if c != 0:
                for k in range(len(sums)):
                    sums[k] += c * a[k] * b[k]
            if s != 0:
                for k in range(0, len(sums), 2):
                    sums[k] += s * (a[k] * b[k + 1] - a[k + 1] * b[k])
