"""Right-hand side of the flow of a diagonal network, and its Jacobian.

The coordinates are logarithms, `log x`, or `log u` with `log r`, so that entries stay positive and every size is
resolved. With `q = L x^{L-2} . A^T (A x^L - y)` the flows are

    plain:                 (log x)' = -q
    weight-normalized:     (log u)' = -r^2 (q - m),  (log r)' = -eta_r m,  m = sum u^2 q,  eta_r = eta r^p.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from wnsense.lab.diagonal.row_space import Matrix, Rows, Vector

State = Float[np.ndarray, " k"]


@dataclass(frozen=True)
class FlowField:
    """Vector field of the flow.

    Attributes:
        A: Map, (M, N).
        y: Measurements, (M,).
        depth: Number of factors `L`.
        ratio: Ratio of learning rates `eta`; None for plain flow.
        power: Power `p` in `eta_r = eta r^p`.
    """

    A: Matrix
    y: Rows
    depth: int
    ratio: float | None
    power: float

    def residual(self, state: State) -> Rows:
        """Return `A z - y`."""
        return np.asarray(self.A @ np.exp(self.depth * self.log_x(state)) - self.y)

    def log_x(self, state: State) -> Vector:
        """Return `log x`."""
        return state if self.ratio is None else state[:-1] + state[-1]

    def rates(self, state: State) -> Vector:
        """Return `q`."""
        L, log_x = self.depth, self.log_x(state)
        q: Vector = L * np.exp((L - 2) * log_x) * (self.A.T @ self.residual(state))
        return q

    def __call__(self, _: float, state: State) -> State:
        """Return the time derivative of the state."""
        q = self.rates(state)
        if self.ratio is None:
            return np.asarray(-q)
        u, r = np.exp(state[:-1]), math.exp(state[-1])
        m = float(u * u @ q)
        return np.append(-r * r * (q - m), -self.ratio * r**self.power * m)

    def jacobian(self, _: float, state: State) -> Float[np.ndarray, "k k"]:
        """Return the Jacobian of the field."""
        L, log_x, q = self.depth, self.log_x(state), self.rates(state)
        # Derivative of q by log x.
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
