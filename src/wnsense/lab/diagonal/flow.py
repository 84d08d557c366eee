"""Gradient flow of diagonal linear networks, plain and weight-normalized, by an implicit integrator.

The coordinates are logarithms, log x, or log u beside log r, so that entries stay positive and every size is resolved.
With q = L x^{L-2} . A^T (A x^L - y) the flows are

    plain:                 (log x)' = -q
    weight-normalized:     (log u)' = -r^2 (q - m),  (log r)' = -eta_r m,  m = sum u^2 q,  eta_r = eta r^p.

Nothing here knows of the quantities that the flows conserve (`theory.diagonal`), ||u|| = 1 among them: how well they
are kept, `FlowRun.drift` measures. Where s entries carry the answer, M - s directions of the residual fall at the speed
of the small entries: rates differ by as much as x^{2L-2} does, over times up to 1e8 and more. So the integrator is
Radau's method of order 5 (SciPy's), with the exact Jacobian; docs/diagonal.md has the comparison with others.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import OdeSolver, Radau

from wnsense.checks import require, require_level, require_size
from wnsense.theory.arrays import real_array
from wnsense.theory.diagonal import (
    kernel_component,
    log_plain_invariant,
    potential,
    require_depth,
    require_rates,
)

Vector = Float[np.ndarray, " n"]
Rows = Float[np.ndarray, " m"]
State = Float[np.ndarray, " k"]
Matrix = Float[np.ndarray, "m n"]

_FINEST = 1e-13
_FASTEST = 1e100


@dataclass(frozen=True)
class FlowRun:
    """A flow as it was integrated.

    Attributes:
        A: The map, (M, N).
        y: The measurements, (M,).
        depth: L.
        ratio: eta; None for plain flow.
        power: p, with eta_r = eta r^p.
        times: Where the integrator stood, ascending from 0, (T,).
        log_direction: log u, (T, N); of plain flow log (x / ||x||).
        log_radius: log r, (T,).
        residuals: ||A z - y|| / ||y||, (T,).
        reached: Whether the residual that was asked for was reached; otherwise time ran out, or steps did.
        evaluations: Of the right-hand side.
    """

    A: Matrix
    y: Rows
    depth: int
    ratio: float | None
    power: float
    times: Float[np.ndarray, " t"]
    log_direction: Float[np.ndarray, "t n"]
    log_radius: Float[np.ndarray, " t"]
    residuals: Float[np.ndarray, " t"]
    reached: bool
    evaluations: int

    @property
    def x(self) -> Float[np.ndarray, "t n"]:
        """The weights along the run, r u."""
        return np.asarray(np.exp(self.log_direction + self.log_radius[:, None]))

    @property
    def z(self) -> Vector:
        """x^L at the end."""
        return np.asarray(np.exp(self.depth * (self.log_direction[-1] + self.log_radius[-1])))

    def invariants(self) -> Float[np.ndarray, "t n"]:
        """What changes within the range of A^T only, along the run; infinite where L > 2 and an entry is too small."""
        return np.stack([log_plain_invariant(row, self.depth) for row in self._log_conserved()])

    def _log_conserved(self) -> Float[np.ndarray, "t n"]:
        """The log x of plain flow, log (u e^phi) otherwise: never x or u, which may be too small for a number."""
        if self.ratio is None:
            return np.asarray(self.log_direction + self.log_radius[:, None])
        ratio, power = self.ratio, self.power
        phi = [potential(math.exp(log_r), ratio, power) for log_r in self.log_radius]
        return np.asarray(self.log_direction + np.array(phi)[:, None])

    def drift(self) -> float:
        """The largest part in the kernel of A that the invariants' change has, relative to it, over the second half.

        Before, the change itself may be no more than rounding.
        """
        logs = self._log_conserved()
        # L > 2: over the largest entry that one has along the run, a factor that a relative change does not see.
        logs = logs if self.depth == 2 else logs - logs.min()
        h = np.stack([log_plain_invariant(row, self.depth) for row in logs])
        return max(kernel_component(self.A, change) for change in (h - h[0])[len(h) // 2 :])

    def norm_drift(self) -> float:
        """The largest | ||u|| - 1 |; 0 up to rounding for plain flow, whose direction is made afterwards."""
        squares = np.logaddexp.reduce(2 * self.log_direction, axis=1)
        return float(np.abs(np.expm1(squares / 2)).max())


@dataclass(frozen=True)
class FlowStop:
    """When a flow ends.

    Attributes:
        residual: Once ||A z - y|| / ||y|| is at most this.
        time: Once this time is reached.
        steps: After so many steps of the integrator.
    """

    residual: float = 1e-10
    time: float = 1e8
    steps: int = 20_000

    def __post_init__(self) -> None:
        """Refuse limits that no run can meet."""
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
    """The flow x' = -grad 1/2 ||A x^L - y||^2 from a positive start.

    The start is x_0 itself here, where `mirror_limit` and `flow_limit` take its logarithm.

    Args:
        A: The map, (M, N); [A, -A] for a signed network (`signed_map`).
        y: The measurements, (M,).
        start: x_0, (N,), positive.
        depth: L.
        stop: When to end.
        tolerance: Of the integrator, for logarithms: relative errors of x, of each step.
        integrator: Of SciPy, an implicit one.

    Raises:
        InputError: When sizes do not fit, a number is not finite, the start not positive, or so large that its rates
            are no numbers.
    """
    A, y, start = _checked(A, y, start, depth)
    field = _Field(A, y, depth, None, 0.0)
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
    """The flow of r and u, x = r u, with eta_u = 1 and eta_r = eta r^p, from a positive start.

    The start is x_0 itself here, where `flow_limit` takes its logarithm.

    (p, eta) = (2, 1) is the pair (r^2, 1), under which x goes where plain flow goes, at a speed of r^2.

    Args:
        A: The map, (M, N); [A, -A] for a signed network (`signed_map`).
        y: The measurements, (M,).
        start: x_0 = r_0 u_0, (N,), positive.
        depth: L.
        ratio: eta.
        power: p.
        stop: When to end.
        tolerance: Of the integrator, for logarithms: relative errors of u and r, of each step.
        integrator: Of SciPy, an implicit one.

    Raises:
        InputError: When sizes do not fit, a number is not finite, start or ratio is not positive, or the start so large
            that its rates are no numbers.
    """
    require_rates(ratio, power)
    A, y, start = _checked(A, y, start, depth)
    field = _Field(A, y, depth, ratio, power)
    log_r = float(np.logaddexp.reduce(2 * np.log(start))) / 2
    state = np.append(np.log(start) - log_r, log_r)
    return _integrated(field, state, stop or FlowStop(), tolerance, integrator)


@dataclass(frozen=True)
class _Field:
    """The right-hand side and its Jacobian."""

    A: Matrix
    y: Rows
    depth: int
    ratio: float | None
    power: float

    def residual(self, state: State) -> Rows:
        return np.asarray(self.A @ np.exp(self.depth * self.log_x(state)) - self.y)

    def log_x(self, state: State) -> Vector:
        return state if self.ratio is None else state[:-1] + state[-1]

    def rates(self, state: State) -> Vector:
        L, log_x = self.depth, self.log_x(state)
        q: Vector = L * np.exp((L - 2) * log_x) * (self.A.T @ self.residual(state))
        return q

    def __call__(self, _: float, state: State) -> State:
        q = self.rates(state)
        if self.ratio is None:
            return np.asarray(-q)
        u, r = np.exp(state[:-1]), math.exp(state[-1])
        m = float(u * u @ q)
        return np.append(-r * r * (q - m), -self.ratio * r**self.power * m)

    def jacobian(self, _: float, state: State) -> Float[np.ndarray, "k k"]:
        L, log_x, q = self.depth, self.log_x(state), self.rates(state)
        # Of q by log x.
        Q = (L * np.exp((L - 2) * log_x)[:, None] * self.A.T) @ (self.A * (L * np.exp(L * log_x)))
        Q[np.diag_indices_from(Q)] += (L - 2) * q
        if self.ratio is None:
            return np.asarray(-Q)
        weights, r = np.exp(2 * state[:-1]), math.exp(state[-1])
        m = float(weights @ q)
        Q_r = Q.sum(1)
        m_u, m_r = 2 * weights * q + weights @ Q, float(weights @ Q_r)
        rate = self.ratio * r**self.power
        J = np.empty((len(state), len(state)))
        J[:-1, :-1] = -r * r * (Q - m_u)
        J[:-1, -1] = -r * r * (Q_r - m_r + 2 * (q - m))
        J[-1, :-1] = -rate * m_u
        J[-1, -1] = -rate * (m_r + self.power * m)
        return J


def _integrated(
    field: _Field, state: State, stop: FlowStop, tolerance: float, integrator: Callable[..., OdeSolver]
) -> FlowRun:
    # Below, rounding in the logarithms is larger.
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
        field.A,
        field.y,
        field.depth,
        field.ratio,
        field.power,
        np.array(times),
        log_u,
        log_r,
        np.array(residuals),
        residuals[-1] <= stop.residual,
        int(solver.nfev),
    )


def _checked(A: Matrix, y: Rows, start: Vector, depth: int) -> tuple[Matrix, Rows, Vector]:
    require_depth(depth)
    A, y, start = real_array("A", A, 2), real_array("y", y, 1), real_array("the start", start, 1)
    M, N = A.shape
    require_size("the measurements", y.shape, (M,))
    require_size("the start", start.shape, (N,))
    require(bool((y != 0).any()), "measurements that are not all zero", "a zero vector")
    require(bool((start > 0).all()), "a positive start", float(start.min()), "an entry at zero never moves")
    return A, y, start


def _require_rates_within_range(field: _Field, state: State) -> None:
    """Implicit steps divide by differences of rates, which must be far from the ends of the range of numbers."""
    try:
        with np.errstate(all="ignore"):
            largest = max(float(np.abs(field(0.0, state)).max()), float(np.abs(field.jacobian(0.0, state)).max()))
    except OverflowError:
        largest = math.inf
    # NaN is none of these.
    advice = "take a smaller start, or other units of A and y"
    require(largest <= _FASTEST, f"a start whose rates are at most {_FASTEST:g}", f"{largest:.3g}", advice)
