"""Discrete runs of many cells in the one loop: one product a step for all cells of a part."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.lab.diagonal.diagonal_network import DiagonalObjective, DiagonalProblem, Weights, vector_error
from wnsense.lab.studies.diagonal.paced_descent import PacedDescent, all_settled, settled
from wnsense.lab.studies.diagonal.problems import drawn
from wnsense.lab.studies.diagonal.sparse_drawing import SparseDrawing
from wnsense.running.loop import solve
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace

# Number of marks at which errors are recorded, in equal ratios of steps; resting cells are dropped there.
_MARKS = 24
_FIRST_MARK = 10
# Steps between checks whether all cells rest.
_LOOK_EVERY = 10


@dataclass(frozen=True)
class CellRuns:
    """Runs of a batch of cells.

    Attributes:
        marks: Steps at which errors were recorded, ascending, (marks,).
        errors: Errors `||z - truth|| / ||truth||` at the marks, (marks, cells).
        residual: Residuals `||A z - y|| / ||y||` at the end, (cells,).
        counts: Number of steps until the cell rested or the budget was used up, (cells,).
        time: Sum of the time steps, (cells,).
        rises: Number of steps that raised the loss, (cells,).
        x: Weights at the end, (cells, 2 N).
    """

    marks: np.ndarray
    errors: np.ndarray
    residual: np.ndarray
    counts: np.ndarray
    time: np.ndarray
    rises: np.ndarray
    x: Tensor

    def every(self, first: int, stride: int) -> "CellRuns":
        """Return each stride-th cell from the first."""
        cells = slice(first, None, stride)
        return CellRuns(
            self.marks,
            self.errors[:, cells],
            self.residual[cells],
            self.counts[cells],
            self.time[cells],
            self.rises[cells],
            self.x[cells],
        )


def run_cells(
    objective: DiagonalObjective, solver: PacedDescent, start: Float[Tensor, "cells n"], steps: int
) -> CellRuns:
    """Run every cell until it rests.

    Args:
        objective: Objective to minimize.
        solver: Solver with a rate for each cell.
        start: Start `x_0` of each cell, (cells, 2 N).
        steps: Largest number of steps.

    Raises:
        KeyboardInterrupt: If interrupted.
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
            outcome = solve(objective, replace(solver, begun=begun), weights, stop=stop, trace=Trace(every=steps + 1))
            if outcome.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            state = outcome.snapshot.state
            x[live], residual[live] = state.evaluation.point.x, outcome.residual
            latest[live] = vector_error(objective, state.evaluation.point)
            counts[live] += state.counts
            rises[live] += state.rises
            time[live] += state.time
            moving = ~settled(objective, state.evaluation, solver.residual)
            live, weights, solver = live[moving], _narrowed(state.evaluation.point, moving), solver.narrowed(moving)
        errors[mark] = latest
    return CellRuns(marks, errors.numpy(), residual.numpy(), counts.numpy(), time.numpy(), rises.numpy(), x)


def objective_of(drawing: SparseDrawing, depth: int) -> DiagonalObjective:
    """Return the signed objective of a problem."""
    A, truth = drawn(drawing)
    return DiagonalObjective(DiagonalProblem(A, A.times(truth), truth), depth)


def equal_starts(objective: DiagonalObjective, scales: Float[Tensor, " cells"]) -> Float[Tensor, "cells n"]:
    """Return a start of equal entries for each cell."""
    return scales.unsqueeze(-1).repeat(1, objective.width)


def _narrowed(point: Weights, live: Tensor) -> Weights:
    return Weights(point.direction[live], None if point.magnitude is None else point.magnitude[live])
