"""recover() on matrices that are only nearly of low rank, beside least squares of the rank that its verdict is on.

`python benchmarks/decay.py [--seeds 5] [--quick] [--write]`. About ten minutes for five seeds. The matrices have the
singular values `1/k` or `1/k^2`, or are covariances of the middles of handwritten digits, 10 x 10 pixels; the last
lines are of low rank under noise. Errors are medians, relative to the true matrix. "Best" is the error of the best
matrix of the verdict's rank. "Smoothed" counts the recoveries in which a smoothed fit took the place of that of one
rank.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from common import arguments, show

import wnsense as wn
from wnsense.lab.demos.covariance.digits import mnist_digits
from wnsense.operators import (
    DCTSensing,
    EntrySensing,
    GaussianSensing,
    PairedRankOneSensing,
    RankOneSensing,
)
from wnsense.recovery.last_fit import plain_least_squares
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective

DRAWS: dict[str, Callable[..., wn.Operator]] = {
    "Gaussian": GaussianSensing.draw,
    "raw rank-one": RankOneSensing.draw,
    "paired rank-one": PairedRankOneSensing.draw,
    "entries": EntrySensing.draw,
    "DCT": DCTSensing.draw,
}


@dataclass(frozen=True)
class Cell:
    """One kind of problem: ensemble, kind, side, rows, and the power of decay; None for a covariance of digits."""

    ensemble: str
    kind: str
    side: int
    rows: int
    power: float | None = None
    noise: float = 0.0
    rank: int | None = None

    def __str__(self) -> str:
        """Return the cell in a few words."""
        matrix = "covariance" if self.power is None else f"1/k^{self.power:g}"
        if self.rank is not None:
            matrix = f"rank {self.rank}, noise {self.noise:g}"
        return f"{self.ensemble} {self.kind}, m {self.side}, n {self.rows}, {matrix}"


CELLS = [
    Cell("Gaussian", "psd", 40, 702, 1.0),
    Cell("Gaussian", "psd", 40, 702, 2.0),
    Cell("raw rank-one", "psd", 40, 702, 1.0),
    Cell("entries", "rectangular", 80, 1884, 1.0),
    Cell("entries", "psd", 80, 948, 2.0),
    Cell("Gaussian", "rectangular", 30, 513, 1.0),
    Cell("paired rank-one", "psd", 100, 1262),
    Cell("raw rank-one", "psd", 100, 1262),
    Cell("DCT", "psd", 100, 1262),
    Cell("Gaussian", "psd", 40, 468, noise=0.01, rank=3),
    Cell("Gaussian", "psd", 40, 468, noise=0.1, rank=3),
    Cell("entries", "rectangular", 100, 2364, noise=0.1, rank=3),
    Cell("DCT", "psd", 64, 756, noise=0.1, rank=3),
    Cell("Gaussian", "rectangular", 30, 464, noise=0.1, rank=2),
]


def truth(cell: Cell, generator: torch.Generator) -> wn.LowRank:
    """Return the true matrix of a cell."""
    shape = (cell.side, cell.side) if cell.kind == "rectangular" else cell.side
    if cell.rank is not None:
        return wn.low_rank(shape, cell.rank, condition=10.0, kind=cell.kind, generator=generator)
    if cell.power is not None:
        values = 1 / torch.arange(1, cell.side + 1, dtype=torch.float64) ** cell.power
        return wn.low_rank(shape, cell.side, kind=cell.kind, spectrum=values, generator=generator)
    images = mnist_digits().double().reshape(-1, 14, 2, 14, 2).mean((2, 4))[:, 2:12, 2:12].reshape(-1, 100)
    values, vectors = torch.linalg.eigh(torch.cov(images.mT))
    return wn.LowRank(vectors.flip(1), torch.diag(values.flip(0).clamp(min=0)))


def plain_error(problem: wn.Problem, recovery: wn.Recovery, rank: int) -> float:
    """Return the relative error of least squares of one rank, from the leading part of the recovered matrix."""
    objective = plain_least_squares(SensingObjective(problem))
    stop = Stop(residual=1e-12, stagnation=3, gain=0.01, max_steps=300)
    start = objective.from_user(recovery.matrix.truncate(rank))
    return error(problem, solve(objective, ConjugateWN(), start, stop=stop).answer)


def error(problem: wn.Problem, matrix: wn.LowRank) -> float:
    """Return the error relative to the true matrix."""
    if problem.truth is None:
        raise ValueError("the problems of this benchmark have a truth")
    return float(matrix.distance(problem.truth) / problem.truth.norm())


@dataclass(frozen=True)
class Outcome:
    """Outcome of one problem: errors of the recovery, of least squares of one rank and of the best matrix; its cost."""

    error: float
    plain: float
    best: float
    is_smoothed: bool
    applications: int


def outcome(cell: Cell, seed: int) -> Outcome:
    """Recover one problem."""
    generator = torch.Generator().manual_seed(1000 * seed + 7)
    matrix = truth(cell, generator)
    shape = (cell.side, cell.side) if cell.kind == "rectangular" else cell.side
    operator = DRAWS[cell.ensemble](cell.rows, shape, kind=cell.kind, generator=generator)
    measured = wn.Problem.measure(operator, matrix, cell.noise, generator=generator)
    problem = wn.Problem(operator, measured.measurements, matrix)
    recovery = wn.recover(problem)
    rank = recovery.judged_rank or recovery.rank
    is_smoothed = rank != recovery.rank
    values = matrix.singular_values()
    reached = error(problem, recovery.matrix)
    return Outcome(
        error=reached,
        plain=plain_error(problem, recovery, rank) if is_smoothed else reached,
        best=float(values[rank:].norm() / values.norm()),
        is_smoothed=is_smoothed,
        applications=recovery.applications,
    )


def main() -> None:
    """Run all cells."""
    options = arguments(__doc__.split("\n")[0])
    torch.set_num_threads(1)
    head = ["problems", "best", "one rank", "recover()", "median ratio", "worst ratio", "smoothed", "applications"]
    rows: list[list[object]] = [list(head)]
    for cell in CELLS[::4] if options.quick else CELLS:
        runs = [outcome(cell, seed) for seed in range(options.seeds)]
        ratios = [run.error / run.plain for run in runs]
        rows.append(
            [
                str(cell),
                *[
                    f"{statistics.median(values):.3g}"
                    for values in zip(*[(r.best, r.plain, r.error) for r in runs], strict=True)
                ],
                f"{statistics.median(ratios):.2f}",
                f"{max(ratios):.2f}",
                f"{sum(run.is_smoothed for run in runs)} of {len(runs)}",
                f"{statistics.median(run.applications for run in runs):.0f}",
            ]
        )
    show("decay", "recover() on matrices that are only nearly of low rank", rows, write=options.write)


if __name__ == "__main__":
    main()
