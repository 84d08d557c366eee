"""Descent to the least squared residual over a nuclear-norm ball, on factored matrices."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wnsense.linalg import orthonormal_factor, random_normal, symmetric_part
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem

# Surplus directions, in which the minimum over the ball may fit noise.
_SPARE = 8
_GROWTH = 1.1
_ROUNDING = 1e-12


@dataclass(frozen=True)
class _Point:
    """Matrix with its image under `M`."""

    matrix: LowRank
    image: Tensor

    def beyond(self, last: "_Point", share: float) -> "_Point":
        """Return the point extrapolated from the last one, by a share of the step between them."""
        step = self.matrix.minus(last.matrix).scaled(share)
        return _Point(self.matrix.plus(step), self.image + share * (self.image - last.image))


@dataclass
class BallDescent:
    """Accelerated projected gradients (Beck and Teboulle, 2009) for `min ||W^{1/2} (M(Z) - y)||^2` over a ball.

    The projection is inexact: it is that of a matrix of bounded width, by one step of subspace iteration from the last
    frame.

    Attributes:
        problem: Measurements with their weights.
        radius: Bound on the trace or the nuclear norm.
        positive: True if the matrices are positive semidefinite.
        applications: Applications of `M` and `M*` so far.
        shift: Multiple of the identity that makes the last projected matrix positive, since subspace iteration goes by
            magnitudes.
    """

    problem: Problem
    radius: float
    positive: bool
    applications: int = 0
    shift: float = 0.0

    def image(self, matrix: LowRank) -> Tensor:
        """Return `M(Z)`: 1 application."""
        self.applications += 1
        return self.problem.operator.measure(matrix)

    def dual(self, image: Tensor) -> Tensor:
        """Return the `v` of the gradient `M*(v)`: `2 W (M(Z) - y)`."""
        residual = 2 * (image - self.problem.measurements)
        return residual if self.problem.weights is None else self.problem.weights * residual

    def objective(self, image: Tensor) -> float:
        """Return the objective, from `M(Z)`."""
        return float((self.dual(image) * (image - self.problem.measurements)).sum()) / 2

    def run(self, matrix: LowRank, steps: int, seed: int) -> LowRank:
        """Return the best matrix of a number of steps from a matrix of the set; each takes 3 applications."""
        generator = torch.Generator().manual_seed(seed)
        frame = self._frame(matrix, min(2 * matrix.width + _SPARE, *self.problem.operator.shape), generator)
        length, momentum = self._first_length(frame), 1.0
        last = ahead = best = _Point(matrix, self.image(matrix))
        least = self.objective(best.image)
        for _ in range(steps):
            v, before = self.dual(ahead.image), self.objective(ahead.image)
            matrix = self._projected(ahead.matrix, v, length, frame)
            trial = _Point(matrix, self.image(matrix))
            value = self.objective(trial.image)
            slope = float((v * (trial.image - ahead.image)).sum())
            squared = float(trial.matrix.distance(ahead.matrix)) ** 2
            # A step is accepted if f lies below its quadratic model.
            if value > before + slope + squared / (2 * length) + _ROUNDING * before:
                length, momentum, ahead = length / 2, 1.0, last
                continue
            frame = trial.matrix.right
            if bool((torch.diagonal(trial.matrix.Theta) != 0).all()) and frame.shape[1] < min(matrix.shape):
                # No singular value was shrunk to 0: the projection may need a wider frame.
                frame = self._frame(trial.matrix, min(2 * frame.shape[1], *matrix.shape), generator)
            if value <= least:
                best, least = trial, value
            else:
                momentum = 1.0
            grown = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead = trial.beyond(last, (momentum - 1) / grown)
            last, momentum, length = trial, grown, length * _GROWTH
        return best.matrix

    def _frame(self, matrix: LowRank, width: int, generator: torch.Generator) -> Tensor:
        Y = matrix.right
        shape = (Y.shape[0], max(width - Y.shape[1], 1))
        more = random_normal(shape, generator=generator, dtype=Y.dtype, device=Y.device)
        return orthonormal_factor(torch.cat([Y, more], dim=1))[:, :width]

    def _first_length(self, frame: Tensor) -> float:
        """Return the first step length, `||Z||^2 / (2 ||W^{1/2} M(Z)||^2)` for a matrix `Z` on the frame."""
        operator = self.problem.operator
        identity = torch.eye(frame.shape[1], dtype=frame.dtype, device=frame.device)
        left = orthonormal_factor(operator.adjoint_times(self.problem.measurements, frame))
        probe = LowRank(left, identity, None if operator.kind.is_symmetric else frame)
        image = self.image(probe)
        self.applications += 1
        weights = torch.ones_like(image) if self.problem.weights is None else self.problem.weights
        gain = 2 * float((weights * image.square()).sum())
        return float(probe.norm()) ** 2 / max(gain, torch.finfo(image.dtype).tiny)

    def _projected(self, ahead: LowRank, v: Tensor, length: float, frame: Tensor) -> LowRank:
        """Return the matrix of the set nearest to `ahead - length M*(v)`, by a step of subspace iteration."""
        operator = self.problem.operator
        left = ahead @ frame - length * operator.adjoint_times(v, frame)
        left = orthonormal_factor(left + self.shift * frame if self.positive else left)
        if operator.kind.is_symmetric:
            core = symmetric_part(left.mH @ (ahead @ left - length * operator.adjoint_times(v, left)))
            image = LowRank(left, core).orthonormal()
        else:
            back = ahead.mH @ left - length * operator.adjoint_transpose_times(v, left)
            identity = torch.eye(left.shape[1], dtype=left.dtype, device=left.device)
            image = LowRank(left, identity, back).orthonormal()
        self.applications += 2
        values = torch.diagonal(image.Theta).real
        # The shift keeps large negative eigenvalues, which are cut off here, out of the next frame.
        self.shift = max(0.0, -float(values.min()))
        shrunk = into_ball(values, self.radius, positive=self.positive)
        return LowRank(image.X, torch.diag(shrunk).to(image.dtype), image.Y)


def into_ball(values: Tensor, radius: float, *, positive: bool) -> Tensor:
    """Return the nearest vector whose magnitudes sum to at most a radius; if `positive`, with entries of at least 0."""
    sizes = values.clamp(min=0) if positive else values.abs()
    if float(sizes.sum()) > radius:
        falling = sizes.sort(descending=True).values
        counts = torch.arange(1, len(falling) + 1, dtype=falling.dtype, device=falling.device)
        levels = (falling.cumsum(0) - radius) / counts
        level = levels[int((falling > levels).nonzero().max())]
        sizes = (sizes - level).clamp(min=0)
    return sizes if positive else sizes * values.sign()
