"""MatrixIRLS (Kuemmerle and Mayrink Verdun, arXiv 2106.02119): iteratively reweighted least squares for completion."""

import math
import time
from dataclasses import dataclass

import numpy as np

from wnsense.lab.bench.published.krylov import leading_triples
from wnsense.lab.bench.published.published_result import SECOND_ORDER, Limits, PublishedResult, Spent
from wnsense.lab.bench.published.sampled_entries import EntryJacobian, SampledEntries

# The least smoothing, relative to the largest singular value (1e-16 in the authors' program).
_LEAST_EPS = 1e-16
# Singular triples beyond the rank: one gives the smoothing, the others carry the tail from step to step.
_TAIL = 6


@dataclass(frozen=True)
class MatrixIRLS:
    """MatrixIRLS, Algorithm 1, with weights of geometric means and the tangent-space solver of its Algorithm 2.

    Attributes:
        max_steps: Largest number of outer iterations (400 in the authors' comparison).
        inner_steps: Largest number of conjugate-gradient steps in each (500 there).
        inner_tolerance: Relative residual of the conjugate gradients over `eps / sigma_1`. The authors' program has
            1e-5, which succeeds as often at twice the cost.
        passes: Number of Krylov blocks for the singular triples of each iterate, from those of the last iterate.
        limits: Limits of the run.
    """

    max_steps: int = 400
    inner_steps: int = 500
    inner_tolerance: float = 1e-2
    passes: int = 1
    limits: Limits = SECOND_ORDER

    def complete(self, data: SampledEntries, rank: int) -> PublishedResult:
        """Complete a matrix of a given rank by reweighted least squares.

        It raises what `SampledEntries.require_determined` raises.
        """
        data.require_determined(rank)
        began = time.process_time()
        size = data.size
        U, s, V, applications = data.leading(min(rank + _TAIL, *data.shape))
        residuals: list[float] = []
        eps, inner = math.inf, 0
        for _ in range(self.max_steps):
            # With a rank of the smaller side there is no tail, and nothing to smooth.
            eps = max(min(eps, s[rank] if rank < len(s) else 0.0), _LEAST_EPS * s[0])
            active = max(1, int((s > eps).sum()))
            tangent = WeightedTangentSpace.at(data, U[:, :active], s[:active], V[:, :active], eps)
            tolerance = min(max(self.inner_tolerance * eps / s[0], 1e-15), 1e-2)
            gamma, rho, steps = tangent.solve(data.values, s[:active], tolerance, self.inner_steps)
            U, s, V, cost = self._triples(IRLSIterate.at(tangent, gamma, rho), V, eps)
            residuals.append(
                float(np.linalg.norm(data.measure(U[:, :rank] * s[:rank], V[:, :rank]) - data.values)) / size
            )
            inner += steps
            applications += 2 * steps + 4 + cost
            if self.limits.are_met(residuals, began):
                break
        spent = Spent(len(residuals), inner, applications, began)
        return self.limits.result(U[:, :rank] * s[:rank], V[:, :rank], rank, spent, residuals[-1])

    def _triples(
        self, iterate: "IRLSIterate", V: np.ndarray, eps: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Return the leading triples of an iterate, at least all those above `eps`, and their cost in products."""
        sides = (len(iterate.left), len(iterate.right))
        width, applications = V.shape[1], 0
        block = np.hstack([V, iterate.right])[:, : min(sides)]
        while True:
            U, s, V, cost = leading_triples(
                iterate.times, iterate.transpose_times, block, rank=width, passes=self.passes
            )
            applications += cost
            if s[-1] <= eps or width == min(sides):
                return U, s, V, applications
            width = min(2 * width, *sides)
            missing = np.random.default_rng(width).standard_normal((sides[1], max(width - block.shape[1], 0)))
            block = np.hstack([block, missing])


@dataclass(frozen=True)
class WeightedTangentSpace:
    """Tangent space at `U`, `V` with the weights of an iteration.

    A tangent vector `U S V^T + P V^T + U Q^T` with `P` orthogonal to `U` and `Q` to `V` is one vector: `S`, `P`, `Q`.

    Attributes:
        J: Derivative of the sampled entries at `U`, `V`.
        weights: Weights `Lam = eps^2 / (W^-1 - eps^2)`, as a tangent vector; `W^-1` multiplies `S_ij` by
            `sigma_i sigma_j`, and the columns `j` of `P` and `Q` by `sigma_j eps`.
    """

    J: EntryJacobian
    weights: np.ndarray

    @classmethod
    def at(
        cls, data: SampledEntries, U: np.ndarray, s: np.ndarray, V: np.ndarray, eps: float
    ) -> "WeightedTangentSpace":
        """Return the tangent space at leading singular triples, with the weights of a smoothing `eps`."""
        ratios = np.maximum(s / eps, 1 + np.finfo(float).eps)
        core = 1 / (np.outer(ratios, ratios) - 1)
        sides = np.tile(1 / (ratios - 1), len(U) + len(V))
        return cls(data.jacobian(U, V), np.concatenate([core.ravel(), sides]))

    def split(self, gamma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return `S`, `P` and `Q` of a tangent vector."""
        U, V = self.J.left, self.J.right
        r = U.shape[1]
        middle = r * r + U.size
        return gamma[: r * r].reshape(r, r), gamma[r * r : middle].reshape(U.shape), gamma[middle:].reshape(V.shape)

    def measure(self, gamma: np.ndarray) -> np.ndarray:
        """Return the sampled entries of a tangent vector."""
        S, P, Q = self.split(gamma)
        return self.J.times(np.concatenate([(self.J.left @ S + P).ravel(), Q.ravel()]))

    def project(self, v: np.ndarray) -> np.ndarray:
        """Return the back-projection of `v`, projected to the tangent space."""
        U, V = self.J.left, self.J.right
        L, R = self.J.sides(v)
        S = U.T @ L
        return np.concatenate([S.ravel(), (L - U @ S).ravel(), (R - V @ S.T).ravel()])

    def solve(
        self, y: np.ndarray, s: np.ndarray, tolerance: float, max_steps: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Return `gamma` of `(Lam + P_T* P P_T) gamma = P_T* y`, the residual `y - P P_T gamma`, and the steps.

        Conjugate gradients with preconditioner `1 / (1 + Lam)`, from the last iterate `U diag(s) V^T`, to a residual
        relative to the right-hand side.
        """
        scale = 1 / (1 + self.weights)
        gamma = np.zeros_like(self.weights)
        gamma[: len(s) ** 2 : len(s) + 1] = s
        gamma *= scale
        target = tolerance * math.sqrt(np.square(self.project(y)).sum())
        rho = y - self.measure(gamma)
        r = self.project(rho) - self.weights * gamma
        z = scale * r
        d, rz, steps = z, r @ z, 0
        while steps < max_steps and math.sqrt(r @ r) > target:
            image = self.measure(d)
            Ad = self.project(image) + self.weights * d
            a = rz / (d @ Ad)
            gamma += a * d
            rho -= a * image
            r -= a * Ad
            z = scale * r
            rz, last = r @ z, rz
            d = z + (rz / last) * d
            steps += 1
        return gamma, rho, steps


@dataclass(frozen=True)
class IRLSIterate:
    """Iterate `X = left V^T + U right^T + P*(rho)`, whose sampled entries are the measured ones.

    Attributes:
        J: Derivative of the sampled entries at `U`, `V`; its sparse matrix holds `rho`.
        left: Factor `U S + P`, (m1, r).
        right: Factor `Q`, (m2, r).
    """

    J: EntryJacobian
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def at(cls, tangent: WeightedTangentSpace, gamma: np.ndarray, rho: np.ndarray) -> "IRLSIterate":
        """Return the iterate of a tangent vector and a residual."""
        S, P, Q = tangent.split(gamma)
        tangent.J.S.data[:] = rho
        return cls(tangent.J, tangent.J.left @ S + P, Q)

    def times(self, block: np.ndarray) -> np.ndarray:
        """Return `X` times a block."""
        U, V = self.J.left, self.J.right
        image: np.ndarray = self.left @ (V.T @ block) + U @ (self.right.T @ block) + self.J.S @ block
        return image

    def transpose_times(self, block: np.ndarray) -> np.ndarray:
        """Return `X^T` times a block."""
        U, V = self.J.left, self.J.right
        image: np.ndarray = V @ (self.left.T @ block) + self.right @ (U.T @ block) + self.J.ST @ block
        return image
