"""Potential of the weight-normalized flow of depth 2: a convex function of M numbers, with fast steps on it.

Let `z = r^2 (u_+^2 - u_-^2)`, `||u|| = 1`, with equal starts `u_n^2 = 1 / (2N)` and `dual' = -4 r^2 (A z - y)`. By the
invariant `log u_n + r^2 / (2 eta)` of the flow (arXiv 2305.05448)

    u_n^2 = exp(+-(A^T dual)_n - (r^2 - r_0^2) / eta) / (2N).

The sphere determines the radius,

    r^2 = r_0^2 + eta phi,    phi = log mean_n cosh (A^T dual)_n,

so that the network is a function of the dual vector. `A z - y` is the gradient of the convex function

    Psi(dual) = (r_0^2 + eta phi)^2 / (2 eta) - <y, dual>,

The limit is the `z >= 0` in 2N dimensions, `A' z = y`, `m = sum z`, that minimizes (by conjugation)

    (m - r_0^2)^2 / (2 eta) + m KL(z / m || 1 / (2N)).

Since `0 <= KL <= log(2N)`, with the least l1 norm `Q > r_0^2`,

    ||z||_1 <= m <= Q + eta Q log(2N) / (Q - r_0^2):

which bounds the excess of the l1 norm without the radius of the limit, and so gives a rule for `eta`. Every descent on
`Psi` in the dual vector has the limit of the flow. Here it is L-BFGS, whose line search takes one product with `A^T`
for any number of trial steps.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.sparse.support import ScaledProblem

_MEMORY = 12
_LEAST_CURVATURE = 1e-14
# Slope at which the line search ends, relative to the first; slopes only rise, since Psi is convex.
_SLOPE = 0.4
_TRIES = 40
_EXPANSION = 4.0


@dataclass(frozen=True)
class Potential:
    """Potential `Psi` for the fitted rows of a problem.

    Attributes:
        problem: Problem with fitted rows and scaled columns.
        ratio: Learning rate `eta` of the radius over that of the direction.
        start: First squared radius `r_0^2`.
    """

    problem: ScaledProblem
    ratio: float
    start: float

    def pull(self, dual: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
        """Return the scaled `A^T dual`: one product."""
        return self.problem.A.transpose_times(self.problem.fitted * dual) * self.problem.scale

    def network(self, logits: Float[Tensor, " n"]) -> tuple[float, Float[Tensor, " n"]]:
        """Return `r^2` and `u_+^2 - u_-^2` for the logits `A^T dual`."""
        sizes = logits.abs()
        top = sizes.max()
        most, least = torch.exp(sizes - top), torch.exp(-sizes - top)
        total = (most + least).sum()
        phi = float(top + torch.log(total)) - math.log(2 * len(logits))
        return self.start + self.ratio * max(phi, 0.0), torch.sign(logits) * (most - least) / total

    def at(self, dual: Float[Tensor, " m"], logits: Float[Tensor, " n"]) -> "NetworkPoint":
        """Return the network at a dual vector: one product."""
        radius, direction = self.network(logits)
        misfit = self.problem.A.times(self.problem.scale * (radius * direction)) - self.problem.y
        return NetworkPoint(dual, logits, radius, radius * direction, misfit)

    def slope(self, at: "NetworkPoint", direction: "SearchDirection", step: float) -> float:
        """Return `dPsi/dt` along a direction: no product."""
        radius, difference = self.network(at.logits + step * direction.pulled)
        return radius * float(difference @ direction.pulled) - direction.gain


@dataclass(frozen=True)
class NetworkPoint:
    """Dual vector with the network that it determines.

    Attributes:
        dual: Dual vector, (M,), zero on held-out rows.
        logits: Scaled `A^T dual`, (N,).
        radius: Squared radius `r^2`, the l1 norm of the split answer.
        z: Answer in scaled units, (N,).
        misfit: `A z - y` on all rows, (M,).
    """

    dual: Float[Tensor, " m"]
    logits: Float[Tensor, " n"]
    radius: float
    z: Float[Tensor, " n"]
    misfit: Float[Tensor, " m"]

    def bound(self, y: Float[Tensor, " m"]) -> float:
        """Return `<y, nu>` for `nu = dual / ||A^T dual||_inf`, a lower bound on the l1 norm of any scaled answer."""
        largest = float(self.logits.abs().max())
        return float(y @ self.dual) / largest if largest > 0 else 0.0


@dataclass(frozen=True)
class SearchDirection:
    """Direction of a line search.

    Attributes:
        dual: Direction of the dual vector, (M,).
        pulled: Scaled `A^T` of the direction, (N,).
        gain: Inner product of the direction with `y`.
    """

    dual: Float[Tensor, " m"]
    pulled: Float[Tensor, " n"]
    gain: float


@dataclass(frozen=True)
class Memory:
    """Curvature pairs of L-BFGS: steps and changes of the gradient, the latest last.

    Attributes:
        steps: Steps of the dual vector, (pairs, M); None at first.
        changes: Changes of the gradient, (pairs, M); None at first.
    """

    steps: Float[Tensor, "pairs m"] | None = None
    changes: Float[Tensor, "pairs m"] | None = None

    def remember(self, step: Tensor, change: Tensor) -> "Memory":
        """Return the memory with one pair more, unless its curvature is lost to rounding."""
        if float(step @ change) <= _LEAST_CURVATURE * float(step.norm() * change.norm()):
            return self
        if self.steps is None or self.changes is None:
            return Memory(step.unsqueeze(0), change.unsqueeze(0))
        steps = torch.cat([self.steps[1 - _MEMORY :], step.unsqueeze(0)])
        return Memory(steps, torch.cat([self.changes[1 - _MEMORY :], change.unsqueeze(0)]))

    def rescaled(self, factor: float) -> "Memory":
        """Return the memory for a dual vector times a factor, at which the gradient is about the same."""
        return self if self.steps is None else Memory(self.steps * factor, self.changes)

    def descent(self, gradient: Tensor) -> Tensor:
        """Return `-H g`, with the inverse Hessian `H` of the pairs and the gradient `g`.

        Let `S` and `Y` hold steps and changes as columns, and let `gamma = s^T y / y^T y` for the last pair. Let `R` be
        the upper triangle of `S^T Y`, and `D` its diagonal. Then (Byrd, Nocedal and Schnabel, 1994, Theorem 2.2)
        `H g = gamma g + S R^{-T} ((D + gamma Y^T Y) R^{-1} S^T g - gamma Y^T g) - gamma Y R^{-1} S^T g`.
        """
        if self.steps is None or self.changes is None:
            return -gradient
        S, Y = self.steps, self.changes
        products = (S @ Y.mT).cpu()
        squares = (Y @ Y.mT).cpu()
        gamma = float(products[-1, -1] / squares[-1, -1])
        R = products.triu()
        first = torch.linalg.solve_triangular(R, (S @ gradient).cpu().unsqueeze(-1), upper=True)
        inner = torch.diag(products.diagonal()) + gamma * squares
        second = inner @ first - gamma * (Y @ gradient).cpu().unsqueeze(-1)
        second = torch.linalg.solve_triangular(R.mT, second, upper=False)
        along, across = (part.squeeze(-1).to(gradient.device) for part in (second, first))
        towards: Tensor = -(gamma * gradient + along @ S - gamma * (across @ Y))
        return towards


def descend(potential: Potential, point: NetworkPoint, memory: Memory) -> Iterator[tuple[NetworkPoint, Memory]]:
    """Yield the points and memories of a descent on `Psi`, two products each, until no step decreases it.

    Args:
        potential: Potential.
        point: First point, evaluated with this potential.
        memory: Curvature pairs.
    """
    y, fitted = potential.problem.y, potential.problem.fitted
    gradient = fitted * point.misfit
    while True:
        toward = memory.descent(gradient)
        first = float(gradient @ toward)
        if not first < 0:
            memory, toward, first = Memory(), -gradient, -float(gradient @ gradient)
        if not first < 0 or not math.isfinite(first):
            return
        line = SearchDirection(toward, potential.pull(toward), float(y @ (fitted * toward)))
        # The first step changes each logit by at most 1.
        trial = 1.0 if memory.steps is not None else min(1.0, 1.0 / max(float(line.pulled.abs().max()), 1e-300))
        step = _step_length(potential, point, line, first, trial)
        if step == 0:
            return
        moved = potential.at(point.dual + step * toward, point.logits + step * line.pulled)
        after = fitted * moved.misfit
        memory = memory.remember(step * toward, after - gradient)
        point, gradient = moved, after
        yield point, memory


def _step_length(potential: Potential, point: NetworkPoint, line: SearchDirection, first: float, trial: float) -> float:
    """Return a step at which the slope is small against the first, or 0 if there is none."""
    low, low_slope, high, high_slope = 0.0, first, math.inf, math.inf
    step = trial
    for _ in range(_TRIES):
        slope = potential.slope(point, line, step)
        if abs(slope) <= -_SLOPE * first:
            return step
        if slope < 0:
            low, low_slope = step, slope
        else:
            high, high_slope = step, slope
        if not math.isfinite(high):
            step *= _EXPANSION
            continue
        middle = low + (high - low) * low_slope / (low_slope - high_slope) if math.isfinite(high_slope) else math.nan
        margin = 0.1 * (high - low)
        # The secant, away from the ends of the interval; the middle where the secant is not finite.
        step = min(max(middle, low + margin), high - margin) if math.isfinite(middle) else (low + high) / 2
    return low
