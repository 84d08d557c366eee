"""Newton's method along a path of mirror-descent problems.

The problem of `(y, z_0)` is `min D_F(z, z_0)` over `A z = y`. Its solution has `A z = y` and, for some `lambda`,

    s(z) + A^T lambda = c,    s(z) = -log z, c = -log z_0 for L = 2;    s(z) = z^{-q}, c = z_0^{-q} for L > 2.

Newton's method on both equations follows a path of problems. The first problem has the start itself as its solution,
with the measurements of that start; the last one is the problem to solve. The path has two straight lines, first of
`y`, then of `log z_0`. Without the path the method would not converge. `z` is a variable of its own besides `lambda`,
since on the support `c - A^T lambda` is a small difference of large numbers.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from wnsense.lab.diagonal.row_space import Matrix, Rows, Vector, weighted_solve

_MAX_STEPS = 2000
# Corrections at one place of the path: if these do not suffice, the stride along it was too long.
_MAX_CORRECTIONS = 6
_NEAR = 1e-2
_LEAST_STRIDE = 1e-12
_SETTLED = 1e-15
# e^-600: a smaller number has no meaning here, but its root still has one.
_LEAST_LOG = -600.0
_DUST = math.log(1e-15)
_DUST_CHANGE = 4.0
# Largest change of the logarithm of an entry in one Newton step.
_LARGEST_CHANGE = 1.5
# A y without a solution z >= 0 keeps a residual; one with a solution ends with a few roundings.
_REACHED = 1e-9
_ROUNDING = 1e-13


@dataclass(frozen=True)
class PathPoint:
    """Problem on the path with its solution.

    Attributes:
        log_z: Logarithm of the solution `z`, (N,).
        lam: Multiplier `lambda`, (M,).
        log_z0: Logarithm of the start `z_0`, (N,).
        y: Measurements, (M,).
        steps: Number of Newton steps so far.
        accuracy: Size of the last Newton step over that of `z`.
        settled: True if the solution for a smaller start is the same to all digits.
    """

    log_z: Vector
    lam: Rows
    log_z0: Vector
    y: Rows
    steps: int = 0
    accuracy: float = math.inf
    settled: bool = False


def follow_path(A: Matrix, q: float, at: PathPoint, log_z0: Vector, y: Rows) -> PathPoint:
    """Return the solution for other measurements and another start: first the one changes, then the other.

    Args:
        A: Map, (M, N), of orthonormal rows.
        q: Exponent `1 - 2 / L`.
        at: Solved problem at which the path begins.
        log_z0: Logarithm of the start of the problem to solve, (N,).
        y: Measurements of the problem to solve, (M,).
    """
    missing = 0.0
    if not np.array_equal(at.y, y):
        (*_, at), missing = _along(A, q, at, replace(at, y=y))
    trail, remaining = _along(A, q, at, replace(at, log_z0=log_z0))
    # If the last solutions lie on the boundary, a part of the first line is missing: y has no solution z > 0.
    steps = trail[-1].steps
    back = 1
    best = _polished(A, q, trail[-1])
    # For very small starts Newton's method sees only rounding on the support: go back to where A z = y still holds.
    while missing == 0 and not _explains(A, best) and back < len(trail):
        back, remaining = min(2 * back, len(trail)), 1.0
        best = _polished(A, q, trail[-back])
    changed = 0.0
    if remaining > 0 and not best.settled and len(trail) > 1:
        before = trail[max(len(trail) - back - 1, 0)]
        changed = float(np.linalg.norm(np.exp(best.log_z) - np.exp(before.log_z)) / np.linalg.norm(np.exp(best.log_z)))
    return replace(
        best, accuracy=max(best.accuracy, missing, changed), settled=best.settled or remaining > 0, steps=steps
    )


def is_reached(residual: float, A: Matrix, z: Vector, size: float) -> bool:
    """Return True if a relative residual of `A z = y` is no larger than rounding explains; `size` is `||y||`."""
    return residual <= _REACHED + rounding_level(A, z, size)


def rounding_level(A: Matrix, z: Vector, size: float) -> float:
    """Return the rounding error of `A z - y` over `||y||`, large for a large start: the difference is then small."""
    return _ROUNDING * float(np.linalg.norm(np.abs(A) @ z)) / size


def _explains(A: Matrix, at: PathPoint) -> bool:
    z, size = np.exp(at.log_z), float(np.linalg.norm(at.y))
    return is_reached(float(np.linalg.norm(A @ z - at.y)) / size, A, z, size)


def _along(A: Matrix, q: float, at: PathPoint, goal: PathPoint) -> tuple[list[PathPoint], float]:
    """Return the solutions on the line from one problem to the goal, and the part of the line after the last one.

    That part is not 0 in two cases. A smaller start changes no digit of the answer in double precision, or Newton's
    method does not converge at any stride.
    """
    trail, done, stride = [at], 0.0, 1.0
    first, steps = at, at.steps
    nats = float(np.abs(goal.log_z0 - at.log_z0).max())
    while done < 1 and steps < _MAX_STEPS and stride > _LEAST_STRIDE:
        ahead = min(1.0, done + stride)
        # The ends are reached to the last bit, so that a later comparison with them holds.
        y = goal.y if ahead == 1 or goal.y is first.y else (1 - ahead) * first.y + ahead * goal.y
        log_z0 = goal.log_z0 if ahead == 1 else (1 - ahead) * first.log_z0 + ahead * goal.log_z0
        there, arrived = _corrected(A, q, replace(at, log_z0=log_z0, y=y, steps=steps))
        spent, steps = there.steps - steps, there.steps
        if not arrived:
            stride /= 2
            continue
        changed = float(np.linalg.norm(np.exp(there.log_z) - np.exp(at.log_z)))
        size = float(np.linalg.norm(np.exp(there.log_z)))
        falling = nats > 0 and bool((goal.log_z0 <= at.log_z0).all())
        at = replace(there, settled=falling and changed <= _SETTLED * min(1.0, nats * (ahead - done)) * size)
        done, stride = ahead, stride * (2 if spent <= 3 else 1)
        trail.append(at)
        if at.settled:
            break
    trail[-1] = replace(trail[-1], steps=steps)
    return trail, 1 - done


def _corrected(A: Matrix, q: float, at: PathPoint) -> tuple[PathPoint, bool]:
    """Return the point after Newton's method, and True if it came near the solution in the allowed steps."""
    for step in range(_MAX_CORRECTIONS):
        change, lam = _newton(A, q, at)
        at = replace(at, steps=at.steps + 1)
        most = _largest(at, change)
        # The first step is the tangent of the path, the longest.
        if not most <= _LARGEST_CHANGE * (3 if step == 0 else 1):
            return at, False
        at = replace(at, log_z=np.maximum(at.log_z + change, _LEAST_LOG), lam=at.lam + lam)
        if most <= _NEAR:
            return at, True
    return at, False


def _polished(A: Matrix, q: float, at: PathPoint) -> PathPoint:
    """Return the point after Newton's method until only rounding changes it."""
    at = replace(at, accuracy=math.inf)
    best, idle = at, 0
    for _ in range(30):
        change, lam = _newton(A, q, at)
        z = np.exp(at.log_z)
        accuracy = float(np.linalg.norm(z * change) / np.linalg.norm(z))
        if not _largest(at, change) <= _LARGEST_CHANGE:
            return replace(best, accuracy=min(best.accuracy, accuracy))
        at = replace(at, log_z=at.log_z + change, lam=at.lam + lam, accuracy=accuracy)
        idle = 0 if accuracy < best.accuracy / 2 else idle + 1
        best = at if accuracy < best.accuracy else best
        if idle >= 2:
            break
    return best


def _newton(A: Matrix, q: float, at: PathPoint) -> tuple[Vector, Rows]:
    """Return the changes of `log z` and of `lambda`."""
    z, image = np.exp(at.log_z), A.T @ at.lam
    if q == 0:
        c, root = -at.log_z0, np.sqrt(z)
        dual = image - at.log_z - c
    else:
        c, root = np.exp(-q * at.log_z0), np.exp((1 + q) / 2 * at.log_z) / math.sqrt(q)
        dual = image + np.exp(-q * at.log_z) - c
    # A residual within the rounding of its terms has no meaning. It would change s (on the support) or z (off it) by
    # many times their size.
    primal, eps = at.y - A @ z, 4 * np.finfo(np.float64).eps
    primal = np.where(np.abs(primal) <= eps * (np.abs(A) @ z + np.abs(at.y)), 0, primal)
    dual = np.where(np.abs(dual) <= eps * (np.abs(c) + np.abs(A).T @ np.abs(at.lam)), 0, dual)
    change, lam = weighted_solve(A, root, primal, dual)
    relative = change / z
    relative = np.where(_is_dust(at), relative.clip(-_DUST_CHANGE, _DUST_CHANGE), relative)
    return relative, lam


def _is_dust(at: PathPoint) -> Bool[np.ndarray, " n"]:
    """Return True for entries of `z` too small for an effect on `A z = y`: their changes are rounding, and harmless."""
    dust: Bool[np.ndarray, " n"] = at.log_z < at.log_z.max() + _DUST
    return dust


def _largest(at: PathPoint, change: Vector) -> float:
    return float(np.abs(change[~_is_dust(at)]).max())
