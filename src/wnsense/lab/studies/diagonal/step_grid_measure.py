"""Measurement of a grid of ratios and step sizes."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.lab.diagonal.schedules import Geometric, Schedule
from wnsense.lab.studies.diagonal.cell_runs import equal_starts, objective_of, run_cells
from wnsense.lab.studies.diagonal.paced_descent import PacedDescent
from wnsense.lab.studies.diagonal.step_grid import GridPart, RateFamily


def grid_words(part: GridPart) -> str:
    """Return a part in words, for reports of progress."""
    problem = f"L = {part.depth}, alpha = {part.scale:g}, problem {part.drawing.seed}"
    return f"grid of steps, {part.family}, {problem}"


def measure_grid(part: GridPart) -> Mapping[str, np.ndarray]:
    """Return the arrays of a part.

    Returns:
        `error`, `residual` and `counts` at the end, (ratios, lengths); `rises`, the number of steps that raised the
        loss; `stiffness`, the largest eigenvalue of the linearized flow at the end of a cell without such steps, NaN
        for other cells.
    """
    objective = objective_of(part.drawing, part.depth)
    shape = (len(part.ratios), len(part.lengths))
    ratios = torch.tensor(part.ratios, dtype=torch.float64).repeat_interleave(shape[1])
    lengths = torch.tensor(part.lengths, dtype=torch.float64).repeat(shape[0])
    solver = _grid_solver(part, ratios, lengths)
    start = equal_starts(objective, torch.full_like(lengths, part.scale))
    cells = run_cells(objective, solver, start, part.steps)
    A = objective.problem.operator.dense()
    stiffness = np.full(len(lengths), np.nan)
    for place in np.flatnonzero(cells.rises == 0):
        rates = None if solver.ratios is None else _rate_pair(part.family, float(ratios[place]), cells.x[place])
        stiffness[place] = largest_rate(A, cells.x[place], part.depth, rates)
    return {
        "error": cells.errors[-1].reshape(shape),
        "residual": cells.residual.reshape(shape),
        "counts": cells.counts.reshape(shape),
        "rises": cells.rises.reshape(shape),
        "stiffness": stiffness.reshape(shape),
    }


def largest_rate(
    A: Float[Tensor, "m n"], x: Float[Tensor, " n2"], depth: int, rates: tuple[float, float] | None
) -> float:
    """Return the largest eigenvalue of `J P J^T` at a limit `x` of a signed network; steps beyond 2 over it diverge.

    `J` is the derivative of the measurements by `x`, and `P = r^2 (I - u u^T) + eta_r u u^T`; the identity for plain
    descent.

    Args:
        A: Map, (M, N).
        x: Limit, (2 N,).
        depth: Number of factors `L`.
        rates: Pair `(r^2, eta_r)`; None for plain descent.
    """
    J = depth * torch.cat([A, -A], dim=1) * x ** (depth - 1)
    if rates is not None:
        squared, magnitude = rates
        u = x / torch.linalg.vector_norm(x)
        J = squared**0.5 * J + (magnitude**0.5 - squared**0.5) * torch.outer(J @ u, u)
    return float(torch.linalg.matrix_norm(J, ord=2)) ** 2


def _rate_pair(family: RateFamily, ratio: float, x: Tensor) -> tuple[float, float]:
    squared = float((x * x).sum())
    return squared, ratio * squared if family is RateFamily.SQUARED else ratio


def _grid_solver(part: GridPart, ratios: Tensor, lengths: Tensor) -> PacedDescent:
    if part.family is RateFamily.PLAIN:
        return PacedDescent(part.residual, lengths=lengths)
    powers = torch.full_like(ratios, 2.0) if part.family is RateFamily.SQUARED else None
    schedule: Schedule | None = None
    if part.family is RateFamily.SCHEDULED:
        schedule = Geometric(part.first, part.first ** (-1 / part.over))
    return PacedDescent(part.residual, ratios, powers, schedule, lengths)
