"""The weight-normalized flow of depth 2 in M numbers: a gradient flow of a convex function, and faster steps on it.

With z = r^2 (u_+^2 - u_-^2), ||u|| = 1, equal starts u_n^2 = 1 / (2N) and dual' = -4 r^2 (A z - y), the invariant
log u_n + r^2 / (2 eta) of the flow (arXiv 2305.05448) says

    u_n^2 = exp(+-(A^T dual)_n - (r^2 - r_0^2) / eta) / (2N).

The sphere then fixes the radius,

    r^2 = r_0^2 + eta phi,    phi = log mean_n cosh (A^T dual)_n,

so that the whole network is a function of the dual vector, A z - y is the gradient of the convex

    Psi(dual) = (r_0^2 + eta phi)^2 / (2 eta) - <y, dual>,

and the limit is the z >= 0 in 2N dimensions, A' z = y, m = sum z, that minimizes (by conjugation)

    (m - r_0^2)^2 / (2 eta) + m KL(z / m || 1 / (2N)).

Since 0 <= KL <= log(2N), with Q > r_0^2 the least l1 norm,

    ||z||_1 <= m <= Q + eta Q log(2N) / (Q - r_0^2):

a bound on the l1 excess without the limit's radius, hence a rule for eta. Whatever descends on Psi in the dual vector
ends in the same limit as the flow; here it is L-BFGS, whose line search costs one product with A^T however many steps
are tried.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.sensing.linear_map import LinearMap

_MEMORY = 12
_LEAST_CURVATURE = 1e-14
# The slope along a line that is small enough, as a part of the first; Psi is convex, so that slopes only rise.
_SLOPE = 0.4
_TRIES = 40
_EXPANSION = 4.0


@dataclass(frozen=True)
class Potential:
    """Psi, for fitted rows of a map whose columns are scaled.

    Attributes:
        A: The map.
        y: What was measured, (M,).
        fitted: 1 for rows to fit, 0 for rows held out, (M,).
        scale: What each column is multiplied with, (N,).
        ratio: eta, the learning rate of the radius over that of the direction.
        start: r_0^2.
    """

    A: LinearMap
    y: Float[Tensor, " m"]
    fitted: Float[Tensor, " m"]
    scale: Float[Tensor, " n"]
    ratio: float
    start: float

    def pull(self, dual: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
        """The scaled A^T dual: one product."""
        return self.A.transpose_times(self.fitted * dual) * self.scale

    def network(self, logits: Float[Tensor, " n"]) -> tuple[float, Float[Tensor, " n"]]:
        """r^2 and u_+^2 - u_-^2 where A^T dual are the logits."""
        sizes = logits.abs()
        top = sizes.max()
        most, least = torch.exp(sizes - top), torch.exp(-sizes - top)
        total = (most + least).sum()
        phi = float(top + torch.log(total)) - math.log(2 * len(logits))
        return self.start + self.ratio * max(phi, 0.0), torch.sign(logits) * (most - least) / total

    def at(self, dual: Float[Tensor, " m"], logits: Float[Tensor, " n"]) -> "Place":
        """The network at a dual vector: one product."""
        radius, direction = self.network(logits)
        misfit = self.A.times(self.scale * (radius * direction)) - self.y
        return Place(dual, logits, radius, radius * direction, misfit)

    def slope(self, at: "Place", direction: "Line", step: float) -> float:
        """dPsi/dt along a line: no product."""
        radius, difference = self.network(at.logits + step * direction.pulled)
        return radius * float(difference @ direction.pulled) - direction.gain


@dataclass(frozen=True)
class Place:
    """A dual vector with what follows from it.

    Attributes:
        dual: (M,), zero on rows held out.
        logits: The scaled A^T dual, (N,).
        radius: r^2, the l1 norm of the split answer.
        z: The answer in scaled units, (N,).
        misfit: A z - y on all rows, (M,).
    """

    dual: Float[Tensor, " m"]
    logits: Float[Tensor, " n"]
    radius: float
    z: Float[Tensor, " n"]
    misfit: Float[Tensor, " m"]

    def bound(self, y: Float[Tensor, " m"]) -> float:
        """<y, nu> for nu = dual / ||A^T dual||_inf: no scaled answer on the fitted rows has a smaller l1 norm."""
        largest = float(self.logits.abs().max())
        return float(y @ self.dual) / largest if largest > 0 else 0.0


@dataclass(frozen=True)
class Line:
    """A direction to search along.

    Attributes:
        dual: (M,).
        pulled: Its scaled A^T, (N,).
        gain: Its product with y.
    """

    dual: Float[Tensor, " m"]
    pulled: Float[Tensor, " n"]
    gain: float


@dataclass(frozen=True)
class Memory:
    """Pairs of steps and changes of the gradient, the latest last.

    Attributes:
        steps: What was added to the dual vector, (pairs, M); None at first.
        changes: What that added to the gradient, (pairs, M).
    """

    steps: Float[Tensor, "pairs m"] | None = None
    changes: Float[Tensor, "pairs m"] | None = None

    def remember(self, step: Tensor, change: Tensor) -> "Memory":
        """With one pair more, unless rounding has taken its curvature."""
        if float(step @ change) <= _LEAST_CURVATURE * float(step.norm() * change.norm()):
            return self
        if self.steps is None or self.changes is None:
            return Memory(step.unsqueeze(0), change.unsqueeze(0))
        steps = torch.cat([self.steps[1 - _MEMORY :], step.unsqueeze(0)])
        return Memory(steps, torch.cat([self.changes[1 - _MEMORY :], change.unsqueeze(0)]))

    def rescaled(self, factor: float) -> "Memory":
        """For the dual vector times a factor, at which the gradient is about the same."""
        return self if self.steps is None else Memory(self.steps * factor, self.changes)

    def descent(self, gradient: Tensor) -> Tensor:
        """Minus the inverse Hessian that the pairs suggest, times the gradient.

        With S and Y of steps and changes as columns, gamma = s^T y / y^T y of the last pair, R the upper triangle of
        S^T Y and D its diagonal (Byrd, Nocedal and Schnabel, 1994, Theorem 2.2):
        H g = gamma g + S R^{-T} ((D + gamma Y^T Y) R^{-1} S^T g - gamma Y^T g) - gamma Y R^{-1} S^T g.
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


def descend(potential: Potential, place: Place, memory: Memory) -> Iterator[tuple[Place, Memory]]:
    """Steps down Psi, two products each, without end; it stops where no step goes down any more.

    Args:
        potential: What is descended.
        place: Where it starts, evaluated with this potential.
        memory: What is known of the curvature.
    """
    gradient = potential.fitted * place.misfit
    while True:
        toward = memory.descent(gradient)
        first = float(gradient @ toward)
        if not first < 0:
            memory, toward, first = Memory(), -gradient, -float(gradient @ gradient)
        if not first < 0 or not math.isfinite(first):
            return
        line = Line(toward, potential.pull(toward), float(potential.y @ (potential.fitted * toward)))
        # A first step changes no logit by more than 1.
        trial = 1.0 if memory.steps is not None else min(1.0, 1.0 / max(float(line.pulled.abs().max()), 1e-300))
        step = _step_length(potential, place, line, first, trial)
        if step == 0:
            return
        moved = potential.at(place.dual + step * toward, place.logits + step * line.pulled)
        after = potential.fitted * moved.misfit
        memory = memory.remember(step * toward, after - gradient)
        place, gradient = moved, after
        yield place, memory


def _step_length(potential: Potential, place: Place, line: Line, first: float, trial: float) -> float:
    """A step at which the slope is small against the first; 0 where there is none."""
    low, low_slope, high, high_slope = 0.0, first, math.inf, math.inf
    step = trial
    for _ in range(_TRIES):
        slope = potential.slope(place, line, step)
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
        # The secant, kept away from the ends, halves where it says nothing.
        step = min(max(middle, low + margin), high - margin) if math.isfinite(middle) else (low + high) / 2
    return low
