"""Where the flow ends, with nothing run: the mirror-descent problem min D_F(z, z_0) over A z = y, solved on its own.

z_0 = (x_0 / rho)^L. The limit is the z with A z = y and, for some lambda,

    s(z) + A^T lambda = c,    s(z) = -log z, c = -log z_0 for L = 2;    s(z) = z^{-q}, c = z_0^{-q} for L > 2.

Newton's method on both equations is followed from a problem whose solution is known (start there, and the y of that
start) to the one that is wanted, along straight lines, of y first, of log z_0 then: from afar it would not arrive. z is
a variable of its own beside lambda, since on the support c - A^T lambda is a small difference of large numbers.

With weight normalization rho depends on r_inf, hence on the limit: `flow_limits` solves that equation too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import qr, solve_triangular
from scipy.optimize import brentq

from wnsense.checks import InputError, require, require_size
from wnsense.theory.arrays import real_array
from wnsense.theory.diagonal import exponent, log_magnification, require_rates

Vector = Float[np.ndarray, " n"]
Rows = Float[np.ndarray, " m"]
Matrix = Float[np.ndarray, "m n"]

_MAX_STEPS = 2000
# Corrections at one place of the path: where so many do not do, the stride along it was too long.
_MAX_CORRECTIONS = 6
_NEAR = 1e-2
# Newton steps from the answer for one start to that for one a nat away: a few, and then rounding.
_MAX_NEARBY = 50
_LEAST_STRIDE = 1e-12
_SETTLED = 1e-15
# e^-600: no number that is left of it has a meaning, but its root still has one.
_LEAST_LOG = -600.0
_DUST = math.log(1e-15)
_DUST_CHANGE = 4.0
# The most that the logarithm of an entry may change in one Newton step.
_LARGEST_CHANGE = 1.5
# Beyond this ratio of z_0^{-q} to the same of the answer, rounding on the support is larger than what a smaller start
# changes there: of order one over the ratio, by the l1 bound. The start is raised to it.
_LARGEST_COST = 1e12
# A y that no z >= 0 explains keeps a residual; one that is explained ends with a few roundings.
_REACHED = 1e-9
# From starts so large that roundings of A z are as large as y, nothing of y is left in z.
_LARGEST_ROUNDING = 1.0
_ROUNDING = 1e-13
# |log| of what is squared on the way, and of its square.
_MOST_LOG = 300.0
_TOO_LARGE = "take a smaller start; it is given by its logarithm"
_GRID_POINTS = 33
# Strides along a path are no shorter than 1e-12 of it, which must not be many nats.
_LOWEST_LOG = -1e13
# Each time the grid is extended, it is by twice as much.
_MOST_EXTENSIONS = 40
_FAR = 20.0


@dataclass(frozen=True)
class FlowLimit:
    """The limit of a flow.

    Attributes:
        z: x_inf^L, positive, (N,); 2 N entries of a signed network.
        radius: r_inf = ||x_inf||.
        log_magnification: log rho of the start x_0 / rho; 0 for plain flow.
        residual: ||A z - y|| / ||y||.
        accuracy: The size of the last Newton step over that of z, which bounds the error of z to first order; where
            smaller starts are lost in rounding, what the last one that is not changed.
        steps: Newton steps.
    """

    z: Vector
    radius: float
    log_magnification: float
    residual: float
    accuracy: float
    steps: int


def mirror_limit(A: Matrix, y: Rows, log_start: Vector, depth: int, *, log_magnification: float = 0.0) -> FlowLimit:
    """The minimizer of D_F(z, (x_0 / rho)^L) over A z = y, z >= 0: the limit of plain flow from x_0 / rho.

    The start is given by its logarithm, np.log(x_0), where `plain_flow` and `normalized_flow` take x_0 itself: a start
    of positive numbers is taken for logarithms of starts above 1, and nothing can tell.

    A start so small that a smaller one changes no digit of the answer is taken for the latter: entries of z below
    1e-15 of the largest are then larger than they should be, and the others are as exact as double precision has them.

    Args:
        A: The map, (M, N), of any rank; [A, -A] for a signed network (`signed_map`).
        y: The measurements, (M,).
        log_start: log x_0, (N,), not x_0: a start may be too small for a number.
        depth: L.
        log_magnification: log rho.

    Raises:
        InputError: When sizes do not fit, no z >= 0 has A z = y, or the start is so large that y is lost in rounding.
    """
    require(math.isfinite(log_magnification), "a finite log rho", log_magnification)
    return _Mirror.of(A, y, log_start, depth).limit(log_magnification)


def signed_map(A: Matrix) -> Float[np.ndarray, "m n2"]:
    """[A, -A]: a signed network of N entries is a positive one of 2 N."""
    return np.hstack([A, -A])


def flow_limits(
    A: Matrix, y: Rows, log_start: Vector, depth: int, *, ratio: float, power: float = 0.0
) -> tuple[FlowLimit, ...]:
    """Every limit that flow with weight normalization can have, by log rho ascending: most often one.

    A limit z(rho) of plain flow from x_0 / rho is one of weight normalization where rho is the magnification from r_0
    to r(rho) = ||x(rho)||. All solutions lie above the least value that log(r_0 / r) + phi(r) - phi(r_0) takes; they
    are looked for between the points of a grid, so that two within one cell are missed.

    The start is given by its logarithm, where `normalized_flow` takes x_0 itself.

    Args:
        A: The map, (M, N).
        y: The measurements, (M,).
        log_start: log x_0, (N,), not x_0.
        depth: L.
        ratio: eta.
        power: p, with eta_r = eta r^p, at most 2.

    Raises:
        InputError: When sizes do not fit, no z >= 0 has A z = y, a rate is out of its range, or the start is so large
            that y is lost in rounding.
    """
    require_rates(ratio, power)
    require(power <= 2, "a power of at most 2", power)
    mirror = _Mirror.of(A, y, log_start, depth)
    if power == 2 and ratio == 1:
        return (mirror.limit(0.0),)
    log_r0 = 0.5 * float(np.logaddexp.reduce(2 * mirror.log_start))
    needed = f"a norm of the start between e^-{_MOST_LOG:.0f} and e^{_MOST_LOG:.0f}"
    require(abs(log_r0) <= _MOST_LOG, needed, f"e^{log_r0:.4g}", "its logarithm is what is taken here")
    r0 = math.exp(log_r0)

    def gap(log_rho: float) -> float:
        return log_rho - log_magnification(r0, mirror.limit(log_rho).radius, ratio, power)

    grid = _grid(gap, r0, mirror.limit(0.0).radius, ratio, power)
    gaps = [gap(log_rho) for log_rho in grid]
    cells = zip(grid, grid[1:], gaps, gaps[1:], strict=False)
    roots = [
        float(brentq(gap, low, high, xtol=1e-13, rtol=1e-14))
        for low, high, first, second in cells
        if (first < 0) != (second < 0)
    ]
    return tuple(mirror.limit(root) for root in roots)


def flow_limit(A: Matrix, y: Rows, log_start: Vector, depth: int, *, ratio: float, power: float = 0.0) -> FlowLimit:
    """The limit of flow with weight normalization, where there is only one that it can have; see `flow_limits`.

    The start is given by its logarithm, where `normalized_flow` takes x_0 itself.

    Raises:
        InputError: When sizes do not fit, no z >= 0 has A z = y, or there are several.
    """
    limits = flow_limits(A, y, log_start, depth, ratio=ratio, power=power)
    logs = ", ".join(f"{limit.log_magnification:.4g}" for limit in limits)
    require(
        len(limits) == 1,
        "one magnification that reproduces itself",
        f"{len(limits)}: log rho = {logs}",
        "`flow_limits` gives all; which of them the flow reaches, only a run says",
    )
    return limits[0]


def hypentropy_limit(A: Matrix, y: Rows, scale: float) -> Vector:
    """The minimizer of `theory.diagonal.hypentropy` over A b = y: b = 2 alpha^2 sinh(A^T nu).

    Args:
        A: The map, (M, N), of full row rank.
        y: The measurements, (M,).
        scale: alpha.

    Raises:
        InputError: When Newton's method does not arrive: y is out of A's range.
    """
    require(scale > 0 and math.isfinite(scale), "a positive scale of the start", scale)
    require(1e-150 < scale < 1e150, "a scale of the start between 1e-150 and 1e150", scale, "change the unit of y")
    A, y = real_array("A", A, 2), real_array("y", y, 1)
    require_size("the measurements", y.shape, (A.shape[0],))
    if not (y != 0).any():
        return np.zeros(A.shape[1])
    require(bool((A != 0).any()), "a map that measures something", "zeros only")
    rows, target = _independent_rows(A, y)
    least = rows.T @ target
    nu, log_beta = np.zeros(len(target)), math.log(max(float(np.abs(least).max()), 1e-300)) + 1
    goal = math.log(2) + 2 * math.log(scale)
    # From a start that is too large, down (or up) to the one that is asked for: sinh is nearly linear at first.
    while True:
        beta, last = math.exp(log_beta), math.inf
        for _ in range(_MAX_NEARBY):
            t = rows.T @ nu
            step = _weighted_solve(rows, np.sqrt(beta) * np.sqrt(np.cosh(t)), target - rows @ (beta * np.sinh(t)))[1]
            move = float(np.abs(rows.T @ step).max())
            nu = nu + min(1.0, 1 / max(move, 1e-300)) * step
            # From small starts rounding is larger than the first.
            if move <= 1e-13 * max(1.0, float(np.abs(t).max())) or last <= move < 1e-6:
                break
            last = move
        if log_beta == goal:
            break
        log_beta = max(goal, log_beta - 1) if goal < log_beta else min(goal, log_beta + 1)
    b: Vector = math.exp(goal) * np.sinh(rows.T @ nu)
    residual = float(np.linalg.norm(A @ b - y) / np.linalg.norm(y))
    require(residual <= _REACHED, "measurements in the range of A", f"a relative residual of {residual:.1e}")
    return b


def _grid(gap: Callable[[float], float], r0: float, radius: float, ratio: float, power: float) -> list[float]:
    """Points between the ends outside of which no magnification reproduces itself."""
    # phi(r) - log r is least where r^{2 - p} = eta.
    log_lowest = math.log(ratio) / (2 - power) if power < 2 else -math.inf
    bounded = abs(log_lowest) <= _MOST_LOG
    least = log_magnification(r0, math.exp(log_lowest), ratio, power) - 1e-9 if bounded else -math.inf
    # From a start far above the answer nothing comes back to itself, unless no z is large: then lower still.
    low = max(least, math.log(r0 / (_FAR * radius)))
    for extension in range(_MOST_EXTENSIONS):
        if low <= least or gap(low) <= 0:
            break
        low = max(least, low - 3 * 2**extension)
    high = max(low, 0.0) + 1
    for _ in range(_MOST_EXTENSIONS):
        grid = [float(t) for t in np.linspace(low, high, _GRID_POINTS)]
        most = max(t - gap(t) for t in grid)
        if most < high:
            return grid
        # More than a rounding of it, however large it is.
        high = most + max(1.0, 1e-6 * abs(most))
    raise InputError(
        f"needed a start whose magnification can be bounded, got one whose log rho goes beyond {most:.3g}; take a "
        "smaller start or a larger ratio"
    )


def _independent_rows(A: Matrix, y: Rows) -> tuple[Float[np.ndarray, "k n"], Float[np.ndarray, " k"]]:
    """Orthonormal combinations of the rows of A that say all that they say, and the same of y."""
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    kept = s > s[0] * max(A.shape) * np.finfo(np.float64).eps
    return Vh[kept], (U.T @ y)[kept] / s[kept]


def _weighted_solve(A: Matrix, root: Vector, right: Rows, shift: Vector | None = None) -> tuple[Vector, Rows]:
    """The d = W (A^T l + e) with A d = b, and l, for W = diag(root)^2; e = 0 without a shift.

    By an orthogonal factorization of W^{1/2} A^T, largest rows first: in this order Householder's method is accurate
    row by row, however far apart the weights are. d comes from Q and not from l, in which small entries would drown.
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


@dataclass(frozen=True)
class _Place:
    """A problem of the path with its solution; settled where that of a smaller start is the same to all digits."""

    log_z: Vector
    lam: Rows
    log_z0: Vector
    y: Rows
    steps: int = 0
    accuracy: float = math.inf
    settled: bool = False


@dataclass
class _Mirror:
    """The problems that differ in rho alone; each is reached from one solved before, so that a search pays little."""

    A: Matrix
    y: Rows
    rows: Float[np.ndarray, "k n"]
    log_start: Vector
    depth: int
    places: list[_Place]

    @classmethod
    def of(cls, A: Matrix, y: Rows, log_start: Vector, depth: int) -> "_Mirror":
        exponent(depth)
        A, y, log_start = real_array("A", A, 2), real_array("y", y, 1), real_array("log x_0", log_start, 1)
        M, N = A.shape
        require_size("the measurements", y.shape, (M,))
        require_size("the start", log_start.shape, (N,))
        require(bool((y != 0).any()), "measurements that are not all zero", "a zero vector")
        require(bool((A != 0).any()), "a map that measures something", "zeros only")
        rows, target = _independent_rows(A, y)
        least = np.abs(rows.T @ target)
        log_z = np.log(least + least.mean())
        begin = _Place(log_z, np.zeros(len(target)), log_z, rows @ np.exp(log_z))
        return cls(A, y, rows, log_start, depth, [begin])

    def limit(self, log_rho: float) -> FlowLimit:
        _, target = _independent_rows(self.A, self.y)
        log_z0 = self.depth * (self.log_start - log_rho)
        q = exponent(self.depth)
        most = float(log_z0.max())
        require(most <= _MOST_LOG, "a start (x_0 / rho)^L that can be squared", f"e^{most:.4g}", _TOO_LARGE)
        lowest = float(log_z0.min())
        needed = f"a start (x_0 / rho)^L of at least e^{_LOWEST_LOG:.0e}"
        require(lowest >= _LOWEST_LOG, needed, f"e^{lowest:.4g}", "take a larger ratio of learning rates")
        if q > 0:
            largest = float(np.log(np.abs(self.rows.T @ target)).max())
            log_z0 = log_z0 + max(0.0, largest - math.log(_LARGEST_COST) / q - float(log_z0.min()))
        # From the nearest start above: a start that was so small that entries of z became dust leads nowhere upwards.
        above = [place for place in self.places[1:] if bool((place.log_z0 >= log_z0).all())]
        nearest = min(above, key=lambda place: float((place.log_z0 - log_z0).max()), default=self.places[0])
        nearest = replace(nearest, steps=0)
        # Raised starts are all one; and where rounding has the last word, the path would not hold at its own end.
        known = nearest.settled or (nearest is not self.places[0] and np.array_equal(nearest.log_z0, log_z0))
        place = nearest if known else _followed(self.rows, q, nearest, log_z0, target)
        z = np.exp(place.log_z)
        size = float(np.linalg.norm(self.y))
        residual = float(np.linalg.norm(self.A @ z - self.y)) / size
        rounding = _rounding(self.A, z, size)
        came = f"roundings of {rounding:.1e} of its size"
        require(rounding <= _LARGEST_ROUNDING, "a start beside which y can be seen", came, _TOO_LARGE)
        if not _is_reached(residual, self.A, z, size):
            raise InputError(
                f"needed measurements that some z >= 0 explains, got a relative residual of {residual:.1e} at the best "
                "one found; a signed network explains whatever lies in the range of A"
            )
        self.places.append(place)
        radius = math.exp(0.5 * float(np.logaddexp.reduce(2 / self.depth * place.log_z)))
        return FlowLimit(z, radius, float(log_rho), residual, place.accuracy, place.steps)


def _followed(A: Matrix, q: float, at: _Place, log_z0: Vector, y: Rows) -> _Place:
    """The solution for other measurements and another start: first along the one, then along the other."""
    missing = 0.0
    if not np.array_equal(at.y, y):
        (*_, at), missing = _along(A, q, at, replace(at, y=y))
    trail, left = _along(A, q, at, replace(at, log_z0=log_z0))
    # Where the last solutions lie on the boundary, a part of the first way is left: y has no z > 0 of its own.
    steps = trail[-1].steps
    back = 1
    best = _polished(A, q, trail[-1])
    # From starts so small that rounding on the support is all that Newton's method sees, to where it does not lose y.
    while missing == 0 and not _explains(A, best) and back < len(trail):
        back, left = min(2 * back, len(trail)), 1.0
        best = _polished(A, q, trail[-back])
    changed = 0.0
    if left > 0 and not best.settled and len(trail) > 1:
        before = trail[max(len(trail) - back - 1, 0)]
        changed = float(np.linalg.norm(np.exp(best.log_z) - np.exp(before.log_z)) / np.linalg.norm(np.exp(best.log_z)))
    return replace(best, accuracy=max(best.accuracy, missing, changed), settled=best.settled or left > 0, steps=steps)


def _explains(A: Matrix, at: _Place) -> bool:
    z, size = np.exp(at.log_z), float(np.linalg.norm(at.y))
    return _is_reached(float(np.linalg.norm(A @ z - at.y)) / size, A, z, size)


def _is_reached(residual: float, A: Matrix, z: Vector, size: float) -> bool:
    return residual <= _REACHED + _rounding(A, z, size)


def _rounding(A: Matrix, z: Vector, size: float) -> float:
    """What is left of A z - y, over ||y||, by rounding: from a large start z is large, and this a small difference."""
    return _ROUNDING * float(np.linalg.norm(np.abs(A) @ z)) / size


def _along(A: Matrix, q: float, at: _Place, goal: _Place) -> tuple[list[_Place], float]:
    """The solutions of problems on the line from one to the goal's, and how much of the way is left after the last.

    Some is left where a smaller start changes nothing any more that double precision could show beside the answer, or
    where Newton's method does not arrive however short the stride.
    """
    trail, done, stride = [at], 0.0, 1.0
    first, steps = at, at.steps
    nats = float(np.abs(goal.log_z0 - at.log_z0).max())
    while done < 1 and steps < _MAX_STEPS and stride > _LEAST_STRIDE:
        ahead = min(1.0, done + stride)
        # Ends are met to the last bit, so that what is there is known again.
        y = goal.y if ahead == 1 or goal.y is first.y else (1 - ahead) * first.y + ahead * goal.y
        log_z0 = goal.log_z0 if ahead == 1 else (1 - ahead) * first.log_z0 + ahead * goal.log_z0
        there, arrived = _corrected(A, q, replace(at, log_z0=log_z0, y=y, steps=steps))
        taken, steps = there.steps - steps, there.steps
        if not arrived:
            stride /= 2
            continue
        changed = float(np.linalg.norm(np.exp(there.log_z) - np.exp(at.log_z)))
        size = float(np.linalg.norm(np.exp(there.log_z)))
        falling = nats > 0 and bool((goal.log_z0 <= at.log_z0).all())
        at = replace(there, settled=falling and changed <= _SETTLED * min(1.0, nats * (ahead - done)) * size)
        done, stride = ahead, stride * (2 if taken <= 3 else 1)
        trail.append(at)
        if at.settled:
            break
    trail[-1] = replace(trail[-1], steps=steps)
    return trail, 1 - done


def _corrected(A: Matrix, q: float, at: _Place) -> tuple[_Place, bool]:
    """Newton's method until it is near the solution, or has not come near in the steps that it may take."""
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


def _polished(A: Matrix, q: float, at: _Place) -> _Place:
    """Newton's method until rounding has the last word."""
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


def _newton(A: Matrix, q: float, at: _Place) -> tuple[Vector, Rows]:
    """The changes of log z and of lambda."""
    z, image = np.exp(at.log_z), A.T @ at.lam
    if q == 0:
        c, root = -at.log_z0, np.sqrt(z)
        dual = image - at.log_z - c
    else:
        c, root = np.exp(-q * at.log_z0), np.exp((1 + q) / 2 * at.log_z) / math.sqrt(q)
        dual = image + np.exp(-q * at.log_z) - c
    # What is within the rounding of its terms says nothing: on the support the one, off it the other, would be taken
    # for a change of s or z many times their size.
    primal, eps = at.y - A @ z, 4 * np.finfo(np.float64).eps
    primal = np.where(np.abs(primal) <= eps * (np.abs(A) @ z + np.abs(at.y)), 0, primal)
    dual = np.where(np.abs(dual) <= eps * (np.abs(c) + np.abs(A).T @ np.abs(at.lam)), 0, dual)
    change, lam = _weighted_solve(A, root, primal, dual)
    relative = change / z
    relative = np.where(_is_dust(at), relative.clip(-_DUST_CHANGE, _DUST_CHANGE), relative)
    return relative, lam


def _is_dust(at: _Place) -> Bool[np.ndarray, " n"]:
    """Which entries of z the equation A z = y cannot tell from nothing: their changes are rounding, and harmless."""
    dust: Bool[np.ndarray, " n"] = at.log_z < at.log_z.max() + _DUST
    return dust


def _largest(at: _Place, change: Vector) -> float:
    return float(np.abs(change[~_is_dust(at)]).max())
