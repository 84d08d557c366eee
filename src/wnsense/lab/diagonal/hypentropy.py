"""Limit of plain flow of `b = u^2 - v^2` from an equal start, as the minimizer of the hypentropy."""

import math

import numpy as np

from wnsense.checks import require, require_size
from wnsense.lab.diagonal.row_space import Matrix, Rows, Vector, independent_rows, weighted_solve
from wnsense.theory.arrays import real_array

# Newton steps from the answer for one start to that for a start a factor e away: a few, and then rounding.
_MAX_STEPS = 50
# Measurements outside the range of A keep a residual; others end with a few roundings.
_REACHED = 1e-9


def hypentropy_limit(A: Matrix, y: Rows, scale: float) -> Vector:
    """Return the minimizer of `theory.diagonal.hypentropy` over `A b = y`: `b = 2 alpha^2 sinh(A^T nu)`.

    Args:
        A: Map, (M, N), of full row rank.
        y: Measurements, (M,).
        scale: Scale `alpha` of the start.

    Raises:
        InputError: If Newton's method does not converge, because `y` is not in the range of `A`.
    """
    require(scale > 0 and math.isfinite(scale), "a positive scale of the start", scale)
    require(1e-150 < scale < 1e150, "a scale of the start between 1e-150 and 1e150", scale, "change the unit of y")
    A, y = real_array("A", A, 2), real_array("y", y, 1)
    require_size("the measurements", y.shape, (A.shape[0],))
    if not (y != 0).any():
        return np.zeros(A.shape[1])
    require(bool((A != 0).any()), "a map that measures something", "zeros only")
    rows, target = independent_rows(A, y)
    nu, log_beta = np.zeros(len(target)), math.log(max(float(np.abs(rows.T @ target).max()), 1e-300)) + 1
    goal = math.log(2) + 2 * math.log(scale)
    # From a start that is too large, down (or up) to the given one: sinh is nearly linear at first.
    while True:
        nu = _corrected(rows, target, nu, math.exp(log_beta))
        if log_beta == goal:
            break
        log_beta = max(goal, log_beta - 1) if goal < log_beta else min(goal, log_beta + 1)
    b: Vector = math.exp(goal) * np.sinh(rows.T @ nu)
    residual = float(np.linalg.norm(A @ b - y) / np.linalg.norm(y))
    require(residual <= _REACHED, "measurements in the range of A", f"a relative residual of {residual:.1e}")
    return b


def _corrected(rows: Matrix, target: Rows, nu: Rows, beta: float) -> Rows:
    """Return `nu` after Newton's method for `rows (beta sinh(rows^T nu)) = target`."""
    last = math.inf
    for _ in range(_MAX_STEPS):
        t = rows.T @ nu
        step = weighted_solve(rows, np.sqrt(beta) * np.sqrt(np.cosh(t)), target - rows @ (beta * np.sinh(t)))[1]
        move = float(np.abs(rows.T @ step).max())
        nu = nu + min(1.0, 1 / max(move, 1e-300)) * step
        # From small starts rounding is larger than the first bound.
        if move <= 1e-13 * max(1.0, float(np.abs(t).max())) or last <= move < 1e-6:
            break
        last = move
    return nu
