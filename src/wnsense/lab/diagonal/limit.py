"""Limits of flows from their equations, without a run: the problem `min D_F(z, z_0)` over `A z = y`.

Here `z_0 = (x_0 / rho)^L`; `mirror_path` has the equations and the method. With weight normalization `rho` depends on
`r_inf`, hence on the limit: `flow_limits` solves that equation too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from wnsense.checks import InputError, require
from wnsense.lab.diagonal.mirror_path import PathPoint, follow_path, is_reached, rounding_level
from wnsense.lab.diagonal.row_space import Matrix, Rows, Vector, independent_rows, problem_arrays
from wnsense.theory.diagonal import exponent, log_magnification, require_rates

# Largest ratio of z_0^{-q} to that of the answer; a smaller start is raised to it. Beyond it, rounding on the support
# is larger than the effect of a smaller start. That effect is of order one over the ratio, by the l1 bound.
_LARGEST_COST = 1e12
# From starts so large that roundings of A z are as large as y, no digit of y remains in z.
_LARGEST_ROUNDING = 1.0
# Largest |log| of numbers that are squared on the way, and of their squares.
_MOST_LOG = 300.0
_TOO_LARGE = "take a smaller start; it is given by its logarithm"
_GRID_POINTS = 33
# Strides along a path are no shorter than 1e-12 of it, which must not be many factors of e.
_LOWEST_LOG = -1e13
# Each extension of the grid is twice as long as the one before.
_MAX_EXTENSIONS = 40
_FAR = 20.0


@dataclass(frozen=True)
class FlowLimit:
    """Limit of a flow.

    Attributes:
        z: Limit `x_inf^L`, positive, (N,); 2 N entries for a signed network.
        radius: Radius `r_inf = ||x_inf||`.
        log_magnification: Logarithm of `rho` in the start `x_0 / rho`; 0 for plain flow.
        residual: Relative residual `||A z - y|| / ||y||`.
        accuracy: Size of the last Newton step over that of `z`, which bounds the error of `z` to first order. If
            smaller starts are lost in rounding: the change by the last one that is not.
        steps: Number of Newton steps.
    """

    z: Vector
    radius: float
    log_magnification: float
    residual: float
    accuracy: float
    steps: int


def mirror_limit(A: Matrix, y: Rows, log_start: Vector, depth: int, *, log_magnification: float = 0.0) -> FlowLimit:
    """Return the limit of plain flow from `x_0 / rho`: the minimizer of `D_F(z, (x_0 / rho)^L)` over `A z = y`.

    The start is given by its logarithm, `np.log(x_0)`, while `plain_flow` and `normalized_flow` take `x_0` itself. A
    start of positive numbers is taken for logarithms of starts above 1, without a message.

    For a start so small that a smaller one changes no digit of the answer, that answer is returned. Its entries below
    1e-15 of the largest are then too large; the others are as exact as double precision allows.

    Args:
        A: Map, (M, N), of any rank; `[A, -A]` for a signed network (`signed_map`).
        y: Measurements, (M,).
        log_start: Logarithm of the start, `log x_0`, (N,); a start may be too small for a number.
        depth: Number of factors `L`.
        log_magnification: Logarithm of `rho`.

    Raises:
        InputError: If sizes do not fit, no `z >= 0` has `A z = y`, or the start is so large that `y` is lost in
            rounding.
    """
    require(math.isfinite(log_magnification), "a finite log rho", log_magnification)
    problem = _mirror_problem(A, y, log_start, depth)
    return problem.limit(problem.solution([], log_magnification), log_magnification)


def flow_limits(
    A: Matrix, y: Rows, log_start: Vector, depth: int, *, ratio: float, power: float = 0.0
) -> tuple[FlowLimit, ...]:
    """Return every possible limit of flow with weight normalization, by ascending `log rho`; mostly there is one.

    A limit `z(rho)` of plain flow from `x_0 / rho` is one of weight normalization if `rho` is the magnification from
    `r_0` to `r(rho) = ||x(rho)||`. All solutions lie above the least value of `log(r_0 / r) + phi(r) - phi(r_0)`. They
    are searched between the points of a grid, so that two solutions within one cell are missed.

    Args:
        A: Map, (M, N).
        y: Measurements, (M,).
        log_start: Logarithm of the start, `log x_0`, (N,), while `normalized_flow` takes `x_0` itself.
        depth: Number of factors `L`.
        ratio: Ratio of learning rates `eta`.
        power: Power `p` in `eta_r = eta r^p`, at most 2.

    Raises:
        InputError: If sizes do not fit, no `z >= 0` has `A z = y`, or a rate is out of its range. Also if the start is
            so large that `y` is lost in rounding.
    """
    require_rates(ratio, power)
    require(power <= 2, "a power of at most 2", power)
    problem = _mirror_problem(A, y, log_start, depth)
    solved: list[PathPoint] = []

    def limit(log_rho: float) -> FlowLimit:
        # Each problem is reached from one solved before, which makes a search cheap.
        solved.append(problem.solution(solved, log_rho))
        return problem.limit(solved[-1], log_rho)

    if power == 2 and ratio == 1:
        return (limit(0.0),)
    r0 = _start_radius(problem.log_start)

    def gap(log_rho: float) -> float:
        return log_rho - log_magnification(r0, limit(log_rho).radius, ratio, power)

    grid = _grid(gap, r0, limit(0.0).radius, ratio, power)
    gaps = [gap(log_rho) for log_rho in grid]
    cells = zip(grid, grid[1:], gaps, gaps[1:], strict=False)
    roots = [
        float(brentq(gap, low, high, xtol=1e-13, rtol=1e-14))
        for low, high, first, second in cells
        if (first < 0) != (second < 0)
    ]
    return tuple(limit(root) for root in roots)


def flow_limit(A: Matrix, y: Rows, log_start: Vector, depth: int, *, ratio: float, power: float = 0.0) -> FlowLimit:
    """Return the limit of flow with weight normalization, if only one is possible; see `flow_limits`.

    Raises:
        InputError: If there are several, or for the reasons of `flow_limits`.
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


def _start_radius(log_start: Vector) -> float:
    log_r0 = 0.5 * float(np.logaddexp.reduce(2 * log_start))
    needed = f"a norm of the start between e^-{_MOST_LOG:.0f} and e^{_MOST_LOG:.0f}"
    require(abs(log_r0) <= _MOST_LOG, needed, f"e^{log_r0:.4g}", "its logarithm is what is taken here")
    return math.exp(log_r0)


def _grid(gap: Callable[[float], float], r0: float, radius: float, ratio: float, power: float) -> list[float]:
    """Return points between two ends; no magnification outside of them reproduces itself."""
    # phi(r) - log r is least where r^{2 - p} = eta.
    log_lowest = math.log(ratio) / (2 - power) if power < 2 else -math.inf
    bounded = abs(log_lowest) <= _MOST_LOG
    least = log_magnification(r0, math.exp(log_lowest), ratio, power) - 1e-9 if bounded else -math.inf
    # From a start far above the answer nothing reproduces itself, unless no z is large: then lower still.
    low = max(least, math.log(r0 / (_FAR * radius)))
    for extension in range(_MAX_EXTENSIONS):
        if low <= least or gap(low) <= 0:
            break
        low = max(least, low - 3 * 2**extension)
    high = max(low, 0.0) + 1
    for _ in range(_MAX_EXTENSIONS):
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


@dataclass(frozen=True)
class _MirrorProblem:
    """Problems that differ in `rho` alone.

    Attributes:
        A: Map, (M, N).
        y: Measurements, (M,).
        rows: Orthonormal basis of the row space of `A`, (K, N).
        target: Measurements in that basis, (K,).
        log_start: Logarithm of the start, `log x_0`, (N,).
        depth: Number of factors `L`.
        begin: Problem whose solution is its start.
    """

    A: Matrix
    y: Rows
    rows: Float[np.ndarray, "k n"]
    target: Float[np.ndarray, " k"]
    log_start: Vector
    depth: int
    begin: PathPoint

    def solution(self, solved: list[PathPoint], log_rho: float) -> PathPoint:
        """Return the solution for a magnification, by a path from the nearest of the problems solved before."""
        q, log_z0 = exponent(self.depth), self._log_z0(log_rho)
        # From the nearest larger start: a start so small that entries of z became dust leads nowhere upwards.
        above = [place for place in solved if bool((place.log_z0 >= log_z0).all())]
        nearest = min(above, key=lambda place: float((place.log_z0 - log_z0).max()), default=self.begin)
        nearest = replace(nearest, steps=0)
        # Raised starts are all the same; and at the limit of rounding a path would not stay at its own end.
        if nearest.settled or (above and np.array_equal(nearest.log_z0, log_z0)):
            return nearest
        return follow_path(self.rows, q, nearest, log_z0, self.target)

    def limit(self, place: PathPoint, log_rho: float) -> FlowLimit:
        """Return the limit of a solution, or raise `InputError` if it does not explain the measurements."""
        z = np.exp(place.log_z)
        size = float(np.linalg.norm(self.y))
        residual = float(np.linalg.norm(self.A @ z - self.y)) / size
        rounding = rounding_level(self.A, z, size)
        came = f"roundings of {rounding:.1e} of its size"
        require(rounding <= _LARGEST_ROUNDING, "a start beside which y can be seen", came, _TOO_LARGE)
        if not is_reached(residual, self.A, z, size):
            raise InputError(
                f"needed measurements that some z >= 0 explains, got a relative residual of {residual:.1e} at the best "
                "one found; a signed network explains whatever lies in the range of A"
            )
        radius = math.exp(0.5 * float(np.logaddexp.reduce(2 / self.depth * place.log_z)))
        return FlowLimit(z, radius, float(log_rho), residual, place.accuracy, place.steps)

    def _log_z0(self, log_rho: float) -> Vector:
        """Return the logarithm of `(x_0 / rho)^L`, raised if rounding hides its effect."""
        log_z0 = self.depth * (self.log_start - log_rho)
        q = exponent(self.depth)
        most = float(log_z0.max())
        require(most <= _MOST_LOG, "a start (x_0 / rho)^L that can be squared", f"e^{most:.4g}", _TOO_LARGE)
        lowest = float(log_z0.min())
        needed = f"a start (x_0 / rho)^L of at least e^{_LOWEST_LOG:.0e}"
        require(lowest >= _LOWEST_LOG, needed, f"e^{lowest:.4g}", "take a larger ratio of learning rates")
        if q > 0:
            largest = float(np.log(np.abs(self.rows.T @ self.target)).max())
            log_z0 = log_z0 + max(0.0, largest - math.log(_LARGEST_COST) / q - float(log_z0.min()))
        return log_z0


def _mirror_problem(A: Matrix, y: Rows, log_start: Vector, depth: int) -> _MirrorProblem:
    exponent(depth)
    A, y, log_start = problem_arrays(A, y, log_start, start_name="log x_0")
    require(bool((A != 0).any()), "a map that measures something", "zeros only")
    rows, target = independent_rows(A, y)
    least = np.abs(rows.T @ target)
    log_z = np.log(least + least.mean())
    begin = PathPoint(log_z, np.zeros(len(target)), log_z, rows @ np.exp(log_z))
    return _MirrorProblem(A, y, rows, target, log_start, depth, begin)
