"""Checked arrays of a problem `A z = y`, orthonormal rows of `A`, and a weighted least-squares solve."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import qr, solve_triangular

from wnsense.checks import require, require_size
from wnsense.theory.arrays import real_array

Vector = Float[np.ndarray, " n"]
Rows = Float[np.ndarray, " m"]
Matrix = Float[np.ndarray, "m n"]


def problem_arrays(A: Matrix, y: Rows, start: Vector, *, start_name: str) -> tuple[Matrix, Rows, Vector]:
    """Return the map, the measurements and the start as arrays of doubles.

    Args:
        A: Map, (M, N).
        y: Measurements, (M,), not all zero.
        start: Start, (N,).
        start_name: Name of the start's values, for messages.

    Raises:
        InputError: If sizes do not fit, a number is not finite, or all measurements are zero.
    """
    A, y, start = real_array("A", A, 2), real_array("y", y, 1), real_array(start_name, start, 1)
    M, N = A.shape
    require_size("the measurements", y.shape, (M,))
    require_size("the start", start.shape, (N,))
    require(bool((y != 0).any()), "measurements that are not all zero", "a zero vector")
    return A, y, start


def signed_map(A: Matrix) -> Float[np.ndarray, "m n2"]:
    """Return `[A, -A]`: a signed network of N entries is a positive one of 2 N."""
    return np.hstack([A, -A])


def independent_rows(A: Matrix, y: Rows) -> tuple[Float[np.ndarray, "k n"], Float[np.ndarray, " k"]]:
    """Return an orthonormal basis of the row space of `A`, and the measurements in it."""
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    nonzero = s > s[0] * max(A.shape) * np.finfo(np.float64).eps
    return Vh[nonzero], (U.T @ y)[nonzero] / s[nonzero]


def weighted_solve(A: Matrix, root: Vector, right: Rows, shift: Vector | None = None) -> tuple[Vector, Rows]:
    """Return `d = W (A^T l + e)` with `A d = b`, and `l`, for `W = diag(root)^2`.

    The method is an orthogonal factorization of `W^{1/2} A^T`, largest rows first. In this order Householder's method
    is accurate row by row, however different the weights are. `d` is computed from `Q` and not from `l`, in which small
    entries would be lost.

    Args:
        A: Map, (M, N).
        root: Square roots of the weights, (N,).
        right: Right side `b`, (M,).
        shift: Shift `e`, (N,); 0 if None.
    """
    order = np.argsort(-root)
    weights = root[order]
    Q, R, pivots = qr(weights[:, None] * A.T[order], mode="economic", pivoting=True)
    e = np.zeros_like(root) if shift is None else weights * shift[order]
    along = Q.T @ e
    g = solve_triangular(R, right[pivots], trans=1) - along
    d, lam = np.empty_like(root), np.empty_like(right)
    d[order] = weights * (e + Q @ g)
    lam[pivots] = solve_triangular(R, g)
    return d, lam
