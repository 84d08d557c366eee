"""Gradient flow of diagonal linear networks, plain and weight-normalized, by an implicit integrator.

The integrator has no access to the conserved quantities (`theory.diagonal`), `||u|| = 1` among them; `FlowRun.drift`
measures their error. Where `s` entries form the answer, `M - s` directions of the residual fall at the speed of the
small entries. Rates then differ by as much as `x^{2L-2}` does, over times of 1e8 and more. The integrator is therefore
Radau's method of order 5 (SciPy's) with the exact Jacobian; docs/diagonal.md compares it with others.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import OdeSolver, Radau

from wnsense.checks import require, require_level
from wnsense.lab.diagonal.flow_field import FlowField, State
from wnsense.lab.diagonal.row_space import Matrix, Rows, Vector, problem_arrays
from wnsense.theory.diagonal import kernel_component, log_plain_invariant, potential, require_depth, require_rates

_FINEST = 1e-13
_FASTEST = 1e100


@dataclass(frozen=True)
class FlowRun:
    """Integrated flow.

    Attributes:
        field: Vector field of the flow, with the problem and the rates.
        times: Times of the integrator's steps, ascending from 0, (T,).
        log_direction: Logarithm `log u`, (T, N); `log (x / ||x||)` for plain flow.
        log_radius: Logarithm `log r`, (T,).
        residuals: Relative residuals `||A z - y|| / ||y||`, (T,).
        reached: True if the residual of the stop was reached, False if the time or the steps were used up.
        evaluations: Number of evaluations of the right-hand side.
    """

    field: FlowField
    times: Float[np.ndarray, " t"]
    log_direction: Float[np.ndarray, "t n"]
    log_radius: Float[np.ndarray, " t"]
    residuals: Float[np.ndarray, " t"]
    reached: bool
    evaluations: int

    @property
    def x(self) -> Float[np.ndarray, "t n"]:
        """Weights `r u` along the run."""
        return np.asarray(np.exp(self.log_direction + self.log_radius[:, None]))

    @property
    def z(self) -> Vector:
        """Vector `x^L` at the end."""
        return np.asarray(np.exp(self.field.depth * (self.log_direction[-1] + self.log_radius[-1])))

    def invariants(self) -> Float[np.ndarray, "t n"]:
        """Return the invariants along the run, whose change lies in the range of `A^T`.

        For `L > 2` they are infinite where an entry is too small.
        """
        return np.stack([log_plain_invariant(row, self.field.depth) for row in self._log_conserved()])

    def _log_conserved(self) -> Float[np.ndarray, "t n"]:
        """Return `log x` of plain flow, `log (u e^phi)` otherwise; `x` and `u` may be too small for a number."""
        if self.field.ratio is None:
            return np.asarray(self.log_direction + self.log_radius[:, None])
        ratio, power = self.field.ratio, self.field.power
        phi = [potential(math.exp(log_r), ratio, power) for log_r in self.log_radius]
        return np.asarray(self.log_direction + np.array(phi)[:, None])

    def drift(self) -> float:
        """Return the largest null-space part of the invariants' change, relative to the change, over the second half.

        In the first half the change itself may be no more than rounding.
        """
        logs = self._log_conserved()
        # For L > 2 divided by the largest entry along the run; the factor cancels in a relative change.
        logs = logs if self.field.depth == 2 else logs - logs.min()
        h = np.stack([log_plain_invariant(row, self.field.depth) for row in logs])
        return max(kernel_component(self.field.A, change) for change in (h - h[0])[len(h) // 2 :])

    def norm_drift(self) -> float:
        """Return the largest `| ||u|| - 1 |`; 0 up to rounding for plain flow, which has no direction of its own."""
        squares = np.logaddexp.reduce(2 * self.log_direction, axis=1)
        return float(np.abs(np.expm1(squares / 2)).max())


@dataclass(frozen=True)
class FlowStop:
    """Conditions of which the first one ends a flow.

    Attributes:
        residual: Relative residual `||A z - y|| / ||y||` of the end.
        time: Time of the end.
        steps: Largest number of steps of the integrator.
    """

    residual: float = 1e-10
    time: float = 1e8
    steps: int = 20_000

    def __post_init__(self) -> None:
        """Check the limits."""
        require_level("a residual", self.residual)
        require(self.time > 0 and math.isfinite(self.time), "a positive time", self.time)
        require(self.steps >= 1, "at least one step", self.steps)


def plain_flow(
    A: Matrix,
    y: Rows,
    start: Vector,
    depth: int,
    *,
    stop: FlowStop | None = None,
    tolerance: float = 1e-9,
    integrator: type[OdeSolver] = Radau,
) -> FlowRun:
    """Integrate the flow `x' = -grad 1/2 ||A x^L - y||^2` from a positive start.

    Args:
        A: Map, (M, N); `[A, -A]` for a signed network (`signed_map`).
        y: Measurements, (M,).
        start: Start `x_0`, (N,), positive, while `mirror_limit` and `flow_limit` take its logarithm.
        depth: Number of factors `L`.
        stop: Conditions of the end.
        tolerance: Tolerance of the integrator for logarithms, the relative error of `x` in each step.
        integrator: Implicit integrator of SciPy.

    Raises:
        InputError: If sizes do not fit, a number is not finite, or the start is not positive or so large that its rates
            are no numbers.
    """
    A, y, start = _positive_start(A, y, start, depth)
    field = FlowField(A, y, depth, None, 0.0)
    return _integrated(field, np.log(start), stop or FlowStop(), tolerance, integrator)


def normalized_flow(
    A: Matrix,
    y: Rows,
    start: Vector,
    depth: int,
    *,
    ratio: float,
    power: float = 0.0,
    stop: FlowStop | None = None,
    tolerance: float = 1e-9,
    integrator: type[OdeSolver] = Radau,
) -> FlowRun:
    """Integrate the flow of `r` and `u`, `x = r u`, with `eta_u = 1` and `eta_r = eta r^p`, from a positive start.

    With `(p, eta) = (2, 1)`, the pair `(r^2, 1)`, `x` follows the path of plain flow, at a speed of `r^2`.

    Args:
        A: Map, (M, N); `[A, -A]` for a signed network (`signed_map`).
        y: Measurements, (M,).
        start: Start `x_0 = r_0 u_0`, (N,), positive, while `flow_limit` takes its logarithm.
        depth: Number of factors `L`.
        ratio: Ratio of learning rates `eta`.
        power: Power `p`.
        stop: Conditions of the end.
        tolerance: Tolerance of the integrator for logarithms, the relative error of `u` and `r` in each step.
        integrator: Implicit integrator of SciPy.

    Raises:
        InputError: If sizes do not fit, a number is not finite, or the start or the ratio is not positive. Also if the
            start is so large that its rates are no numbers.
    """
    require_rates(ratio, power)
    A, y, start = _positive_start(A, y, start, depth)
    field = FlowField(A, y, depth, ratio, power)
    log_r = float(np.logaddexp.reduce(2 * np.log(start))) / 2
    state = np.append(np.log(start) - log_r, log_r)
    return _integrated(field, state, stop or FlowStop(), tolerance, integrator)


def _integrated(
    field: FlowField, state: State, stop: FlowStop, tolerance: float, integrator: Callable[..., OdeSolver]
) -> FlowRun:
    # Rounding in the logarithms is larger than finer tolerances.
    require(_FINEST <= tolerance < 1, f"a tolerance of the integrator from {_FINEST:g} to 1", tolerance)
    _require_rates_within_range(field, state)
    size = float(np.linalg.norm(field.y))
    solver = integrator(field, 0.0, state, stop.time, rtol=tolerance, atol=tolerance, jac=field.jacobian)
    times, states = [0.0], [state]
    residuals = [float(np.linalg.norm(field.residual(state))) / size]
    while residuals[-1] > stop.residual and solver.status == "running" and len(times) <= stop.steps:
        solver.step()
        if solver.status == "failed":
            break
        times.append(float(solver.t))
        states.append(np.array(solver.y))
        residuals.append(float(np.linalg.norm(field.residual(states[-1]))) / size)
    path = np.stack(states)
    if field.ratio is None:
        log_r = np.logaddexp.reduce(2 * path, axis=1) / 2
        log_u = path - log_r[:, None]
    else:
        log_u, log_r = path[:, :-1], path[:, -1]
    return FlowRun(
        field,
        np.array(times),
        log_u,
        log_r,
        np.array(residuals),
        residuals[-1] <= stop.residual,
        int(solver.nfev),
    )


def _positive_start(A: Matrix, y: Rows, start: Vector, depth: int) -> tuple[Matrix, Rows, Vector]:
    require_depth(depth)
    A, y, start = problem_arrays(A, y, start, start_name="the start")
    require(bool((start > 0).all()), "a positive start", float(start.min()), "an entry at zero never moves")
    return A, y, start


def _require_rates_within_range(field: FlowField, state: State) -> None:
    """Raise `InputError` if rates are near the end of the range of numbers: implicit steps divide by differences."""
    try:
        with np.errstate(all="ignore"):
            largest = max(float(np.abs(field(0.0, state)).max()), float(np.abs(field.jacobian(0.0, state)).max()))
    except OverflowError:
        largest = math.inf
    # NaN fails the comparison.
    advice = "take a smaller start, or other units of A and y"
    require(largest <= _FASTEST, f"a start whose rates are at most {_FASTEST:g}", f"{largest:.3g}", advice)
