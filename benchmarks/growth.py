"""recover() without any setting on the problems behind its thresholds: exact ones, spectra over many decades, noise.

`python benchmarks/growth.py [--seeds 3] [--quick] [--write]`. About three minutes for three seeds. Each line has the
problems solved, the median applications and the median CPU seconds. An exact problem is solved by CONVERGED with the
right rank and an error of at most 1e-8. A noisy one is solved by REACHED_NOISE_FLOOR with an error of at most 1.1 times
that of the oracle, least squares of the true rank that begins at the truth.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from common import arguments, show

import wnsense as wn
from wnsense.operators import (
    CodedDiffractionSensing,
    DCTSensing,
    EntrySensing,
    GaussianSensing,
    PairedRankOneSensing,
    PauliSensing,
    RankOneSensing,
)
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective

KINDS = {
    "gaussian psd": wn.Kind.PSD,
    "gaussian rectangular": wn.Kind.RECTANGULAR,
    "raw rank-one psd": wn.Kind.PSD,
    "paired rank-one psd": wn.Kind.PSD,
    "entries psd": wn.Kind.PSD,
    "entries symmetric": wn.Kind.SYMMETRIC,
    "entries": wn.Kind.RECTANGULAR,
    "dct psd": wn.Kind.PSD,
    "coded diffraction": wn.Kind.HERMITIAN,
    "pauli": wn.Kind.HERMITIAN,
}
SMALL = [
    ("gaussian psd", 40, 3),
    ("gaussian rectangular", 30, 2),
    ("raw rank-one psd", 40, 3),
    ("paired rank-one psd", 40, 3),
    ("entries psd", 150, 4),
    ("entries symmetric", 120, 3),
    ("entries", 200, 4),
    ("dct psd", 64, 3),
    ("coded diffraction", 64, 2),
    ("pauli", 32, 2),
]


@dataclass(frozen=True)
class Cell:
    """One kind of problem: ensemble, side, rank, condition number, n over degrees of freedom, relative noise."""

    ensemble: str
    side: int
    rank: int
    kappa: float
    oversampling: float
    noise: float = 0.0
    spectrum: str = "linear"


EASY = [
    *[Cell("entries", 500, 3, kappa, 10.0) for kappa in (1.0, 10.0)],
    *[Cell("entries", 500, 5, kappa, 6.0) for kappa in (1.0, 10.0)],
    *[Cell("entries", 300, 3, kappa, 12.0) for kappa in (1.0, 10.0)],
    *[Cell("entries", 200, 5, kappa, 8.0) for kappa in (1.0, 10.0)],
    *[Cell("entries", 500, 10, kappa, 5.0) for kappa in (1.0, 10.0)],
    *[Cell("entries", 1000, 5, kappa, 10.0) for kappa in (1.0, 10.0)],
    *[Cell("entries", 1000, 10, kappa, n) for n in (5.0, 3.0) for kappa in (1.0, 10.0)],
    Cell("entries psd", 500, 5, 10.0, 10.0),
]
DECADES = [Cell("entries", side, 10, 10.0**k, 4.0, spectrum="geometric") for side in (300, 1000) for k in (5, 7, 10)]
GROUPS = {
    "entries, many rows": EASY,
    "entries, spectra over decades": DECADES,
    **{f"n/dof {n:g}": [Cell(*which, 10.0, n) for which in SMALL] for n in (1.5, 2.0, 3.0, 5.0)},
    **{
        f"noise {noise:g}, n/dof {n:g}": [
            Cell(*which, 10.0, n, noise) for which in SMALL if which[0] != "entries symmetric"
        ]
        for noise, n in ((1e-3, 4.0), (1e-2, 4.0), (0.1, 4.0), (0.1, 8.0))
    },
}


def problem(cell: Cell, seed: int) -> wn.Problem:
    """Draw one problem of a cell."""
    generator = torch.Generator().manual_seed(1000 * seed + 7)
    kind = KINDS[cell.ensemble]
    shape = (cell.side, cell.side) if kind is wn.Kind.RECTANGULAR else cell.side
    truth = wn.low_rank(shape, cell.rank, condition=cell.kappa, spectrum=cell.spectrum, kind=kind, generator=generator)
    sides = (cell.side, cell.side)
    freedom = kind.degrees_of_freedom(sides, cell.rank, is_complex=kind is wn.Kind.HERMITIAN)
    operator = drawn(cell, math.ceil(cell.oversampling * freedom), generator)
    return wn.Problem.measure(operator, truth, cell.noise, generator=generator)


def drawn(cell: Cell, n: int, generator: torch.Generator) -> wn.Operator:
    """Draw the operator of a cell with about `n` rows."""
    kind, side = KINDS[cell.ensemble], cell.side
    shape = (side, side) if kind is wn.Kind.RECTANGULAR else side
    draw: dict[str, Callable[[], wn.Operator]] = {
        "gaussian": lambda: GaussianSensing.draw(n, shape, kind=kind, generator=generator),
        "entries": lambda: EntrySensing.draw(n, shape, kind=kind, generator=generator),
        "raw": lambda: RankOneSensing.draw(n, side, kind=kind, generator=generator),
        "paired": lambda: PairedRankOneSensing.draw(n, side, kind=kind, generator=generator),
        "dct": lambda: DCTSensing.draw(n, side, kind=kind, generator=generator),
        "coded": lambda: CodedDiffractionSensing.draw(max(2, round(n / side)), side, generator=generator),
        "pauli": lambda: PauliSensing.draw(min(n, side**2), round(math.log2(side)), generator=generator),
    }
    return draw[cell.ensemble.partition(" ")[0]]()


def oracle_error(given: wn.Problem) -> float:
    """Return the relative error of least squares over the true rank, from the truth."""
    if given.truth is None:
        raise ValueError("the problems of this benchmark have a truth")
    objective = SensingObjective(replace(given, noise_level=None))
    stop = Stop(residual=1e-12, stagnation=30, gain=1e-4, max_steps=300)
    result = solve(objective, ConjugateWN(), objective.from_user(given.truth), stop=stop)
    return float(result.answer.distance(given.truth) / given.truth.norm())


@dataclass(frozen=True)
class Outcome:
    """Outcome of one problem."""

    is_solved: bool
    is_false: bool
    applications: int
    seconds: float


def outcome(cell: Cell, seed: int) -> Outcome:
    """Recover one problem and judge the result."""
    given = problem(cell, seed)
    began = time.process_time()
    recovery = wn.recover(given.operator, given.measurements, truth=given.truth)
    seconds = time.process_time() - began
    error = recovery.relative_error or 0.0
    if cell.noise:
        is_right = recovery.status is wn.Status.REACHED_NOISE_FLOOR and error <= 1.1 * oracle_error(given)
        is_false = recovery.status.is_success and error > 2 * oracle_error(given)
    else:
        is_right = recovery.status is wn.Status.CONVERGED and recovery.rank == cell.rank and error <= 1e-8
        is_false = recovery.status.is_success and error > 1e-6
    return Outcome(is_right, is_false, recovery.applications, seconds)


def main() -> None:
    """Run all groups."""
    options = arguments(__doc__.split("\n")[0])
    torch.set_num_threads(1)
    rows: list[list[object]] = [["problems", "solved", "false successes", "median applications", "median CPU s"]]
    for name, cells in GROUPS.items():
        chosen = cells[::5] if options.quick else cells
        runs = [outcome(cell, seed) for seed in range(options.seeds) for cell in chosen]
        rows.append(
            [
                name,
                f"{sum(run.is_solved for run in runs)} of {len(runs)}",
                sum(run.is_false for run in runs),
                f"{statistics.median(run.applications for run in runs):.0f}",
                f"{statistics.median(run.seconds for run in runs):.2f}",
            ]
        )
    show("growth", "recover() without any setting", rows, write=options.write)


if __name__ == "__main__":
    main()
