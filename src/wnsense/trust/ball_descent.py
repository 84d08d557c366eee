"""Steps towards the least squared residual over a ball of the nuclear norm, on matrices held by their factors."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from wnsense.linalg import orthonormal_factor, random_normal, symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem

# Directions beside those of the matrix, in which the minimum over the ball may fit noise.
_SPARE = 8
_GROWTH = 1.1
_ROUNDING = 1e-12


@dataclass(frozen=True)
class _Point:
    """A matrix with its measurements."""

    matrix: LowRank
    image: Tensor

    def beyond(self, last: "_Point", share: float) -> "_Point":
        """Further on the way that leads here from the last point, by a share of it."""
        step = self.matrix.minus(last.matrix).scaled(share)
        return _Point(self.matrix.plus(step), self.image + share * (self.image - last.image))


@dataclass
class Descent:
    """Accelerated projected gradients (Beck and Teboulle, 2009) for min ||W^{1/2} (M(Z) - y)||^2 over a ball.

    The projection is that of a matrix of bounded width, found by one step of subspace iteration from the last frame: it
    is inexact, which those who use the result must bear.

    Attributes:
        problem: What is minimized.
        radius: Of the trace or the nuclear norm.
        positive: Whether the matrices are positive semidefinite.
        applications: Of M and M*, so far.
        shift: What makes the last matrix projected positive: subspace iteration goes by magnitudes.
    """

    problem: Problem
    radius: float
    positive: bool
    applications: int = 0
    shift: float = field(default=0.0, init=False)

    def image(self, matrix: LowRank) -> Tensor:
        """M(Z): 1 application."""
        self.applications += 1
        return self.problem.operator.measure(matrix)

    def dual(self, image: Tensor) -> Tensor:
        """The v of which M*(v) is the gradient, 2 W (M(Z) - y)."""
        missed = 2 * (image - self.problem.measurements)
        return missed if self.problem.weights is None else self.problem.weights * missed

    def objective(self, image: Tensor) -> float:
        """What is minimized, from M(Z)."""
        return float((self.dual(image) * (image - self.problem.measurements)).sum()) / 2

    def run(self, matrix: LowRank, steps: int, seed: int) -> LowRank:
        """The best matrix of so many steps from a matrix of the set: 3 applications each."""
        generator = torch.Generator().manual_seed(seed)
        frame = self._frame(matrix, min(2 * matrix.width + _SPARE, *self.problem.operator.shape), generator)
        length, momentum = self._first_length(frame), 1.0
        last = ahead = best = _Point(matrix, self.image(matrix))
        least = self.objective(best.image)
        for _ in range(steps):
            v, here = self.dual(ahead.image), self.objective(ahead.image)
            matrix = self._projected(ahead.matrix, v, length, frame)
            moved = _Point(matrix, self.image(matrix))
            value = self.objective(moved.image)
            slope = float((v * (moved.image - ahead.image)).sum())
            squared = float(moved.matrix.distance(ahead.matrix)) ** 2
            # Steps are safe as long as f lies below its model.
            if value > here + slope + squared / (2 * length) + _ROUNDING * here:
                length, momentum, ahead = length / 2, 1.0, last
                continue
            frame = moved.matrix.right
            if bool((torch.diagonal(moved.matrix.Theta) != 0).all()) and frame.shape[1] < min(matrix.shape):
                # None was shrunk to nothing: there may be more than the frame holds.
                frame = self._frame(moved.matrix, min(2 * frame.shape[1], *matrix.shape), generator)
            if value <= least:
                best, least = moved, value
            else:
                momentum = 1.0
            grown = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead = moved.beyond(last, (momentum - 1) / grown)
            last, momentum, length = moved, grown, length * _GROWTH
        return best.matrix

    def _frame(self, matrix: LowRank, width: int, generator: torch.Generator) -> Tensor:
        Y = matrix.right
        shape = (Y.shape[0], max(width - Y.shape[1], 1))
        more = random_normal(shape, generator=generator, dtype=Y.dtype, device=Y.device)
        return orthonormal_factor(torch.cat([Y, more], dim=1))[:, :width]

    def _first_length(self, frame: Tensor) -> float:
        """1 / (2 gain) of a matrix on the frame; halved or grown as seen later."""
        operator = self.problem.operator
        identity = torch.eye(frame.shape[1], dtype=frame.dtype, device=frame.device)
        left = orthonormal_factor(operator.adjoint_times(self.problem.measurements, frame))
        probe = LowRank(left, identity, None if operator.kind.is_symmetric else frame)
        image = self.image(probe)
        self.applications += 1
        weights = torch.ones_like(image) if self.problem.weights is None else self.problem.weights
        felt = 2 * float((weights * image.square()).sum())
        return float(probe.norm()) ** 2 / max(felt, torch.finfo(image.dtype).tiny)

    def _projected(self, ahead: LowRank, v: Tensor, length: float, frame: Tensor) -> LowRank:
        """The nearest matrix of the set to ahead - length M*(v), on one step of subspace iteration from a frame."""
        operator = self.problem.operator
        left = ahead @ frame - length * operator.adjoint_times(v, frame)
        left = orthonormal_factor(left + self.shift * frame if self.positive else left)
        if operator.kind.is_symmetric:
            core = symmetric_part(left.mH @ (ahead @ left - length * operator.adjoint_times(v, left)))
            found = LowRank(left, core).orthonormal()
        else:
            back = ahead.mH @ left - length * operator.adjoint_transpose_times(v, left)
            identity = torch.eye(left.shape[1], dtype=left.dtype, device=left.device)
            found = LowRank(left, identity, back).orthonormal()
        self.applications += 2
        values = torch.diagonal(found.Theta).real
        # Negative eigenvalues as large as the others would take up the frame, and are cut off.
        self.shift = max(0.0, -float(values.min()))
        shrunk = into_ball(values, self.radius, positive=self.positive)
        return LowRank(found.X, torch.diag(shrunk).to(found.dtype), found.Y)


def into_ball(values: Tensor, radius: float, *, positive: bool) -> Tensor:
    """The nearest vector whose magnitudes sum to at most a radius, of entries at least 0 where positive."""
    sizes = values.clamp(min=0) if positive else values.abs()
    if float(sizes.sum()) > radius:
        falling = sizes.sort(descending=True).values
        counts = torch.arange(1, len(falling) + 1, dtype=falling.dtype, device=falling.device)
        levels = (falling.cumsum(0) - radius) / counts
        level = levels[int((falling > levels).nonzero().max())]
        sizes = (sizes - level).clamp(min=0)
    return sizes if positive else sizes * values.sign()
