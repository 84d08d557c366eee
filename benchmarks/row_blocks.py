"""The preconditioner of sampled entries: applications with and without the blocks of the rows.

`python benchmarks/row_blocks.py [--seeds 5] [--quick] [--write]`. Two minutes. Entries of 300 x 250 matrices of rank 5,
masks repaired so that each row and column has 5 entries. `ReweightedWN` begins at the matrix 0 and is not told the rank.
`ConjugateWN` is told it and begins near the truth. A run is solved at a relative error of 1e-8.
"""

import math
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from common import arguments, show

from wnsense.lab.bench.entry_masks import repaired_mask
from wnsense.operators import EntrySensing
from wnsense.recovery.session import zero_matrix
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank, require_truth
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.reweighted import ReweightedWN
from wnsense.solvers.solver import Solver

SHAPE, RANK = (300, 250), 5
CELLS = [(3.0, 10.0), (2.0, 10.0), (1.5, 1.0), (1.5, 1e3), (1.25, 1e3), (1.25, 1e5)]


class WithoutBlocks(EntrySensing):
    """Entries that do not tell the squares of their rows, so that no blocks are known."""

    squares_times = None
    squares_transpose_times = None


@dataclass(frozen=True)
class Run:
    """Result of one run."""

    is_solved: bool
    applications: int
    seconds: float


def problem(over: float, condition: float, seed: int) -> Problem:
    """Return a problem with `over` times as many entries as degrees of freedom."""
    generator = torch.Generator().manual_seed(seed)
    truth = low_rank(SHAPE, RANK, condition=condition, spectrum="geometric", kind="rectangular", generator=generator)
    count = math.ceil(over * RANK * (sum(SHAPE) - RANK))
    places = (torch.from_numpy(part) for part in repaired_mask(count, SHAPE, RANK, np.random.default_rng(seed)))
    return Problem.measure(EntrySensing.from_places(*places, SHAPE, kind="rectangular"), truth)


def run(solver: Solver[Any], start: LowRank, objective: SensingObjective) -> Run:
    """Run a solver to a residual of 1e-11."""
    truth = require_truth(objective.problem)
    began = time.process_time()
    stop = Stop(residual=1e-11, watch_holdout=False, max_applications=20_000)
    result = solve(objective, solver, start, stop=stop)
    seconds = time.process_time() - began
    return Run(float(result.answer.distance(truth) / truth.norm()) < 1e-8, result.applications, seconds)


def runs(given: Problem) -> tuple[Run, Run]:
    """Run both solvers on a problem."""
    objective = SensingObjective(given)
    away = low_rank(SHAPE, RANK, kind="rectangular", generator=torch.Generator().manual_seed(1))
    near = objective.from_user(require_truth(given)).plus(away.scaled(0.01)).truncate(RANK)
    return run(ReweightedWN(), zero_matrix(given.operator), objective), run(ConjugateWN(), near, objective)


def plain(given: Problem) -> Problem:
    """Return the problem with an operator that tells no squares."""
    entries = given.operator
    if not isinstance(entries, EntrySensing):
        raise TypeError("the problems of this benchmark measure entries")
    return Problem(WithoutBlocks(entries.rows, entries.columns, entries.space), given.measurements, given.truth)


def main() -> None:
    """Run all cells."""
    options = arguments(__doc__.split("\n")[0])
    torch.set_num_threads(1)
    columns = ["solved", "median applications", "median CPU s"]
    names = ["ReweightedWN", "ConjugateWN"]
    rows: list[list[object]] = [["n/dof", "kappa", "method", *columns, *(f"{word}, no blocks" for word in columns)]]
    for over, condition in CELLS[:1] if options.quick else CELLS:
        problems = [problem(over, condition, seed) for seed in range(options.seeds)]
        with_blocks, without = [runs(given) for given in problems], [runs(plain(given)) for given in problems]
        for place, name in enumerate(names):
            cells = [cell for part in (with_blocks, without) for cell in _cells([pair[place] for pair in part])]
            rows.append([over, f"{condition:g}", name, *cells])
    show("row_blocks", "Sampled entries with and without the blocks of their rows", rows, write=options.write)


def _cells(part: list[Run]) -> list[object]:
    return [
        f"{sum(run.is_solved for run in part)} of {len(part)}",
        f"{statistics.median(run.applications for run in part):.0f}",
        f"{statistics.median(run.seconds for run in part):.2f}",
    ]


if __name__ == "__main__":
    main()
