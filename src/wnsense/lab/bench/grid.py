"""Grids of the benchmark as data, and the runs of each grid."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import median

from wnsense.checks import require
from wnsense.lab.bench.bench_run import GridRun
from wnsense.lab.bench.cells import Cell
from wnsense.lab.bench.contestants import CONTESTANTS, RECOVER, Configuration
from wnsense.lab.bench.rows import Key, Purpose, Row
from wnsense.sensing.kinds import Kind

_PSD, _SYMMETRIC, _RECTANGULAR = Kind.PSD, Kind.SYMMETRIC, Kind.RECTANGULAR


@dataclass(frozen=True)
class Grid:
    """Cells, seeds and methods of one benchmark.

    Attributes:
        name: Name on the command line and in file names.
        cells: Cells that problems are drawn from.
        seeds: Seeds of the problems that count.
        tuning_seeds: Seeds of the problems that baselines are tuned on; these do not count. Empty for no tuning.
        methods: Names of `CONTESTANTS`, or `recover`.
        budget: Number of applications that each run may spend.
    """

    name: str
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...] = ()
    methods: tuple[str, ...] = (RECOVER, *CONTESTANTS)
    budget: int = 1500

    def __post_init__(self) -> None:
        """Check seeds and methods.

        Raises:
            InputError: If a seed is in both lists, or a method does not exist.
        """
        shared = set(self.seeds) & set(self.tuning_seeds)
        require(not shared, "tuning seeds that are not among the seeds that count", f"{sorted(shared)} in both")
        unknown = set(self.methods) - {RECOVER, *CONTESTANTS}
        require(not unknown, f"methods of {', '.join((RECOVER, *CONTESTANTS))}", ", ".join(sorted(unknown)))

    @property
    def is_of_recover_alone(self) -> bool:
        """True if `recover()` is the only method."""
        return self.methods == (RECOVER,)

    @property
    def fingerprint(self) -> str:
        """Hash of all that the rows depend on: cells, seeds, methods, configurations and budget."""
        settings = [(name, CONTESTANTS[name]) for name in self.methods if name != RECOVER]
        described = repr((self.cells, self.seeds, self.tuning_seeds, self.methods, self.budget, settings))
        return hashlib.sha256(described.encode()).hexdigest()[:16]

    def first_runs(self) -> Iterator[GridRun]:
        """Yield the runs that do not depend on other rows.

        These are the published configurations on the seeds that count, and all configurations on the tuning seeds.
        """
        for cell in self.cells:
            for seed in self.seeds:
                for method in self._methods_of(cell):
                    yield self._run(cell, seed, method, Purpose.DEFAULT, _default(method))
            for seed, (method, configuration) in product(self.tuning_seeds, self._candidates(cell)):
                yield self._run(cell, seed, method, Purpose.TUNING, configuration)

    def tuned_runs(self, rows: Iterable[Row]) -> Iterator[GridRun]:
        """Yield the runs of the best configuration of each baseline on the seeds that count."""
        for (cell, method), configuration in self.best_configurations(rows).items():
            for seed in self.seeds:
                yield self._run(cell, seed, method, Purpose.TUNED, configuration)

    def best_configurations(self, rows: Iterable[Row]) -> dict[tuple[Cell, str], Configuration]:
        """Return the best configuration of each baseline in each cell, by its runs on the tuning seeds only.

        The best one has the least median of applications to the strictest accuracy. If configurations tie, or none
        reaches it, the next looser accuracy decides, and at last the least median error.
        """
        groups: dict[tuple[Cell, str, str], list[Row]] = {}
        for row in rows:
            if row.key.purpose is Purpose.TUNING:
                groups.setdefault((row.key.cell, row.key.method, row.key.parameters), []).append(row)
        best: dict[tuple[Cell, str], tuple[tuple[float, ...], Configuration]] = {}
        for cell in self.cells:
            for method, configuration in self._candidates(cell) if self.tuning_seeds else ():
                merit = _merit(groups.get((cell, method, configuration.parameters), []))
                if (cell, method) not in best or merit < best[cell, method][0]:
                    best[cell, method] = merit, configuration
        return {place: configuration for place, (_, configuration) in best.items()}

    def _methods_of(self, cell: Cell) -> list[str]:
        return [name for name in self.methods if name == RECOVER or cell.kind in CONTESTANTS[name].kinds]

    def _candidates(self, cell: Cell) -> list[tuple[str, Configuration]]:
        names = [name for name in self._methods_of(cell) if name != RECOVER and CONTESTANTS[name].is_baseline]
        return [(name, configuration) for name in names for configuration in CONTESTANTS[name].configurations]

    def _run(
        self, cell: Cell, seed: int, method: str, purpose: Purpose, configuration: Configuration | None
    ) -> GridRun:
        parameters = "{}" if configuration is None else configuration.parameters
        return GridRun(Key(cell, seed, method, purpose, parameters), self.budget, configuration)


def _default(method: str) -> Configuration | None:
    return None if method == RECOVER else CONTESTANTS[method].default


def _merit(rows: list[Row]) -> tuple[float, ...]:
    """Return the tuple that orders configurations; the smallest one is the best."""
    if not rows:
        return (math.inf,)
    strictest_first = reversed(list(zip(*(row.applications_to for row in rows), strict=True)))
    return (*(median(spent) for spent in strictest_first), median(row.error for row in rows))


def _crossed(
    ensembles: Iterable[tuple[str, Kind, int]],
    *,
    caps: Iterable[int],
    conditions: Iterable[float],
    oversamplings: Iterable[float],
    ranks: Iterable[int] = (3,),
    noises: Iterable[float] = (0.0,),
) -> list[Cell]:
    """Return every combination that can be drawn; caps are multiples of the rank."""
    combined = product(ensembles, ranks, caps, conditions, oversamplings, noises)
    cells = [
        Cell(ensemble, kind, size, rank, cap * rank, condition, oversampling, noise)
        for (ensemble, kind, size), rank, cap, condition, oversampling, noise in combined
    ]
    return [cell for cell in cells if cell.is_possible]


_ENSEMBLES = (
    ("gaussian", _PSD, 40),
    ("gaussian", _RECTANGULAR, 30),
    ("gaussian", _SYMMETRIC, 40),
    ("rank-one", _PSD, 40),
    ("dct", _PSD, 40),
)
# Cells with many stored rows have smaller matrices.
_SMALLER = (
    ("gaussian", _PSD, 30),
    ("gaussian", _RECTANGULAR, 20),
    ("gaussian", _SYMMETRIC, 30),
    ("rank-one", _PSD, 30),
)

_QUICK = Grid(
    "quick",
    (
        Cell("gaussian", _PSD, 20, 2, 2, 100.0, 4.0),
        Cell("gaussian", _RECTANGULAR, 16, 2, 4, 10.0, 4.0),
        Cell("rank-one", _PSD, 20, 2, 2, 10.0, 6.0),
    ),
    seeds=(0, 1),
    tuning_seeds=(1000,),
    budget=450,
)

# All conditions and both caps at one oversampling; at the others, the values in which methods differ. Two processes
# take about half an hour.
_FULL = Grid(
    "full",
    (
        *_crossed(_ENSEMBLES, caps=(1, 3), conditions=(1.0, 1e2, 1e5), oversamplings=(4.0,)),
        *_crossed(_ENSEMBLES, caps=(1, 3), conditions=(1e2, 1e5), oversamplings=(2.5,)),
        *_crossed(_ENSEMBLES, caps=(1, 3), conditions=(1e2,), oversamplings=(1.5, 10.0)),
        *_crossed(_SMALLER, caps=(3,), conditions=(1e2,), oversamplings=(30.0,)),
        *_crossed(_ENSEMBLES, caps=(3,), conditions=(10.0,), oversamplings=(4.0,), noises=(1e-2,)),
    ),
    seeds=(0, 1, 2, 3, 4),
    tuning_seeds=(1000, 1001),
)

_TRANSITION = Grid(
    "transition",
    tuple(
        _crossed(
            [("gaussian", _PSD, 30)],
            ranks=(1, 2, 3, 4, 5, 6),
            caps=(1,),
            conditions=(10.0,),
            oversamplings=(1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0),
        )
    ),
    seeds=(0, 1, 2, 3, 4),
    methods=(RECOVER, "precgd", "lmm", "risro", "svp", "mifgd"),
    budget=1000,
)

_GAUSSIAN = (("gaussian", _PSD, 40), ("gaussian", _SYMMETRIC, 40), ("gaussian", _RECTANGULAR, 30))

# Few measurements and an unknown rank: `recover()` alone, since the other methods are given a rank.
_LIMIT = Grid(
    "limit",
    tuple(_crossed(_GAUSSIAN, caps=(1,), conditions=(1.0, 1e2, 1e4, 1e6), oversamplings=(1.5, 2.0))),
    seeds=tuple(range(10)),
    methods=(RECOVER,),
)

_NOISE = Grid(
    "noise",
    tuple(
        _crossed(
            (*_GAUSSIAN, ("rank-one", _PSD, 40), ("dct", _PSD, 40)),
            caps=(1,),
            conditions=(10.0,),
            oversamplings=(3.0, 6.0),
            noises=(1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        )
    ),
    seeds=tuple(range(7)),
    methods=(RECOVER,),
)

GRIDS: Mapping[str, Grid] = {grid.name: grid for grid in (_QUICK, _FULL, _TRANSITION, _LIMIT, _NOISE)}
