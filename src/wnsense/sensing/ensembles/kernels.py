"""Compiled passes over packed rows: each entry is read from memory once and used for both sides of a gradient.

They are optional and need Numba. Without Numba, `packed.py` does the same with torch alone. Rows are taken in blocks
that stay in a core's cache between the two uses. Columns are taken in tiles, so that the points' entries stay there
too. Six points are taken at once, which costs little more than one as long as memory is the limit.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit, types
from numba.extending import overload

# Rows in a block and columns in a tile: the best compromise among those tried, for one point and for six, and row
# lengths from 1,275 to 45,150.
_BLOCK = 16
_TILE = 1024
# Points that one sweep over a block serves.
_GROUP = 6


def gradient(
    rows: np.ndarray,
    length: int,
    points: np.ndarray,
    weight: np.ndarray,
    target: np.ndarray,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return `y = rows z` and `g = rows^T (weight (y - target))` for k points, in one pass over the rows.

    Args:
        rows: Rows, (n, d) of float64 or float32; (n, d) of uint16, the bits of bfloat16; or (n, ceil(d / 8)) of uint8,
            one sign a bit, lowest first, with 1 for -1.
        length: Length `d` of a row.
        points: Packed points `z`, (k, d), float64 or float32: the precision of all sums.
        weight: Weights, (n,), of the points' dtype.
        target: Vector to subtract, (n,), of the points' dtype.
        threads: Number of threads; the last digits of the result depend on it.

    Returns:
        y, (k, n), and g, (k, d).
    """
    n, k = len(rows), len(points)
    padded = k if k == 1 else -(-k // _GROUP) * _GROUP
    z = np.zeros((padded, length), points.dtype)
    z[:k] = points
    y = np.zeros((padded, n), points.dtype)
    blocks = n // _BLOCK
    ends = [blocks * i // threads * _BLOCK for i in range(threads + 1)]
    sums = np.zeros((threads, padded, length), points.dtype)

    def part(i: int) -> None:
        mine = slice(ends[i], ends[i + 1])
        if ends[i] < ends[i + 1]:
            _sweep(rows[mine], z, weight[mine], target[mine], y[:, mine], sums[i])

    if threads == 1:
        part(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, range(threads)))
    rest = n - ends[-1]
    if rest:
        # The last rows, filled up to a block with rows of zeros.
        tail = np.zeros((_BLOCK, rows.shape[1]), rows.dtype)
        tail[:rest] = rows[ends[-1] :]
        padding = [np.concatenate([v[ends[-1] :], np.zeros(_BLOCK - rest, v.dtype)]) for v in (weight, target)]
        measured = np.zeros((padded, _BLOCK), points.dtype)
        _sweep(tail, z, padding[0], padding[1], measured, sums[0])
        y[:, ends[-1] :] = measured[:, :rest]
    total: np.ndarray = sums[0]
    for other in sums[1:]:
        total += other
    return y[:k], total[:k]


def _numbers(rows: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return a block in the precision of the sums: the rows themselves if they have it, otherwise a copy in `held`."""
    raise RuntimeError("needed the compiled form of this function, got the plain one")


@overload(_numbers, strict=False)
def _compile_numbers(rows: types.Array, held: types.Array) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def as_they_are(rows: np.ndarray, held: np.ndarray) -> np.ndarray:
        return rows

    def signs(rows: np.ndarray, held: np.ndarray) -> np.ndarray:
        d = held.shape[1]
        for i in range(len(rows)):
            for byte in range(d >> 3):
                bits = rows[i, byte]
                for k in range(8):
                    held[i, 8 * byte + k] = 1 - 2 * ((bits >> k) & 1)
            for j in range(d >> 3 << 3, d):
                held[i, j] = 1 - 2 * ((rows[i, j >> 3] >> (j & 7)) & 1)
        return held

    def brain_floats(rows: np.ndarray, held: np.ndarray) -> np.ndarray:
        d = held.shape[1]
        words = np.empty(d, np.uint32)
        for i in range(len(rows)):
            for j in range(d):
                words[j] = np.uint32(rows[i, j]) << np.uint32(16)
            numbers = words.view(np.float32)
            for j in range(d):
                held[i, j] = numbers[j]
        return held

    def converted(rows: np.ndarray, held: np.ndarray) -> np.ndarray:
        d = held.shape[1]
        for i in range(len(rows)):
            for j in range(d):
                held[i, j] = rows[i, j]
        return held

    if rows.dtype == held.dtype:
        return as_they_are
    return {types.uint8: signs, types.uint16: brain_floats}.get(rows.dtype, converted)


@njit(nogil=True, fastmath=True, cache=True)
def _sweep(
    rows: np.ndarray, z: np.ndarray, weight: np.ndarray, target: np.ndarray, y: np.ndarray, g: np.ndarray
) -> None:
    points, d = z.shape
    held = np.empty((_BLOCK, d), z.dtype)
    sums = np.zeros((points, _BLOCK), z.dtype)
    for start in range(0, len(rows), _BLOCK):
        block = _numbers(rows[start : start + _BLOCK], held)
        sums[:] = 0
        for low in range(0, d, _TILE):
            high = min(low + _TILE, d)
            if points == 1:
                _forward_one(block, z[0], sums[0], low, high)
            else:
                for p in range(0, points, _GROUP):
                    _forward_six(block, z[p : p + _GROUP], sums[p : p + _GROUP], low, high)
        for p in range(points):
            for i in range(_BLOCK):
                y[p, start + i] = sums[p, i]
                sums[p, i] = weight[start + i] * (sums[p, i] - target[start + i])
        for low in range(0, d, _TILE):
            high = min(low + _TILE, d)
            if points == 1:
                _backward_one(block, sums[0], g[0], low, high)
            else:
                for p in range(0, points, _GROUP):
                    _backward_six(block, sums[p : p + _GROUP], g[p : p + _GROUP], low, high)


@njit(nogil=True, fastmath=True, cache=True)
def _forward_one(rows: np.ndarray, z: np.ndarray, y: np.ndarray, low: int, high: int) -> None:
    """Add `rows z` to y over a tile of columns, four rows at once.

    Slices of one row are contiguous for the compiler, those of a block are not.
    """
    tile = z[low:high]
    for i in range(0, _BLOCK, 4):
        r0, r1 = rows[i, low:high], rows[i + 1, low:high]
        r2, r3 = rows[i + 2, low:high], rows[i + 3, low:high]
        s0 = s1 = s2 = s3 = z.dtype.type(0)
        for j in range(len(tile)):
            u = tile[j]
            s0 += r0[j] * u
            s1 += r1[j] * u
            s2 += r2[j] * u
            s3 += r3[j] * u
        y[i] += s0
        y[i + 1] += s1
        y[i + 2] += s2
        y[i + 3] += s3


@njit(nogil=True, fastmath=True, cache=True)
def _backward_one(rows: np.ndarray, v: np.ndarray, g: np.ndarray, low: int, high: int) -> None:
    """Add `rows^T v` to g over a tile of columns, four rows at once."""
    tile = g[low:high]
    for i in range(0, _BLOCK, 4):
        r0, r1 = rows[i, low:high], rows[i + 1, low:high]
        r2, r3 = rows[i + 2, low:high], rows[i + 3, low:high]
        v0, v1, v2, v3 = v[i], v[i + 1], v[i + 2], v[i + 3]
        for j in range(len(tile)):
            tile[j] += v0 * r0[j] + v1 * r1[j] + v2 * r2[j] + v3 * r3[j]


@njit(nogil=True, fastmath=True, cache=True)
def _forward_six(rows: np.ndarray, z: np.ndarray, y: np.ndarray, low: int, high: int) -> None:
    """Add `rows z` to y for six points, whose 24 sums fill the registers."""
    z0, z1, z2 = z[0, low:high], z[1, low:high], z[2, low:high]
    z3, z4, z5 = z[3, low:high], z[4, low:high], z[5, low:high]
    for i in range(0, _BLOCK, 4):
        r0, r1 = rows[i, low:high], rows[i + 1, low:high]
        r2, r3 = rows[i + 2, low:high], rows[i + 3, low:high]
        s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = s20 = s21 = s22 = s23 = z.dtype.type(0)
        s30 = s31 = s32 = s33 = s40 = s41 = s42 = s43 = s50 = s51 = s52 = s53 = z.dtype.type(0)
        for j in range(len(z0)):
            x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
            u = z0[j]
            s00 += x0 * u
            s01 += x1 * u
            s02 += x2 * u
            s03 += x3 * u
            u = z1[j]
            s10 += x0 * u
            s11 += x1 * u
            s12 += x2 * u
            s13 += x3 * u
            u = z2[j]
            s20 += x0 * u
            s21 += x1 * u
            s22 += x2 * u
            s23 += x3 * u
            u = z3[j]
            s30 += x0 * u
            s31 += x1 * u
            s32 += x2 * u
            s33 += x3 * u
            u = z4[j]
            s40 += x0 * u
            s41 += x1 * u
            s42 += x2 * u
            s43 += x3 * u
            u = z5[j]
            s50 += x0 * u
            s51 += x1 * u
            s52 += x2 * u
            s53 += x3 * u
        for q, (a, b, c, e) in enumerate(
            (
                (s00, s01, s02, s03),
                (s10, s11, s12, s13),
                (s20, s21, s22, s23),
                (s30, s31, s32, s33),
                (s40, s41, s42, s43),
                (s50, s51, s52, s53),
            )
        ):
            y[q, i] += a
            y[q, i + 1] += b
            y[q, i + 2] += c
            y[q, i + 3] += e


@njit(nogil=True, fastmath=True, cache=True)
def _backward_six(rows: np.ndarray, v: np.ndarray, g: np.ndarray, low: int, high: int) -> None:
    g0, g1, g2 = g[0, low:high], g[1, low:high], g[2, low:high]
    g3, g4, g5 = g[3, low:high], g[4, low:high], g[5, low:high]
    for i in range(0, _BLOCK, 4):
        r0, r1 = rows[i, low:high], rows[i + 1, low:high]
        r2, r3 = rows[i + 2, low:high], rows[i + 3, low:high]
        v00, v01, v02, v03 = v[0, i], v[0, i + 1], v[0, i + 2], v[0, i + 3]
        v10, v11, v12, v13 = v[1, i], v[1, i + 1], v[1, i + 2], v[1, i + 3]
        v20, v21, v22, v23 = v[2, i], v[2, i + 1], v[2, i + 2], v[2, i + 3]
        v30, v31, v32, v33 = v[3, i], v[3, i + 1], v[3, i + 2], v[3, i + 3]
        v40, v41, v42, v43 = v[4, i], v[4, i + 1], v[4, i + 2], v[4, i + 3]
        v50, v51, v52, v53 = v[5, i], v[5, i + 1], v[5, i + 2], v[5, i + 3]
        for j in range(len(g0)):
            x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
            g0[j] += v00 * x0 + v01 * x1 + v02 * x2 + v03 * x3
            g1[j] += v10 * x0 + v11 * x1 + v12 * x2 + v13 * x3
            g2[j] += v20 * x0 + v21 * x1 + v22 * x2 + v23 * x3
            g3[j] += v30 * x0 + v31 * x1 + v32 * x2 + v33 * x3
            g4[j] += v40 * x0 + v41 * x1 + v42 * x2 + v43 * x3
            g5[j] += v50 * x0 + v51 * x1 + v52 * x2 + v53 * x3
