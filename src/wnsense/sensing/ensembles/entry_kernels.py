"""Compiled products of rows of two factors at sampled places.

They are optional and need Numba. Without Numba, `positions.py` does the same with torch alone, which copies the rows
before it multiplies them.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit


def sampled_products(
    rows: np.ndarray, columns: np.ndarray, left: np.ndarray, right: np.ndarray, threads: int
) -> np.ndarray:
    """Return `left[i_k] . right[j_k]`, (n,); it does not depend on the number of threads.

    Args:
        rows: Row indices `i_k`, (n,).
        columns: Column indices `j_k`, (n,).
        left: Left factor, (m1, r), float64 or float32.
        right: Right factor, (m2, r), of the same dtype.
        threads: Number of threads.
    """
    out = np.empty(len(rows), left.dtype)
    ends = [len(rows) * part // threads for part in range(threads + 1)]

    def products(part: int) -> None:
        mine = slice(ends[part], ends[part + 1])
        _products(rows[mine], columns[mine], left, right, out[mine])

    if threads == 1:
        products(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(products, range(threads)))
    return out


@njit(nogil=True, fastmath=True, cache=True)
def _products(rows: np.ndarray, columns: np.ndarray, left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    for k in range(len(rows)):
        i, j = rows[k], columns[k]
        total = 0.0
        for c in range(left.shape[1]):
            total += left[i, c] * right[j, c]
        out[k] = total
