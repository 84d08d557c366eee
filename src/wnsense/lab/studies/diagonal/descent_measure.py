"""Recovery and the grid of steps: discrete runs in the one loop, all cells of a part in one product a step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.lab.diagonal.descent import descend
from wnsense.lab.diagonal.diagonal_network import DiagonalObjective, DiagonalProblem, Weights, vector_error
from wnsense.lab.diagonal.schedules import Geometric, Schedule
from wnsense.lab.studies.diagonal.paced_descent import PacedDescent, all_settled, settled
from wnsense.lab.studies.diagonal.problems import drawn
from wnsense.lab.studies.diagonal.specification import Drawing, Family, GridPart, RecoveryPart
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace

# Errors are written down at so many steps, in equal ratios up to the budget; cells that rest are dropped there.
_MARKS = 24
_FIRST_MARK = 10
# Steps between looks at whether all cells rest.
_LOOK_EVERY = 10


@dataclass(frozen=True)
class Cells:
    """Where a batch of cells came to.

    Attributes:
        marks: Steps at which errors were written down, ascending.
        errors: ||z - truth|| / ||truth|| there, (marks, cells).
        residual: ||A z - y|| / ||y|| at the end, (cells,).
        counts: Steps taken until the cell rested, or the budget was spent, (cells,).
        time: The sum of the time steps, (cells,).
        rises: Steps that raised the loss, (cells,).
        x: The weights, (cells, 2 N).
    """

    marks: np.ndarray
    errors: np.ndarray
    residual: np.ndarray
    counts: np.ndarray
    time: np.ndarray
    rises: np.ndarray
    x: Tensor


def run_cells(objective: DiagonalObjective, solver: PacedDescent, start: Float[Tensor, "cells n"], steps: int) -> Cells:
    """Run every cell until it rests.

    Args:
        objective: What is minimized.
        solver: With as many rates as there are cells.
        start: x_0 of each.
        steps: The budget.

    Raises:
        KeyboardInterrupt: When interrupted.
    """
    count = start.shape[0]
    marks = np.unique(np.geomspace(min(_FIRST_MARK, steps), steps, _MARKS).round().astype(int))
    weights, live = Weights(start), torch.arange(count)
    x, errors = start.clone(), torch.empty(len(marks), count, dtype=start.dtype)
    residual, time = torch.empty(count, dtype=start.dtype), torch.zeros(count, dtype=start.dtype)
    counts, rises = torch.zeros(count, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
    latest = torch.empty(count, dtype=start.dtype)
    for mark, (begun, ended) in enumerate(pairwise((0, *(int(step) for step in marks)))):
        if len(live):
            stop = Stop(
                residual=0.0,
                goal=all_settled(objective, solver.residual),
                max_steps=ended - begun,
                check_every=_LOOK_EVERY,
            )
            outcome = descend(objective, replace(solver, begun=begun), weights, stop=stop, trace=Trace(every=steps + 1))
            if outcome.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            state = outcome.state
            x[live], residual[live] = state.point.x, outcome.residual
            latest[live] = vector_error(objective, state.point)
            counts[live] += state.counts
            rises[live] += state.rises
            time[live] += state.time
            kept = ~settled(objective, state.evaluation, solver.residual)
            live, weights, solver = live[kept], _narrowed(state.point, kept), solver.narrowed(kept)
        errors[mark] = latest
    return Cells(marks, errors.numpy(), residual.numpy(), counts.numpy(), time.numpy(), rises.numpy(), x)


def measure_recovery(part: RecoveryPart) -> Mapping[str, np.ndarray]:
    """Run a part.

    Returns:
        `marks`, (marks,); `errors`, (marks, scales, ratios), in single precision; `error`, `residual`, `counts`, `time`
        and `radius`, the norm of x, at the end, (scales, ratios).
    """
    objective = objective_of(part.drawing, part.depth)
    scales = torch.tensor(part.scales, dtype=torch.float64)
    rates = [ratio for ratio in part.ratios if ratio is not None]
    columns: dict[float | None, Cells] = {}
    if None in part.ratios:
        columns[None] = run_cells(objective, PacedDescent(part.residual), _equal(objective, scales), part.steps)
    if rates:
        # The scale varies slowest.
        ratios = torch.tensor(rates, dtype=torch.float64).repeat(len(scales))
        start = _equal(objective, scales.repeat_interleave(len(rates)))
        cells = run_cells(objective, PacedDescent(part.residual, ratios), start, part.steps)
        columns |= {ratio: _every(cells, place, len(rates)) for place, ratio in enumerate(rates)}
    found = [columns[ratio] for ratio in part.ratios]
    return {
        "marks": found[0].marks,
        "errors": np.stack([cells.errors for cells in found], axis=-1).astype(np.float32),
        "error": np.stack([cells.errors[-1] for cells in found], axis=-1),
        "residual": np.stack([cells.residual for cells in found], axis=-1),
        "counts": np.stack([cells.counts for cells in found], axis=-1),
        "time": np.stack([cells.time for cells in found], axis=-1),
        "radius": np.stack([torch.linalg.vector_norm(cells.x, dim=-1).numpy() for cells in found], axis=-1),
    }


def measure_grid(part: GridPart) -> Mapping[str, np.ndarray]:
    """Run a part.

    Returns:
        `error`, `residual` and `counts` at the end, (ratios, lengths); `rises`, the steps that raised the loss;
        `stiffness`, the largest eigenvalue of the linearized flow where a cell ended none of whose steps did, NaN
        elsewhere.
    """
    objective = objective_of(part.drawing, part.depth)
    shape = (len(part.ratios), len(part.lengths))
    ratios = torch.tensor(part.ratios, dtype=torch.float64).repeat_interleave(shape[1])
    lengths = torch.tensor(part.lengths, dtype=torch.float64).repeat(shape[0])
    solver = _grid_solver(part, ratios, lengths)
    start = _equal(objective, torch.full_like(lengths, part.scale))
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


def objective_of(drawing: Drawing, depth: int) -> DiagonalObjective:
    """The signed objective of a problem."""
    A, truth = drawn(drawing)
    return DiagonalObjective(DiagonalProblem(A, A.times(truth), truth), depth)


def largest_rate(
    A: Float[Tensor, "m n"], x: Float[Tensor, " n2"], depth: int, rates: tuple[float, float] | None
) -> float:
    """The largest eigenvalue of J P J^T at a limit x of a signed network: steps beyond 2 over it do not stay there.

    J is the derivative of the measurements by x, and P = r^2 (I - u u^T) + eta_r u u^T; the identity for plain descent.

    Args:
        A: The map.
        x: The limit.
        depth: L.
        rates: (r^2, eta_r); None for plain descent.
    """
    J = depth * torch.cat([A, -A], dim=1) * x ** (depth - 1)
    if rates is not None:
        squared, magnitude = rates
        u = x / torch.linalg.vector_norm(x)
        J = squared**0.5 * J + (magnitude**0.5 - squared**0.5) * torch.outer(J @ u, u)
    return float(torch.linalg.matrix_norm(J, ord=2)) ** 2


def _rate_pair(family: Family, ratio: float, x: Tensor) -> tuple[float, float]:
    squared = float((x * x).sum())
    return squared, ratio * squared if family is Family.SQUARED else ratio


def _grid_solver(part: GridPart, ratios: Tensor, lengths: Tensor) -> PacedDescent:
    if part.family is Family.PLAIN:
        return PacedDescent(part.residual, lengths=lengths)
    powers = torch.full_like(ratios, 2.0) if part.family is Family.SQUARED else None
    schedule: Schedule | None = None
    if part.family is Family.SCHEDULED:
        schedule = Geometric(part.first, part.first ** (-1 / part.over))
    return PacedDescent(part.residual, ratios, powers, schedule, lengths)


def _equal(objective: DiagonalObjective, scales: Float[Tensor, " cells"]) -> Float[Tensor, "cells n"]:
    """A start of equal entries for each cell."""
    return scales.unsqueeze(-1).repeat(1, objective.width)


def _narrowed(point: Weights, kept: Tensor) -> Weights:
    return Weights(point.direction[kept], None if point.magnitude is None else point.magnitude[kept])


def _every(cells: Cells, first: int, stride: int) -> Cells:
    """Each stride-th cell."""
    of = slice(first, None, stride)
    return Cells(
        cells.marks,
        cells.errors[:, of],
        cells.residual[of],
        cells.counts[of],
        cells.time[of],
        cells.rises[of],
        cells.x[of],
    )
